//! The lines of a batch, read by a thread of its own, no faster than room for their jobs comes free.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use super::BatchEvent;
use crate::sync::{lock, unpoisoned};

/// A line that isn't blank.
#[derive(Debug)]
pub(super) struct NumberedLine {
    /// Among all lines, from 1.
    pub(super) number: u64,
    pub(super) text: String,
}

/// The path that stands for standard input.
const STDIN: &str = "-";

/// Opens the file, or standard input.
pub(super) fn open(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    if path.as_os_str() == STDIN {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    Ok(Box::new(BufReader::new(File::open(path)?)))
}

/// Returns the name of the file for messages.
pub(super) fn name(path: &Path) -> String {
    if path.as_os_str() == STDIN { "standard input".to_owned() } else { path.display().to_string() }
}

/// The room for jobs that are read and not over.
#[derive(Debug)]
pub(super) struct Room {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Room {
    pub(super) fn new(free: usize) -> Self {
        Self { free: Mutex::new(free), freed: Condvar::new() }
    }

    /// Takes a place, as soon as one is free.
    fn take(&self) {
        let free = lock(&self.free);
        let mut free = unpoisoned(self.freed.wait_while(free, |free| *free == 0));
        *free -= 1;
    }

    /// Frees a place.
    pub(super) fn free(&self) {
        *lock(&self.free) += 1;
        self.freed.notify_one();
    }
}

/// Starts the thread that sends each line for which there is room, and then the end.
///
/// It isn't awaited: it may wait for a line of a pipe when the batch is over.
pub(super) fn start(input: Box<dyn BufRead + Send>, room: Arc<Room>, sender: Sender<BatchEvent>) -> io::Result<()> {
    thread::Builder::new().name("scheduler-batch".to_owned()).spawn(move || read(input, &room, &sender)).map(drop)
}

fn read(mut input: Box<dyn BufRead + Send>, room: &Room, sender: &Sender<BatchEvent>) {
    let mut number = 0;
    loop {
        room.take();
        let event = match next(&mut *input, &mut number) {
            Ok(Some(text)) => BatchEvent::Line(NumberedLine { number, text }),
            Ok(None) => BatchEvent::End,
            Err(error) => BatchEvent::Unreadable { number, error },
        };
        let is_last = !matches!(event, BatchEvent::Line(_));
        if sender.send(event).is_err() || is_last {
            return;
        }
    }
}

/// Returns the next line that isn't blank. `number` is that of the last line that was read.
pub(super) fn next(input: &mut dyn BufRead, number: &mut u64) -> io::Result<Option<String>> {
    loop {
        let mut line = Vec::new();
        *number += 1;
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8(line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if !line.trim().is_empty() {
            return Ok(Some(line.trim_end().to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_count_and_are_skipped() {
        let mut number = 0;
        let mut input = "\n a \r\n\n  \nb".as_bytes();
        let mut lines = Vec::new();
        while let Some(line) = next(&mut input, &mut number).expect("it is text") {
            lines.push((number, line));
        }
        assert_eq!(lines, [(2, " a".to_owned()), (5, "b".to_owned())]);
        assert!(next(&mut &b"a\xff"[..], &mut number).is_err());
    }
}
