//! `SyncedLog`: how much of a file a loss of power would have left.

use std::fs;
use std::path::PathBuf;

use super::listener::Call;

/// The length of a file that an application syncs.
#[derive(Debug)]
pub(crate) struct SyncedLog {
    path: PathBuf,
    /// The thread that syncs it, and the length that it had.
    syncing: Option<(u32, u64)>,
    synced: u64,
}

impl SyncedLog {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, syncing: None, synced: 0 }
    }

    /// Takes note of a call that is about to be made.
    pub(crate) fn see(&mut self, call: &Call) {
        // The next call of a thread is made when the one before has returned.
        if let Some((_, length)) = self.syncing.take_if(|(thread, _)| *thread == call.thread) {
            self.synced = length;
        }
        if [libc::SYS_fsync, libc::SYS_fdatasync].contains(&call.number) {
            let file = fs::read_link(format!("/proc/{}/fd/{}", call.thread, call.first_argument));
            if file.is_ok_and(|file| file == self.path) {
                let length = fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
                self.syncing = Some((call.thread, length));
            }
        }
    }

    /// Returns the length of what is on the disk.
    pub(crate) fn length(&self) -> u64 {
        self.synced
    }
}
