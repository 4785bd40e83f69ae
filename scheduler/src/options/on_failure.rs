//! `OnFailure`: whether the other jobs of a list run after one has failed.

/// Whether the other jobs of a list run after one has failed or timed out, for
/// [`Scheduler::on_failure`](crate::Scheduler::on_failure).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnFailure {
    /// They run.
    #[default]
    Continue,
    /// Running jobs continue. No further job is started: those that haven't started are recorded as
    /// [`Failure::Cancelled`](crate::Failure::Cancelled).
    Stop,
    /// The same, after this number of jobs has failed or timed out. Zero is an error when the jobs are run.
    StopAfter(u32),
}

impl OnFailure {
    /// Returns the number of failures at which no further job is started.
    pub(crate) fn most_failures(self) -> Option<u32> {
        match self {
            Self::Continue => None,
            Self::Stop => Some(1),
            Self::StopAfter(count) => Some(count),
        }
    }

    /// Returns a message if it is invalid.
    pub(crate) fn problem(self) -> Option<&'static str> {
        (self == Self::StopAfter(0)).then_some("a list that stops after 0 failures runs nothing; give 1 or more")
    }
}
