//! `read_journal`: opens the database of a journal to read it, which another process may be writing, and leaves nothing behind.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::beside;
use super::database::{APPLICATION_ID, BUSY_LIMIT, check_version, foreign, version};
use super::explained::explained;
use super::shared::JournalProblem;
use crate::error::Error;

/// How often the file alone is read, while applications open and close it.
const MOST_TRIES: u32 = 10;

/// Reads a journal.
///
/// One that is closed consists of one file, and is read without the files beside it: SQLite would make them for a reader, who may
/// be another user than the one who has to write them next, and would not remove them.
pub(super) fn read_journal<T>(
    path: &Path,
    code: impl Fn(&Connection) -> Result<T, JournalProblem>,
) -> Result<T, Error> {
    let read = |connection: &Connection| {
        code(connection).map_err(|problem| match problem {
            JournalProblem::Database(error) => explained(path, "can't be read", error),
            JournalProblem::Other(problem) => {
                Error::journal(format_args!("the journal `{}` can't be read: {problem}", path.display()))
            }
        })
    };
    for _ in 0..MOST_TRIES {
        let Some((stamp, uri)) = closed_stamp(path).zip(immutable_uri(path)) else { break };
        let read = open(Path::new(&uri), OpenFlags::SQLITE_OPEN_URI)
            .map_err(|error| explained(path, "can't be opened", error))
            .and_then(|connection| read(&checked(path, connection)?));
        // An application that has opened it meanwhile has a log, or has changed the file.
        if closed_stamp(path) == Some(stamp) {
            return read;
        }
    }
    match open(path, OpenFlags::empty()) {
        Ok(connection) => read(&checked(path, connection)?),
        // In a folder that can't be written to, SQLite can't make its shared memory.
        Err(error) if path.exists() && is_refused(&error) && has_log(path) => {
            let name = path.display();
            Err(Error::journal(format_args!(
                "the journal `{name}` can't be opened: its log, `{name}-wal`, can be read only where a file can be made beside \
                 it; copy both files to another folder"
            ))
            .caused_by(std::io::Error::other(error.to_string())))
        }
        Err(error) => Err(explained(path, "can't be opened", error)),
    }
}

/// Returns what changes with the file, if it has no log: `None` if an application has the journal open, or was killed.
fn closed_stamp(path: &Path) -> Option<(u64, SystemTime)> {
    let stamp = fs::metadata(path).ok().and_then(|file| Some((file.len(), file.modified().ok()?)));
    stamp.filter(|_| !has_log(path))
}

fn has_log(path: &Path) -> bool {
    fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0)
}

/// Returns the file as SQLite opens it without a lock and without the files beside it.
fn immutable_uri(path: &Path) -> Option<String> {
    let path = path.to_str()?.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    Some(format!("file:{path}?immutable=1"))
}

fn open(path: &Path, flags: OpenFlags) -> rusqlite::Result<(Connection, i32)> {
    let flags = flags | OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_LIMIT)?;
    let id = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    Ok((connection, id))
}

/// Returns the connection, if it is one to a journal.
fn checked(path: &Path, (connection, id): (Connection, i32)) -> Result<Connection, Error> {
    let failed = |error| explained(path, "can't be opened", error);
    if id != APPLICATION_ID {
        // Until the log is moved into the file, that has nothing else.
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(failed)?;
        let sql = "SELECT count(*) = 0 FROM sqlite_master";
        let is_empty: bool = connection.query_row(sql, [], |row| row.get(0)).map_err(failed)?;
        if id == 0 && is_empty && mode == "wal" {
            let name = path.display();
            return Err(Error::journal(format_args!(
                "the journal `{name}` has nothing in it: its log, `{name}-wal`, is missing, or its application was killed \
                 while it made the journal"
            )));
        }
        return Err(foreign(path));
    }
    check_version(path, version(&connection).map_err(failed)?)?;
    Ok(connection)
}

/// Returns whether a file could not be made or written.
fn is_refused(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}
