//! `PassedOn`: what jobs on other machines print, on its way to the application's standard error.

use std::io::{self, Write as _};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread;

/// How many pieces may wait for the reader of the application's standard error.
const MOST_WAITING: usize = 256;

/// A thread that writes, so that a reader that doesn't read holds up nothing but its own output.
#[derive(Debug, Default)]
pub(super) struct PassedOn {
    pieces: Option<SyncSender<Vec<u8>>>,
    /// How many bytes were dropped since the last piece.
    dropped: usize,
}

impl PassedOn {
    /// Passes bytes on. They are dropped if too many wait, which is noted among them.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        if self.pieces.is_none() {
            self.pieces = start();
        }
        let Some(pieces) = &self.pieces else { return };
        if self.dropped > 0 {
            let note = format!("\n[{} bytes of the output of jobs on other machines were dropped]\n", self.dropped);
            if pieces.try_send(note.into_bytes()).is_err() {
                self.dropped += bytes.len();
                return;
            }
            self.dropped = 0;
        }
        if let Err(TrySendError::Full(piece)) = pieces.try_send(bytes.to_vec()) {
            self.dropped += piece.len();
        }
    }
}

fn start() -> Option<SyncSender<Vec<u8>>> {
    let (sender, pieces) = sync_channel::<Vec<u8>>(MOST_WAITING);
    let write = move || {
        for piece in pieces {
            // Without a reader there is nobody to tell.
            let _ = io::stderr().write_all(&piece);
        }
    };
    let thread = thread::Builder::new().name("scheduler-output".to_owned()).spawn(write);
    thread.ok().map(|_| sender)
}
