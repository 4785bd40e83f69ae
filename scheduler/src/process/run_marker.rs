//! The environment variables by which processes are known: [`MARKER`] marks a copy of this binary, a [`RunMarker`] those of one
//! run, where nothing better does.

/// Tells the re-executed binary that it is one. It is removed before any user code runs.
pub(crate) const MARKER: &str = "__SCHEDULER_CHILD";

/// The variable by which the processes of a run are found. It means nothing to any of them.
pub(crate) const RUN_MARKER: &str = "SCHEDULER_RUN";

/// What marks the processes of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunMarker(pub(super) String);

impl RunMarker {
    /// Returns a cookie that no other run has.
    pub(crate) fn new(random: [u8; 16]) -> Self {
        Self(format!("{:032x}", u128::from_ne_bytes(random)))
    }

    /// Returns the variable's value. A run within a job keeps the cookie of the outer run, which looks for it, too.
    pub(crate) fn value(&self) -> String {
        match std::env::var(RUN_MARKER) {
            Ok(outer) => format!("{outer}:{}", self.0),
            Err(_) => self.0.clone(),
        }
    }

    /// Says whether a process with this environment is of the run, `None` if it is of no run at all.
    #[cfg_attr(windows, allow(dead_code, reason = "a job object knows all of its processes"))]
    pub(super) fn is_in(&self, environment: &[u8]) -> Option<bool> {
        let mut variables = environment.split(|byte| *byte == 0);
        let value = variables.find_map(|variable| variable.strip_prefix(RUN_MARKER.as_bytes())?.strip_prefix(b"="))?;
        Some(value.split(|byte| *byte == b':').any(|run_marker| run_marker == self.0.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_those_of_outer_runs() {
        let run_marker = RunMarker::new([7; 16]);
        let with = |value: &str| run_marker.is_in(format!("PATH=/bin\0{RUN_MARKER}={value}\0A=b\0").as_bytes());
        assert_eq!(with(&run_marker.0), Some(true));
        assert_eq!(with(&format!("00:{}:11", run_marker.0)), Some(true));
        assert_eq!(with(&run_marker.0[1..]), Some(false));
        assert_eq!(run_marker.is_in(format!("A={RUN_MARKER}={}\0", run_marker.0).as_bytes()), None);
    }
}
