//! `OwnImage`: the file of the running program, and what executes it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;

use super::find_own_image;

/// How the program that runs is executed once more.
#[derive(Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "elsewhere than on Linux it is always unknown")]
pub(crate) enum OwnImage {
    /// The kernel keeps it: [`EXECUTED`](super::EXECUTED) leads to it.
    Kept,
    /// [`EXECUTED`](super::EXECUTED) is the dynamic loader, which takes its options and then the program's file.
    Loaded { options: Vec<OsString>, file: PathBuf },
    /// Something else executes the program, and only its file is known.
    Interpreted { file: PathBuf },
    /// There is no `/proc`.
    Unknown,
}

impl OwnImage {
    /// Returns that of this process.
    pub(crate) fn get() -> &'static Self {
        static IMAGE: OnceLock<OwnImage> = OnceLock::new();
        IMAGE.get_or_init(find_own_image)
    }
}
