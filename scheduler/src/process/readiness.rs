//! `Readiness`: the result of waiting for one worker and its job. `WaitKey`: which of several they are.

/// Identifies a worker and its job among those that a [`Poller`](crate::process::Poller) waits for.
///
/// Never use a key twice: an event for a key that is not in use any more is recognized by that.
pub(crate) type WaitKey = u64;

/// What of a worker and its job is ready, and will not block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is ready or not, whatever the others are")]
pub(crate) struct Readiness {
    /// A report of the worker.
    pub(crate) control: bool,
    /// The job's data.
    pub(crate) data: bool,
    /// A standard stream that is passed on.
    pub(crate) output: bool,
    /// The exit of the worker's process.
    pub(crate) exited: bool,
}

impl Readiness {
    /// Returns whether anything is ready.
    pub(crate) fn is_any(self) -> bool {
        self != Self::default()
    }
}
