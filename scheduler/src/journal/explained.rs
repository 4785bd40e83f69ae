//! The errors of a journal: what happened to its files, and what to do.

use std::fs;
use std::io;
use std::path::Path;

use rusqlite::ErrorCode;

use super::beside;
use crate::error::Error;
use crate::process::write_obstacle;

/// Returns the error of a journal: what happened to it, and what to do.
pub(super) fn explained(path: &Path, what: &str, error: rusqlite::Error) -> Error {
    let name = path.display();
    let message = match error.sqlite_error_code() {
        _ if is_damage(&error) => return damaged(path, text(error)),
        Some(ErrorCode::NotADatabase) => {
            format!("`{name}` is not a journal, or its first page is damaged; give another path")
        }
        _ if is_disk_full(&error) => {
            format!("the journal `{name}` {what}: the disk is full; free some space on it, and start again")
        }
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) => match unwritable(path) {
            Some(obstacle) => format!("the journal `{name}` {what}: {obstacle}"),
            None if error.sqlite_error_code() == Some(ErrorCode::ReadOnly) => {
                format!("the journal `{name}` {what}: it is read-only")
            }
            None => format!("the journal `{name}` {what}"),
        },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("the journal `{name}` {what}: another process has it locked, and doesn't release it")
        }
        Some(ErrorCode::TooBig) => format!("the journal `{name}` {what}: a record is over SQLite's limit of 1 GB"),
        _ => format!("the journal `{name}` {what}"),
    };
    Error::journal(message).caused_by(io::Error::other(text(error)))
}

/// Returns the error of a file in which SQLite has found this.
pub(super) fn damaged(path: &Path, found: String) -> Error {
    let name = path.display();
    let problem =
        format_args!("the journal `{name}` is damaged; restore a backup of it, or begin a new one with another path");
    Error::journal(problem).caused_by(io::Error::other(found))
}

/// Returns the error of a journal that can't be opened, as this is the error, or as it was opened to be read only.
pub(super) fn unopened(path: &Path, error: Option<io::Error>) -> Error {
    let name = path.display();
    let kind = error.as_ref().map(io::Error::kind);
    let folder = path.parent().filter(|folder| !folder.is_dir());
    let message = match (kind, folder) {
        (Some(io::ErrorKind::InvalidFilename), _) => format!(
            "the journal `{name}` can't be opened: its name is too long, as those of the files beside it have five more \
             characters; give a shorter one"
        ),
        (Some(io::ErrorKind::NotFound), Some(folder)) => {
            format!("the journal `{name}` can't be opened: there is no folder `{}`; create it", folder.display())
        }
        _ => match unwritable(path) {
            Some(obstacle) => format!("the journal `{name}` can't be opened: {obstacle}"),
            None => format!("the journal `{name}` can't be opened"),
        },
    };
    let message = Error::journal(message);
    match error {
        Some(error) => message.caused_by(error),
        None => message,
    }
}

/// Returns which file of a journal, or which folder, this process can't write, and what to do.
///
/// No file is opened: closing one would release the locks that this process has on it.
fn unwritable(journal: &Path) -> Option<String> {
    // Its files stand beside what a link leads to.
    let journal = &fs::canonicalize(journal).unwrap_or_else(|_| journal.to_owned());
    let folder = journal.parent()?;
    let in_folder = write_obstacle(folder);
    if in_folder.as_ref().is_some_and(|error| error.kind() == io::ErrorKind::ReadOnlyFilesystem) {
        return Some("it is on a read-only file system; `JournalReader` reads it, or use a copy".to_owned());
    }
    let is_forbidden = |path: &Path| path.exists() && write_obstacle(path).is_some();
    if is_forbidden(journal) {
        let name = journal.display();
        return Some(format!("`{name}` can't be written; allow this process to write it, or use a copy"));
    }
    let others = ["-wal", "-shm", "-lock"].map(|ending| beside(journal, ending));
    if let Some(path) = others.iter().find(|path| is_forbidden(path)) {
        let name = path.display();
        // What has been committed may be in the log alone.
        let holds_jobs = path == &others[0] && fs::metadata(path).is_ok_and(|log| log.len() > 0);
        let remedy = if holds_jobs { "" } else { ", or remove it while no application uses the journal" };
        return Some(format!("`{name}` can't be written; allow this process to write it{remedy}"));
    }
    in_folder.map(|_| format!("no file can be made in its folder, `{}`; allow this process to do so", folder.display()))
}

/// Returns whether the file has another content than a journal has: SQLite finds most of that, and misses tables and columns.
fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::SqlInputError { .. }
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::Utf8Error(..)
    ) || error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt)
}

/// Returns what SQLite says, once: the source of its error has the same text, and another one the statement.
fn text(error: rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg,
        error => error.to_string(),
    }
}

/// Returns whether there was no room: also for the shared memory beside the file, which SQLite reports as an input/output error.
fn is_disk_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        error.code == ErrorCode::DiskFull || error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
    })
}
