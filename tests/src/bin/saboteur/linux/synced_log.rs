//! `SyncedLog`: how much of a file a loss of power would have left.

use std::fs;
use std::path::PathBuf;

use super::listener::Call;

/// The length that a file had when it was last synced.
#[derive(Debug)]
pub(crate) struct SyncedLog {
    path: PathBuf,
    length: u64,
}

impl SyncedLog {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, length: 0 }
    }

    /// Syncs the file in place of this call, if that is what it does. Nothing has to reach a disk for that, as the power stays on. So it
    /// is known exactly which calls came after it.
    pub(crate) fn sync(&mut self, call: &Call) -> bool {
        if ![libc::SYS_fsync, libc::SYS_fdatasync].contains(&call.number) {
            return false;
        }
        let file = fs::read_link(format!("/proc/{}/fd/{}", call.thread, call.first_argument));
        let is_meant = file.is_ok_and(|file| file == self.path);
        if is_meant {
            self.length = fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        }
        is_meant
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }
}
