//! `JournalLock`: one application at a time uses a journal.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::beside;
use super::explained::unopened;
use crate::error::Error;
use crate::process::{FileLock, Origin, PerProcess, lock_file};
use crate::sync::lock;

/// The lock files that this process holds: the system doesn't refuse a process that has the lock.
static HELD: PerProcess<Mutex<Vec<PathBuf>>> = PerProcess::new(Mutex::new(Vec::new()));

/// Holds the lock of a journal until it is dropped. The system releases it when the process exits, however it exits.
///
/// The file stays: if it were removed, another application could lock the removed one, and a third one a new one.
#[derive(Debug)]
pub(super) struct JournalLock {
    path: PathBuf,
    /// There until this is dropped.
    file: Option<File>,
    origin: Origin,
}

impl JournalLock {
    pub(super) fn acquire(journal: &Path) -> Result<Self, Error> {
        let name = journal.display();
        let failed = |error| unopened(journal, Some(error));
        let path = beside(journal, "-lock");
        // Before it is opened, as closing any descriptor of a file releases the locks of the process.
        let mut held = lock(HELD.here());
        if fs::canonicalize(&path).is_ok_and(|path| held.contains(&path)) {
            return Err(Error::journal(format_args!(
                "the journal `{name}` is open in this process already; clone the `Journal`, or use another file"
            )));
        }
        let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = opened.map_err(failed)?;
        if let FileLock::Held { by } = lock_file(&file).map_err(failed)? {
            let by = by.or_else(|| written_id(&mut file));
            let by = by.map_or_else(|| "another process".to_owned(), |id| format!("process {id}"));
            return Err(Error::journal(format_args!(
                "the journal `{name}` is in use by {by}; two applications can't share one: wait until that one has exited, or give \
                 this one its own file"
            )));
        }
        // For people, and for systems that don't name the holder of a lock.
        let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(failed)?;
        let path = fs::canonicalize(&path).map_err(failed)?;
        held.push(path.clone());
        Ok(Self { path, file: Some(file), origin: Origin::here() })
    }
}

fn written_id(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

impl Drop for JournalLock {
    fn drop(&mut self) {
        // A fork has never held it.
        if self.origin.is_here() {
            let mut held = lock(HELD.here());
            // Before anything else in this process can lock the file: closing it releases that lock, too.
            drop(self.file.take());
            held.retain(|path| *path != self.path);
        }
    }
}
