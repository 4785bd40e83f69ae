//! `read_events`: the events in a file, which is a log or a journal.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use crate::report::{self, LoggedEvent};

/// How each file of SQLite begins, and with it each journal.
const DATABASE: &[u8; 16] = b"SQLite format 3\0";

/// Events, or the first error.
pub(super) type Events = Box<dyn Iterator<Item = io::Result<LoggedEvent>>>;

/// Returns the events in a log of `batch --log` or [`report::JsonLines`], or in a journal.
pub(super) fn read_events(path: &Path) -> io::Result<Events> {
    let mut file = File::open(path)?;
    let mut start = Vec::new();
    // A pipe has no place to go back to, and is no journal.
    if file.metadata()?.is_file() {
        Read::take(&mut file, DATABASE.len() as u64).read_to_end(&mut start)?;
        file.rewind()?;
    }
    if start == DATABASE { journaled(path) } else { Ok(Box::new(report::read(BufReader::new(file)))) }
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
