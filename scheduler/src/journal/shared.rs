//! `SharedJournal`: an open journal, which all lists and loops that use it share.

use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, params};

use super::database;
use super::explained::explained;
use super::location::locate;
use super::lock::JournalLock;
use super::{Durability, OnError};
use crate::clock;
use crate::error::Error;
use crate::process::Origin;
use crate::sync::{lock, unpoisoned};

#[derive(Debug)]
pub(super) struct SharedJournal {
    /// As it was given.
    path: PathBuf,
    /// There until this is dropped.
    open: Mutex<Option<OpenJournal>>,
    failure: Mutex<Option<Error>>,
    /// There is a failure.
    has_failed: AtomicBool,
    continues_after_errors: AtomicBool,
    origin: Origin,
}

/// The fields are dropped in this order: the file is closed before the lock is released.
#[derive(Debug)]
struct OpenJournal {
    connection: Connection,
    /// This run, once it has ordered a job.
    run: Option<JournalRun>,
    durability: Durability,
    _lock: JournalLock,
}

/// A run of the application.
#[derive(Clone, Copy, Debug)]
pub(super) struct JournalRun {
    /// Its row.
    pub(super) id: i64,
    /// There was none before it.
    pub(super) is_first: bool,
}

/// An error of the database, or the reason why what is in it can't be used.
#[derive(Debug)]
pub(super) enum JournalProblem {
    Database(rusqlite::Error),
    Other(String),
}

impl From<rusqlite::Error> for JournalProblem {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<String> for JournalProblem {
    fn from(problem: String) -> Self {
        Self::Other(problem)
    }
}

impl SharedJournal {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let file = locate(path)?;
        let lock = JournalLock::acquire(&file)?;
        let connection = database::open(&file)?;
        Ok(Self {
            path: path.to_owned(),
            open: Mutex::new(Some(OpenJournal {
                connection,
                run: None,
                durability: Durability::default(),
                _lock: lock,
            })),
            failure: Mutex::new(None),
            has_failed: AtomicBool::new(false),
            continues_after_errors: AtomicBool::new(false),
            origin: Origin::here(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn set_durability(&self, durability: Durability) {
        let set = self.use_open(|open| {
            open.durability = durability;
            Ok(database::set_durability(&open.connection, durability)?)
        });
        set.unwrap_or_else(|error| self.fail(error));
    }

    pub(super) fn set_on_error(&self, on_error: OnError) {
        self.continues_after_errors.store(on_error == OnError::Continue, Ordering::Relaxed);
    }

    /// Returns why it is not used any more.
    pub(super) fn failure(&self) -> Option<Error> {
        if self.has_failed.load(Ordering::Acquire) { lock(&self.failure).clone() } else { None }
    }

    /// Returns why no list can use it, unless lists are to go on without it.
    pub(super) fn fatal_failure(&self) -> Option<Error> {
        self.failure().filter(|_| !self.continues_after_errors.load(Ordering::Relaxed))
    }

    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    /// Keeps the first failure. The journal is not used afterwards, so that it never has a later event without an earlier one.
    pub(super) fn fail(&self, error: Error) {
        lock(&self.failure).get_or_insert(error);
        self.has_failed.store(true, Ordering::Release);
    }

    /// Runs code with the connection, while nothing else uses it.
    pub(super) fn with<T>(&self, code: impl FnOnce(&Connection) -> Result<T, JournalProblem>) -> Result<T, Error> {
        self.use_open(|open| code(&open.connection))
    }

    /// Reads.
    pub(super) fn read<T>(&self, code: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        self.with(|connection| Ok(code(connection)?))
    }

    /// Runs code in a transaction, with this run, which is entered at the first time. What it writes reaches the disk with the next
    /// write that has to.
    pub(super) fn in_run<T>(
        &self,
        code: impl FnOnce(&Connection, JournalRun) -> Result<T, JournalProblem>,
    ) -> Result<T, Error> {
        self.use_open(|open| {
            let set_durability = |durability| match open.durability {
                Durability::Full => database::set_durability(&open.connection, durability),
                Durability::Relaxed => Ok(()),
            };
            set_durability(Durability::Relaxed)?;
            let transaction = open.connection.unchecked_transaction()?;
            let run = open.run.map_or_else(|| enter_run(&transaction), Ok)?;
            let value = code(&transaction, run)?;
            transaction.commit()?;
            set_durability(Durability::Full)?;
            open.run = Some(run);
            Ok(value)
        })
    }

    fn use_open<T>(&self, code: impl FnOnce(&mut OpenJournal) -> Result<T, JournalProblem>) -> Result<T, Error> {
        // Before the lock is taken: in a fork, the thread that holds it may not exist.
        if !self.origin.is_here() {
            return Err(Error::journal(format_args!(
                "the journal `{}` was opened by another process, of which this one is a fork; open one here",
                self.path.display(),
            )));
        }
        code(lock(&self.open).as_mut().expect("it is open until it is dropped")).map_err(|problem| match problem {
            JournalProblem::Database(error) => explained(&self.path, "can't be used", error),
            JournalProblem::Other(problem) => {
                Error::journal(format_args!("the journal `{}` can't be used: {problem}", self.path.display()))
            }
        })
    }
}

impl Drop for SharedJournal {
    fn drop(&mut self) {
        // Not locked: in a fork, the thread that holds the lock may not exist.
        let open = unpoisoned(self.open.get_mut()).take();
        if !self.origin.is_here() {
            // Closing it would remove the log of the process that uses it.
            mem::forget(open);
            return;
        }
        let run = open.as_ref().and_then(|open| Some((&open.connection, open.run?.id)));
        if let Some((connection, run)) = run.filter(|_| !self.has_failed()) {
            // If it fails, the run looks as if its application had been killed.
            let _ = connection.execute("UPDATE runs SET ended_at = ?1 WHERE id = ?2", params![now(), run]);
        }
    }
}

fn enter_run(connection: &Connection) -> rusqlite::Result<JournalRun> {
    let program = std::env::args_os().next().unwrap_or_default();
    let values = params![now(), std::process::id(), program.to_string_lossy()];
    connection.execute("INSERT INTO runs (started_at, process, program) VALUES (?1, ?2, ?3)", values)?;
    let id = connection.last_insert_rowid();
    let is_first =
        connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM runs WHERE id < ?1)", [id], |row| row.get(0))?;
    Ok(JournalRun { id, is_first })
}

/// Returns the time, in microseconds since the epoch.
pub(super) fn now() -> i64 {
    microseconds(clock::wall())
}

pub(super) fn microseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

pub(super) fn from_microseconds(time: i64) -> SystemTime {
    let since = Duration::from_micros(time.max(0).cast_unsigned());
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
}
