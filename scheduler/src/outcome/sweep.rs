//! `Sweep`: the processes that a job left running.

use std::fmt;

use serde::Serialize;

/// The processes that a job started and left running, all of which are killed after each attempt.
///
/// Serializes by its `"kind"`: `{"kind": "clean"}`, `{"kind": "killed", "killed": 1}`, `{"kind": "escaped", "pids": [4711]}`,
/// `{"kind": "unproved", "killed": 0}`.
///
/// # Platform
///
/// Only Linux and Windows can verify that nothing is left. Elsewhere every sweep is `Unproved`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, run_job_with_timeout, Sweep};
///
/// #[job]
/// fn forget_a_child() -> std::io::Result<u32> {
///     let child = std::process::Command::new("sleep").arg("1000").spawn()?;
///     Ok(child.id())
/// }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let run = run_job_with_timeout(forget_a_child::job(), Duration::from_secs(10))?;
/// #   #[cfg(target_os = "linux")] // Elsewhere there may be no `sleep`, or nothing is verified.
///     assert!(matches!(run.sweep(), Sweep::Killed { count: 1, .. }));
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
#[doc(alias = "orphans")]
#[doc(alias = "leak")]
#[doc(alias = "descendants")]
pub enum Sweep {
    /// Nothing was left, as the kernel confirmed.
    Clean,
    /// Some processes besides the job's own were killed, after which the kernel confirmed that nothing is left.
    #[non_exhaustive]
    Killed {
        /// The number of processes.
        #[serde(rename = "killed")]
        count: usize,
    },
    /// Some processes were still alive at the end of the sweep's time limit.
    #[non_exhaustive]
    Escaped {
        /// The ids of up to 32 of them.
        pids: Vec<u32>,
    },
    /// It can't be verified that nothing is left: the platform offers no way, or the warden was lost.
    #[non_exhaustive]
    Unproved {
        /// The number of processes besides the job's own that were found and killed.
        killed: usize,
    },
}

/// The means by which the processes that a job left running were found and killed.
///
/// Serializes as its name in snake case, such as `"job_object"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SweptBy {
    /// The job's warden, which every orphan of the job's is reparented to. Linux.
    #[doc(alias = "subreaper")]
    Warden,
    /// The job's warden, with a cgroup for this run ([`Containment`](crate::Containment)). Linux.
    Cgroup,
    /// A job object. Windows.
    JobObject,
    /// A search among all processes, which may miss some: without a warden, or after it was lost.
    Search,
}

impl Sweep {
    /// The number of escaped processes that are named.
    pub(crate) const NAMED: usize = 32;

    /// Returns the sweep that these processes, and perhaps others, escaped.
    pub(crate) fn escaped(processes: impl IntoIterator<Item = u32>) -> Self {
        Self::Escaped { pids: processes.into_iter().take(Self::NAMED).collect() }
    }
}

impl fmt::Display for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean => f.write_str("nothing was left behind"),
            Self::Killed { count: 1 } => f.write_str("1 process was left behind and killed"),
            Self::Killed { count } => write!(f, "{count} processes were left behind and killed"),
            Self::Escaped { pids } => write!(f, "these processes could not be killed in time: {pids:?}"),
            Self::Unproved { killed: 0 } => f.write_str("it can't be verified that nothing was left behind"),
            Self::Unproved { killed } => {
                write!(
                    f,
                    "{killed} processes were found and killed; it can't be verified that nothing else was left behind"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_sweep_has_its_kind() {
        let written = |sweep: Sweep| serde_json::to_value(sweep).expect("it is written");
        assert_eq!(written(Sweep::Clean), json!({"kind": "clean"}));
        assert_eq!(written(Sweep::Killed { count: 2 }), json!({"kind": "killed", "killed": 2}));
        assert_eq!(written(Sweep::Escaped { pids: vec![7] }), json!({"kind": "escaped", "pids": [7]}));
        assert_eq!(written(Sweep::Unproved { killed: 0 }), json!({"kind": "unproved", "killed": 0}));
    }
}
