//! `ReadAhead`: how far the lines that are read may be ahead of the jobs that run.

use std::sync::{Condvar, Mutex};

use crate::sync::{lock, unpoisoned};

/// The lines that were read and aren't over. The thread that reads waits for room; the batch makes it.
///
/// Their number is limited as well, by the queues that they stand in ([`LINES_AHEAD`](super::LINES_AHEAD),
/// [`READ_AHEAD`](super::READ_AHEAD)): this limits their bytes, as the arguments of a call may be as long as memory.
#[derive(Debug)]
pub(super) struct ReadAhead {
    waiting: Mutex<Waiting>,
    has_room: Condvar,
    /// That many have room whatever their length: those that run, and the next one.
    lines: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: usize,
    bytes: usize,
}

/// The most bytes of lines that aren't over, beside those of the jobs that run: 1 MiB.
const MOST_BYTES: usize = 1 << 20;

impl ReadAhead {
    pub(super) fn new(concurrency: usize) -> Self {
        Self { waiting: Mutex::default(), has_room: Condvar::new(), lines: concurrency.saturating_add(1) }
    }

    /// Waits until a line of this length has room, and takes it.
    pub(super) fn enter(&self, bytes: usize) {
        let is_full =
            |waiting: &mut Waiting| waiting.lines >= self.lines && waiting.bytes.saturating_add(bytes) > MOST_BYTES;
        let mut waiting = unpoisoned(self.has_room.wait_while(lock(&self.waiting), is_full));
        waiting.lines += 1;
        waiting.bytes += bytes;
    }

    /// Gives back the room of a line that is over.
    pub(super) fn leave(&self, bytes: usize) {
        let mut waiting = lock(&self.waiting);
        waiting.lines -= 1;
        waiting.bytes -= bytes;
        drop(waiting);
        self.has_room.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{self, RecvTimeoutError};
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn long_lines_wait_for_those_before_them() {
        let ahead = Arc::new(ReadAhead::new(2));
        let (sender, entered) = mpsc::channel();
        let theirs = Arc::clone(&ahead);
        thread::spawn(move || {
            // Three have room whatever their length, and the short one that follows hasn't.
            for bytes in [MOST_BYTES * 9, MOST_BYTES, 5, 1, MOST_BYTES] {
                theirs.enter(bytes);
                sender.send(bytes).expect("it is waited for");
            }
        });
        let next = || entered.recv_timeout(Duration::from_secs(60)).expect("it has room");
        assert_eq!([next(), next(), next()], [MOST_BYTES * 9, MOST_BYTES, 5]);
        assert_eq!(entered.recv_timeout(Duration::from_millis(20)), Err(RecvTimeoutError::Timeout));
        ahead.leave(MOST_BYTES * 9);
        assert_eq!(next(), 1);
        assert_eq!(entered.recv_timeout(Duration::from_millis(20)), Err(RecvTimeoutError::Timeout));
        ahead.leave(MOST_BYTES);
        assert_eq!(next(), MOST_BYTES);
    }

    #[test]
    fn short_lines_have_room() {
        let ahead = ReadAhead::new(1);
        for _ in 0..1000 {
            ahead.enter(100);
        }
        ahead.leave(100);
    }
}
