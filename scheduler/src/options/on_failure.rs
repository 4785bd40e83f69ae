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
}
