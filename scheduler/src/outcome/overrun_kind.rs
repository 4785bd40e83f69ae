//! `OverrunKind`: the limit at which a job was stopped.

use std::fmt;

/// The limit at which a job was stopped, as [`Overrun::kind`](crate::Overrun::kind) returns it.
///
/// The status of the run is [`Timeout`](crate::Status::Timeout) for each of them.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, run_job_with_timeout, Outcome, OverrunKind};
///
/// #[job(stall = "100ms")]
/// fn hang() { loop { std::thread::park() } }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let run = run_job_with_timeout(hang::job(), Duration::from_secs(60))?;
///     assert!(matches!(run.outcome, Outcome::Timeout(overrun) if overrun.kind() == OverrunKind::Stall));
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OverrunKind {
    /// The job's own [timeout](macro@crate::job#timeout).
    Timeout,
    /// The [timeout of the whole list](crate::Scheduler::total_timeout).
    TotalTimeout,
    /// The limit on the time without a report ([`stall`](macro@crate::job#stall)).
    Stall,
    /// The limit on the time without output ([`silence`](macro@crate::job#silence)).
    Silence,
}

impl OverrunKind {
    /// Returns the kind as text: `"timeout"`, `"total_timeout"`, `"stall"` or `"silence"`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::TotalTimeout => "total_timeout",
            Self::Stall => "stall",
            Self::Silence => "silence",
        }
    }
}

impl fmt::Display for OverrunKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
