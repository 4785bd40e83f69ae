//! `ExitClass`: what the way in which a process ended says of the cause, as far as that is the platform's own.

/// What ended a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitClass {
    /// What can't be refused, whoever did it.
    Killed,
    /// `abort`, at which a panic ends that can't be unwound; on Unix an overflow of the stack, too.
    Aborted,
    /// An overflow of the stack.
    #[cfg_attr(unix, expect(dead_code, reason = "on Unix it can't be told from an abort"))]
    OutOfStack,
    /// It has used up its processor time.
    #[cfg_attr(not(unix), allow(dead_code, reason = "only a Unix says so by the way in which a process ends"))]
    OutOfCpuTime,
    /// A file would have become larger than is allowed.
    #[cfg_attr(not(unix), allow(dead_code, reason = "only a Unix says so by the way in which a process ends"))]
    OutOfFileSize,
    /// Something else, or itself.
    Otherwise,
}
