//! The environment variables of a run's processes: [`ROLE_VARIABLE`] has the role of a copy of this binary, and
//! [`RUN_VARIABLE`] the [`RunMarker`] by which the processes of a run are found when nothing better is available.

/// The variable that makes the re-executed binary a copy, with its role. It is removed before any user code runs.
pub(crate) const ROLE_VARIABLE: &str = "__SCHEDULER_CHILD";

/// The variable by which the processes of a run are found. It has no effect on them.
pub(crate) const RUN_VARIABLE: &str = "SCHEDULER_RUN";

/// A random text that marks the processes of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunMarker(pub(super) String);

impl RunMarker {
    /// Returns a marker that no other run has.
    pub(crate) fn new(random: [u8; 16]) -> Self {
        Self(format!("{:032x}", u128::from_ne_bytes(random)))
    }

    /// Returns the variable's value. A run within a job keeps the marker of the outer run, which must find its processes as
    /// well.
    pub(crate) fn value(&self) -> String {
        match std::env::var(RUN_VARIABLE) {
            Ok(outer) => format!("{outer}:{}", self.0),
            Err(_) => self.0.clone(),
        }
    }

    /// Returns whether a process with this environment belongs to the run, and `None` if it belongs to no run.
    #[cfg_attr(windows, allow(dead_code, reason = "a job object knows all of its processes"))]
    pub(super) fn is_in(&self, environment: &[u8]) -> Option<bool> {
        let mut variables = environment.split(|byte| *byte == 0);
        let value =
            variables.find_map(|variable| variable.strip_prefix(RUN_VARIABLE.as_bytes())?.strip_prefix(b"="))?;
        Some(value.split(|byte| *byte == b':').any(|run_marker| run_marker == self.0.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_found_among_those_of_outer_runs() {
        let run_marker = RunMarker::new([7; 16]);
        let with = |value: &str| run_marker.is_in(format!("PATH=/bin\0{RUN_VARIABLE}={value}\0A=b\0").as_bytes());
        assert_eq!(with(&run_marker.0), Some(true));
        assert_eq!(with(&format!("00:{}:11", run_marker.0)), Some(true));
        assert_eq!(with(&run_marker.0[1..]), Some(false));
        assert_eq!(run_marker.is_in(format!("A={RUN_VARIABLE}={}\0", run_marker.0).as_bytes()), None);
    }
}
