//! `Outcome::cause`: how a job ended, as `retry_on` and `follow_up_on` name it.

use crate::options::Cause;
use crate::outcome::{Failure, Outcome};

impl<T> Outcome<T> {
    /// Returns the cause; `None` for a job that was cancelled before it began, as there is nothing to retry or to look into.
    pub(crate) fn cause(&self) -> Option<Cause> {
        Some(match self {
            Self::Ok(_) => Cause::Ok,
            Self::Timeout(_) => Cause::Timeout,
            Self::Error(failure) => match failure {
                // Never an outcome.
                Failure::Timeout(_) => Cause::Timeout,
                Failure::Returned { .. } => Cause::Returned,
                Failure::Panicked(_) => Cause::Panic,
                Failure::Signaled { .. } | Failure::StackOverflow { .. } | Failure::FileSize { .. } => Cause::Signal,
                Failure::OutOfMemory { .. } => Cause::OutOfMemory,
                Failure::CpuTime { .. } => Cause::CpuTime,
                // The last two are never an outcome.
                Failure::Exited { .. } | Failure::BadExit { .. } | Failure::ExitTimeout { .. } => Cause::Exit,
                Failure::Cancelled { begun: true } => Cause::Cancelled,
                Failure::Cancelled { begun: false } => return None,
                Failure::Lost { .. } => Cause::Lost,
                Failure::Unserializable { .. }
                | Failure::Undelivered { .. }
                | Failure::NeverStarted { .. }
                | Failure::ProtocolBroken { .. } => Cause::Internal,
            },
        })
    }
}
