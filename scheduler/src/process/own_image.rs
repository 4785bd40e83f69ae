//! `OwnImage`: the file of the running program, and the way to execute it again.

use std::ffi::OsString;
use std::path::PathBuf;

/// The way to execute this program again.
#[derive(Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "on other systems than Linux it is always unknown")]
pub(crate) enum OwnImage {
    /// [`EXECUTED`](super::EXECUTED) leads to it, and the kernel keeps it.
    Kept,
    /// [`EXECUTED`](super::EXECUTED) is the dynamic loader, which takes options and the program's file.
    Loaded { options: Vec<OsString>, file: PathBuf },
    /// Another program interprets this one, of which only the file is known.
    Interpreted { file: PathBuf },
    /// There is no `/proc`.
    Unknown,
}
