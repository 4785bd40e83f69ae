//! `ExitClass`: the cause of a process's exit, as far as its exit status shows it.

/// The cause of an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitClass {
    /// SIGKILL, or `TerminateProcess`: sent by any process, or by the kernel.
    Killed,
    /// `abort`, with which a panic ends that can't be unwound. On Unix also a stack overflow.
    Aborted,
    /// A stack overflow.
    #[cfg_attr(unix, expect(dead_code, reason = "on Unix it can't be distinguished from an abort"))]
    StackOverflow,
    /// The limit on processor time.
    #[cfg_attr(not(unix), allow(dead_code, reason = "only on Unix the exit status shows it"))]
    CpuLimit,
    /// The limit on the size of a file.
    #[cfg_attr(not(unix), allow(dead_code, reason = "only on Unix the exit status shows it"))]
    FileSizeLimit,
    /// Any other cause, or an ordinary exit.
    Other,
}
