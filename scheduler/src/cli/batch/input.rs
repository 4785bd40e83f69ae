//! The lines of a batch, read by a thread of its own, no faster than they are used.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use super::LINES_AHEAD;
use super::read_ahead::ReadAhead;
use crate::cli::file_check::STREAM;
use crate::cli::output::shown;

/// A line that isn't blank.
#[derive(Debug)]
pub(super) struct NumberedLine {
    /// Among all lines, from 1.
    pub(super) number: u64,
    pub(super) text: String,
}

/// The most bytes of a line: as many as the arguments of a call may take.
const LONGEST_LINE: u64 = 1 << 30;

pub(super) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == STREAM
}

/// The kind of the error of a line that isn't UTF-8.
const NO_TEXT: io::ErrorKind = io::ErrorKind::InvalidData;

/// Returns whether an error is about one line only.
pub(super) fn is_no_text(error: &io::Error) -> bool {
    error.kind() == NO_TEXT
}

/// Opens the file, or standard input.
pub(super) fn open(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    if is_stdin(path) {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    Ok(Box::new(BufReader::new(File::open(path)?)))
}

/// Returns the name of the file for messages.
pub(super) fn name(path: &Path) -> String {
    if is_stdin(path) { "standard input".to_owned() } else { shown(path) }
}

/// What the thread that reads has found.
#[derive(Debug)]
pub(super) enum InputEvent {
    Line(NumberedLine),
    End,
    Unreadable { number: u64, error: io::Error },
}

/// Starts the thread that sends each line, as far ahead of those that are over as there is room, and then the end. It wakes the
/// calling thread after each.
///
/// It isn't awaited: it may wait for a line of a pipe when the batch is over.
pub(super) fn start(mut input: Box<dyn BufRead + Send>, ahead: Arc<ReadAhead>) -> io::Result<Receiver<InputEvent>> {
    let (sender, events) = mpsc::sync_channel(LINES_AHEAD);
    let receiver = thread::current();
    let read = move || {
        let mut number = 0;
        loop {
            let event = match next(&mut *input, &mut number) {
                Ok(Some(text)) => {
                    ahead.enter(text.len());
                    InputEvent::Line(NumberedLine { number, text })
                }
                Ok(None) => InputEvent::End,
                Err(error) => InputEvent::Unreadable { number, error },
            };
            let is_last = !matches!(event, InputEvent::Line(_));
            // The batch has ended if nobody receives it.
            let is_over = sender.send(event).is_err() || is_last;
            receiver.unpark();
            if is_over {
                return;
            }
        }
    };
    thread::Builder::new().name("scheduler-batch".to_owned()).spawn(read)?;
    Ok(events)
}

/// Returns the next line that isn't blank. `number` is that of the last line that was read. After a line that is
/// [`no text`](is_no_text), the next one can be read.
pub(super) fn next(input: &mut dyn BufRead, number: &mut u64) -> io::Result<Option<String>> {
    loop {
        let mut line = Vec::new();
        *number += 1;
        // One byte more than the longest line, without its end.
        if (&mut *input).take(LONGEST_LINE + 1).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if line.len() as u64 > LONGEST_LINE && !line.ends_with(b"\n") {
            return Err(io::Error::other("the line is longer than 1 GiB"));
        }
        let line = String::from_utf8(line).map_err(|error| io::Error::new(NO_TEXT, error.utf8_error()))?;
        // Programs on Windows write a mark at the beginning of a file.
        let line = if *number == 1 { line.trim_start_matches('\u{feff}') } else { &line };
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
        let mut input = "\u{feff}\n a \r\n\n  \nb".as_bytes();
        let mut lines = Vec::new();
        while let Some(line) = next(&mut input, &mut number).expect("it is text") {
            lines.push((number, line));
        }
        assert_eq!(lines, [(2, " a".to_owned()), (5, "b".to_owned())]);
        let mut input = &b"a\xff\nb"[..];
        let error = next(&mut input, &mut number).expect_err("it is no text");
        assert!(is_no_text(&error), "{error}");
        assert_eq!(next(&mut input, &mut number).expect("it is text").as_deref(), Some("b"));
    }
}
