//! `FileLock`: the answer to a request for the lock of a file.

/// The answer to a request for the lock of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileLock {
    Acquired,
    /// Another process has it, with this id, if the system says which.
    Held {
        by: Option<u32>,
    },
}
