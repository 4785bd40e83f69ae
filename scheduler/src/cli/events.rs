//! `read_events`: the events in a file, which is a log or a journal.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::file_check::{STREAM, UsedFile};
use super::output::shown;
use crate::report::{self, LoggedEvent};

/// How each file of SQLite begins, and with it each journal.
const DATABASE: &[u8; 16] = b"SQLite format 3\0";

/// Programs on Windows write it at the beginning of a text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Events, or the first error.
pub(super) type Events = Box<dyn Iterator<Item = io::Result<LoggedEvent>>>;

/// Returns the name of a log for messages.
pub(super) fn name(path: &Path) -> String {
    if path.as_os_str() == STREAM { "standard input".to_owned() } else { shown(path) }
}

/// Returns which files are read with a log.
pub(super) fn used_file(path: &Path) -> UsedFile<'_> {
    if path.as_os_str() == STREAM {
        return UsedFile::Stdin;
    }
    let mut start = Vec::new();
    let is_file = path.metadata().is_ok_and(|metadata| metadata.is_file());
    let file = is_file.then(|| File::open(path).ok()).flatten();
    // If it can't be read, that is reported when it is.
    let _ = file.map(|file| file.take(DATABASE.len() as u64).read_to_end(&mut start));
    if start == DATABASE { UsedFile::Journal(path) } else { UsedFile::Read(path) }
}

/// Returns the events in a log of `batch --log` or [`report::JsonLines`], or in a journal. `-` is the log on standard input.
pub(super) fn read_events(path: &Path) -> io::Result<Events> {
    if path.as_os_str() == STREAM {
        return Ok(Box::new(report::read(BufReader::new(io::stdin()))));
    }
    let mut file = File::open(path)?;
    let mut start = Vec::new();
    // A pipe has no place to go back to, and is no journal.
    if file.metadata()?.is_file() {
        Read::take(&mut file, DATABASE.len() as u64).read_to_end(&mut start)?;
        let text = if start.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        file.seek(SeekFrom::Start(text as u64))?;
    }
    if start == DATABASE { journaled(path) } else { Ok(Box::new(report::read(BufReader::new(file)))) }
}

/// Returns an error if a file that is to be added to has content, and is no log.
pub(super) fn check_log(path: &Path) -> io::Result<()> {
    if !path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0) {
        return Ok(());
    }
    report::read(BufReader::new(File::open(path)?)).next().unwrap_or_else(|| Err(not_a_log())).map(drop)
}

/// Returns the error for a file without events.
pub(super) fn not_a_log() -> io::Error {
    let problem = "it is no log of `batch --log` or `JsonLines`, and no journal that was used";
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(feature = "journal")]
fn journaled(path: &Path) -> io::Result<Events> {
    let events = report::journaled_events(path).map_err(io::Error::other)?;
    Ok(Box::new(events.into_iter().map(Ok)))
}

#[cfg(not(feature = "journal"))]
fn journaled(_: &Path) -> io::Result<Events> {
    Err(io::Error::other("it is a journal, and this program was built without the feature `journal`"))
}
