//! The database: how it is opened to be written, its tables, and its version.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::Durability;
use super::explained::{damaged, explained, unopened};
use crate::error::Error;

/// Marks the file as a journal, in its header: `schj`.
pub(super) const APPLICATION_ID: i32 = 0x7363_686a;

/// The version of the tables. An older one is migrated when it is opened, a newer one refused.
pub(super) const VERSION: i32 = 1;

/// How long a write waits for a reader of another process that has the file locked, which takes milliseconds.
pub(super) const BUSY_LIMIT: Duration = Duration::from_secs(10);

/// The pages of the log, of 4 KiB each, after which it is moved into the file. That takes an `fsync`, and some milliseconds.
const CHECKPOINT_PAGES: i32 = 4000;

/// The size up to which a file is checked when it is opened: 100,000 jobs with small results have 50 MB, and take 0.1 s.
const MOST_CHECKED_BYTES: u64 = 256 << 20;

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
        checkpoint BLOB,
        -- What follows it in its chain: 'part' or 'value', in place of its result.
        next TEXT
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
        return Err(OpenProblem::Own(unopened(path, None)));
    }
    let id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let is_empty: bool = connection.query_row("SELECT count(*) = 0 FROM sqlite_master", [], |row| row.get(0))?;
    if id != APPLICATION_ID && (id != 0 || !is_empty) {
        return Err(OpenProblem::Own(foreign(path)));
    }
    check_version(path, version(connection)?).map_err(OpenProblem::Own)?;
    if !is_empty {
        find_damage(path, connection)?;
    }
    // It stays in the file.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    set_durability(connection, Durability::default())?;
    if is_empty {
        // At once, so that an application that is killed meanwhile leaves nothing.
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
        ))?;
    } else if !has_continuations(connection)? {
        connection.execute_batch("ALTER TABLE jobs ADD COLUMN next TEXT")?;
    }
    // It fails now, and not at the first job, if a file beside it can't be written.
    connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK;")?;
    Ok(())
}

/// Looks at each page of a file that isn't large. A page that is damaged may otherwise look like one without a job that is there, which
/// would run again, or a follow-up that is owed, which would never run.
fn find_damage(path: &Path, connection: &Connection) -> Result<(), OpenProblem> {
    if fs::metadata(path).is_ok_and(|file| file.len() > MOST_CHECKED_BYTES) {
        return Ok(());
    }
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(OpenProblem::Own(damaged(path, found))) }
}

/// Returns whether it says of each part of a chain what follows, as all but the first journals do.
pub(super) fn has_continuations(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) > 0 FROM pragma_table_info('jobs') WHERE name = 'next'";
    connection.query_row(sql, [], |row| row.get(0))
}

pub(super) fn set_durability(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    let synchronous = match durability {
        Durability::Full => "FULL",
        Durability::Relaxed => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", synchronous)
}

pub(super) fn version(connection: &Connection) -> rusqlite::Result<i32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

pub(super) fn check_version(path: &Path, version: i32) -> Result<(), Error> {
    if version > VERSION {
        return Err(Error::journal(format_args!(
            "the journal `{}` is of a newer version: its format is {version}, and this build reads formats up to {VERSION}; use the \
             version that wrote it, or another file",
            path.display(),
        )));
    }
    Ok(())
}

pub(super) fn foreign(path: &Path) -> Error {
    Error::journal(format_args!("`{}` is a database, and not a journal; give another path", path.display()))
}
