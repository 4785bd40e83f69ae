//! The database: how it is opened, its tables, and what its errors mean.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{Durability, beside};
use crate::error::Error;

/// Marks the file as a journal, in its header: `schj`.
const APPLICATION_ID: i32 = 0x7363_686a;

/// The version of the tables. An older one is migrated when it is opened, a newer one refused.
pub(super) const VERSION: i32 = 1;

/// How long a write waits for a reader of another process that has the file locked, which takes milliseconds.
const BUSY_LIMIT: Duration = Duration::from_secs(10);

/// The pages of the log, of 4 KiB each, after which it is moved into the file. That takes an `fsync`, and some milliseconds.
const CHECKPOINT_PAGES: i32 = 4000;

/// Times are microseconds since the epoch.
const TABLES: &str = "
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        started_at INTEGER NOT NULL,
        ended_at INTEGER,
        process INTEGER NOT NULL,
        program TEXT NOT NULL
    );
    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY,
        -- The last run that asked for it.
        run INTEGER NOT NULL REFERENCES runs (id),
        job_id TEXT NOT NULL,
        job TEXT NOT NULL,
        -- 0, or the number of a later part of a chain.
        part INTEGER NOT NULL,
        -- The hash of the types of its parameters and its result.
        signature INTEGER NOT NULL,
        -- The hash of its encoded arguments.
        arguments BLOB NOT NULL,
        -- What differs from an earlier job of the same id and name: 'arguments' or 'signature'.
        change TEXT,
        -- 'ordered' until it has finished; then 'ok', 'timeout' or 'error'.
        state TEXT NOT NULL,
        error TEXT,
        ordered_at INTEGER NOT NULL,
        finished_at INTEGER,
        -- 'owed' or 'done', if the application calls a function after its timeout.
        follow_up TEXT,
        record BLOB,
        checkpoint BLOB
    );
    CREATE INDEX jobs_by_identity ON jobs (job_id, job, part, arguments, run);
    CREATE TABLE attempts (
        job INTEGER NOT NULL REFERENCES jobs (id),
        number INTEGER NOT NULL,
        started_at INTEGER NOT NULL,
        -- What is known about it, if it ended, and another one follows.
        record BLOB,
        PRIMARY KEY (job, number)
    ) WITHOUT ROWID;
    -- The follow-up jobs of those that have finished.
    CREATE TABLE follow_ups (
        job INTEGER PRIMARY KEY REFERENCES jobs (id),
        -- What `Ended::key` returns.
        key TEXT NOT NULL,
        owed_at INTEGER NOT NULL,
        -- 'owed' until it has finished; then 'ok', 'timeout' or 'error'.
        state TEXT NOT NULL,
        finished_at INTEGER,
        name TEXT,
        signature INTEGER,
        error TEXT,
        record BLOB
    );
";

/// Opens the database for the process that has the journal's lock, and creates or migrates its tables.
pub(super) fn open(path: &Path) -> Result<Connection, Error> {
    let failed = |error| explained(path, "can't be opened", error);
    let connection = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE)).map_err(failed)?;
    prepare(path, &connection).map_err(|error| match error {
        OpenProblem::Own(error) => error,
        OpenProblem::Database(error) => failed(error),
    })?;
    Ok(connection)
}

/// Opens the database of a journal to read it, which another process may be writing.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, Error> {
    let failed = |error| explained(path, "can't be opened", error);
    let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = |path: &Path, flags| {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_LIMIT)?;
        let id = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        Ok((connection, id))
    };
    let opened = match open(path, read_only) {
        // In a folder that can't be written to, SQLite can't make its shared memory. Nothing else writes there, either.
        Err(error) if path.exists() && is_refused(&error) => {
            if fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0) {
                let name = path.display();
                return Err(Error::journal(format_args!(
                    "the journal `{name}` can't be opened: its log, `{name}-wal`, can be read only where a file can be made beside \
                     it; copy both files to another folder"
                ))
                .caused_by(error));
            }
            path.to_str().map_or(Err(error), |path| {
                let path = path.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
                open(Path::new(&format!("file:{path}?immutable=1")), read_only | OpenFlags::SQLITE_OPEN_URI)
            })
        }
        opened => opened,
    };
    let (connection, id): (Connection, i32) = opened.map_err(failed)?;
    if id != APPLICATION_ID {
        return Err(foreign(path));
    }
    check_version(path, version(&connection).map_err(failed)?)?;
    Ok(connection)
}

/// Returns whether a file could not be made or written.
fn is_refused(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

fn flags(access: OpenFlags) -> OpenFlags {
    // One mutex of ours serves the connection.
    access | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

enum OpenProblem {
    Own(Error),
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for OpenProblem {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

fn prepare(path: &Path, connection: &Connection) -> Result<(), OpenProblem> {
    connection.busy_timeout(BUSY_LIMIT)?;
    if connection.is_readonly("main")? {
        let name = path.display();
        let problem =
            format_args!("the journal `{name}` is read-only; allow this process to write to it, or use a copy");
        return Err(OpenProblem::Own(Error::journal(problem)));
    }
    let id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let is_empty: bool = connection.query_row("SELECT count(*) = 0 FROM sqlite_master", [], |row| row.get(0))?;
    if id != APPLICATION_ID && (id != 0 || !is_empty) {
        return Err(OpenProblem::Own(foreign(path)));
    }
    check_version(path, version(connection)?).map_err(OpenProblem::Own)?;
    // It stays in the file.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    set_durability(connection, Durability::default())?;
    if is_empty {
        // At once, so that an application that is killed meanwhile leaves nothing.
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
        ))?;
    }
    Ok(())
}

pub(super) fn set_durability(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    let synchronous = match durability {
        Durability::Full => "FULL",
        Durability::Relaxed => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", synchronous)
}

fn version(connection: &Connection) -> rusqlite::Result<i32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn check_version(path: &Path, version: i32) -> Result<(), Error> {
    if version > VERSION {
        return Err(Error::journal(format_args!(
            "the journal `{}` is of a newer version: its format is {version}, and this build reads formats up to {VERSION}; use the \
             version that wrote it, or another file",
            path.display(),
        )));
    }
    Ok(())
}

fn foreign(path: &Path) -> Error {
    Error::journal(format_args!("`{}` is a database, and not a journal; give another path", path.display()))
}

/// Returns whether there was no room: also for the shared memory beside the file, which SQLite reports as an input/output error.
fn is_disk_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        error.code == ErrorCode::DiskFull || error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
    })
}

/// Returns the error of a journal: what happened to it, and what to do.
pub(super) fn explained(path: &Path, what: &str, error: rusqlite::Error) -> Error {
    let name = path.display();
    let code = error.sqlite_error_code();
    let message = match code {
        Some(ErrorCode::DatabaseCorrupt) => {
            format!("the journal `{name}` is damaged; restore a backup of it, or begin a new one with another path")
        }
        Some(ErrorCode::NotADatabase) => {
            format!("`{name}` is not a journal, or its first page is damaged; give another path")
        }
        _ if is_disk_full(&error) => format!("the journal `{name}` {what}: the disk is full"),
        Some(ErrorCode::ReadOnly) => format!("the journal `{name}` {what}: it is read-only"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("the journal `{name}` {what}: another process has it locked, and doesn't release it")
        }
        Some(ErrorCode::TooBig) => format!("the journal `{name}` {what}: a record is over SQLite's limit of 1 GB"),
        _ => format!("the journal `{name}` {what}"),
    };
    Error::journal(message).caused_by(error)
}
