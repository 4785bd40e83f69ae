//! `OnFailure`: what becomes of the other jobs of a list when one has failed.

/// What becomes of the other jobs when one has failed or timed out, for
/// [`Scheduler::on_failure`](crate::Scheduler::on_failure).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnFailure {
    /// They run as if nothing had happened.
    #[default]
    Continue,
    /// Those that run go on to their ends. No further one is started: those are recorded as
    /// [`Failure::Cancelled`](crate::Failure::Cancelled).
    Stop,
}
