//! `Ready`: what a wait tells of one job and whoever watches over its process.

/// What of a job, and of whoever watches over its process, can be heard, read or collected without waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is ready or not, whatever the others are")]
pub(crate) struct Ready {
    /// What is said of the job's process.
    pub(crate) control: bool,
    /// The job's own stream.
    pub(crate) data: bool,
    /// What is written to a standard stream.
    pub(crate) output: bool,
    /// The end of the process.
    pub(crate) exited: bool,
}
