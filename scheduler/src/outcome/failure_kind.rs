//! `Failure::kind`: the name of each kind of failure.

use crate::outcome::{Failure, Outcome};

impl<T> Outcome<T> {
    /// Returns the name of the kind of the failure, a timeout included; `None` if there is a value.
    #[cfg(any(feature = "metrics", feature = "tracing"))]
    pub(crate) fn failure_kind(&self) -> Option<&'static str> {
        match self {
            Self::Ok(_) => None,
            Self::Error(failure) => Some(failure.kind()),
            Self::Timeout(_) => Some("timeout"),
        }
    }
}

impl Failure {
    /// Returns the name of the kind, such as `"panicked"`: the `kind` of the [serialized](crate::Record#json) failure,
    /// and what metrics and traces call the error's type. There are few of them, and none contains the job's own text.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, Failure, Scheduler};
    ///
    /// #[job]
    /// fn fails() { panic!("no luck") }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let records = Scheduler::new().run(jobs![("a", fails)])?;
    ///     assert_eq!(records[0].failure().map(Failure::kind), Some("panicked"));
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Returned { .. } => "returned",
            Self::Panicked(_) => "panicked",
            Self::Signaled { .. } => "signaled",
            Self::StackOverflow { .. } => "stack_overflow",
            Self::OutOfMemory { .. } => "out_of_memory",
            Self::CpuTime { .. } => "cpu_time",
            Self::FileSize { .. } => "file_size",
            Self::Exited { .. } => "exited",
            Self::BadExit { .. } => "bad_exit",
            Self::ExitTimeout { .. } => "exit_timeout",
            Self::Unserializable { .. } => "unserializable",
            Self::Undelivered { .. } => "undelivered",
            Self::NeverStarted { .. } => "never_started",
            Self::Cancelled { .. } => "cancelled",
            Self::ProtocolBroken { .. } => "protocol_broken",
            Self::Lost { .. } => "lost",
            Self::Timeout(_) => "timeout",
        }
    }
}
