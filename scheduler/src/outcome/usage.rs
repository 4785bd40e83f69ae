//! What the warden saw of a job: how its process ended, what it used, and what it left behind.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a process ended, as the kernel told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Exit {
    Code(i32),
    Signal { number: i32, core_dumped: bool },
}

/// What a job's process used, with the children that it waited for.
///
/// # Platform
///
/// From `wait4` on a Unix. On Windows the times are those of the job object, of all that the job started, and the memory is
/// that of the job's own process. Zero throughout where the job's end was not witnessed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Usage {
    /// Processor time in user code.
    pub user: Duration,
    /// Processor time in the kernel.
    pub system: Duration,
    /// The largest resident set, in bytes.
    pub peak_memory: u64,
}

/// What was found after a job: the processes that it had started and left running.
///
/// # Platform
///
/// Elsewhere than on Linux and Windows nothing can be proved, and every sweep is `Unproved`.
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
/// #   #[cfg(target_os = "linux")] // Elsewhere there may be no `sleep`, or no proof.
///     assert_eq!(run.sweep, Sweep::Killed(1));
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Sweep {
    /// Nothing was left: the kernel said so.
    Clean,
    /// So many processes beside the job's own were killed, after which the kernel said that nothing is left.
    Killed(usize),
    /// Some processes were alive when the time for the sweep was over. Up to 32 of them are named by their ids.
    Escaped(Vec<u32>),
    /// The witness was lost, or could not see: what is left can't be known.
    #[non_exhaustive]
    Unproved {
        /// How many processes beside the job were found all the same, and killed.
        killed: usize,
    },
}

/// By which means it was found out what a job has left, and ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SweptBy {
    /// By its warden, to which all that a job starts comes in the end. Linux.
    Warden,
    /// By its warden, with a cgroup of the run's own ([`Containment`](crate::Containment)). Linux.
    Cgroup,
    /// By a job object. Windows.
    JobObject,
    /// By a search among all processes, which proves nothing: where there is no warden, or it was lost.
    Search,
}

impl Sweep {
    /// How many processes that have escaped are named.
    pub(crate) const NAMED: usize = 32;

    /// Returns that these processes, and perhaps more, have escaped.
    pub(crate) fn escaped(processes: impl IntoIterator<Item = u32>) -> Self {
        Self::Escaped(processes.into_iter().take(Self::NAMED).collect())
    }
}

impl fmt::Display for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean => f.write_str("nothing was left behind"),
            Self::Killed(1) => f.write_str("1 process was left behind and killed"),
            Self::Killed(count) => write!(f, "{count} processes were left behind and killed"),
            Self::Escaped(pids) => write!(f, "these processes could not be killed in time: {pids:?}"),
            Self::Unproved { killed: 0 } => f.write_str("what was left behind could not be proved"),
            Self::Unproved { killed } => {
                write!(f, "{killed} processes were found and killed; whether more were left could not be proved")
            }
        }
    }
}
