//! `Readiness`: the result of waiting for one worker and its job.

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
