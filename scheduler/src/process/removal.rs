//! `Removal`: removes a folder that a job has filled, a slice of time at a time, and nothing outside of it: no link is followed,
//! and no mounted file system is entered.

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use super::system::Folder;
use crate::clock::{Deadline, Stopwatch};
use crate::escape::OneLine;
use crate::random::random_bytes;

/// How many folders are open at a time, each within the one before it. What is deeper is moved to the top.
const MOST_OPEN: usize = 32;

/// A removal that has begun.
#[derive(Debug)]
pub(super) struct Removal {
    since: Stopwatch,
    limit: Duration,
    /// The folders that are being emptied, each within the one before it. The first is above the one that is removed.
    open: Vec<OpenFolder>,
    /// The first reason why something could not be removed.
    problem: Option<String>,
}

#[derive(Debug)]
struct OpenFolder {
    folder: Folder,
    /// Its name in the one above.
    name: OsString,
    /// Whether it has lost an entry, or gained one, since it was listed from the beginning.
    has_changed: bool,
}

impl Removal {
    /// Begins to remove what is at a path: a folder, or what stands in its place. It is given up after the limit.
    pub(super) fn begin(path: &Path, limit: Duration) -> Self {
        let mut removal = Self { since: Stopwatch::start(), limit, open: Vec::new(), problem: None };
        match Folder::above(path) {
            Ok(folder) => {
                removal.open.push(OpenFolder { folder, name: OsString::new(), has_changed: false });
                removal.remove(path.as_os_str().to_owned());
            }
            Err(error) => removal.note(None, &error),
        }
        removal
    }

    /// Returns whether nothing is left, or nothing more is tried.
    pub(super) fn is_over(&self) -> bool {
        self.open.len() <= 1
    }

    /// Returns why something is left, if it is.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Goes on until this deadline.
    pub(super) fn step(&mut self, deadline: Deadline) {
        while !self.is_over() {
            if self.since.elapsed() >= self.limit {
                let limit = self.limit;
                self.problem.get_or_insert_with(|| format!("it takes more than {limit:?}"));
                self.open.clear();
                return;
            }
            if deadline.is_past() {
                return;
            }
            match self.open.last_mut().and_then(|last| last.folder.next()) {
                Some(Ok(name)) => self.remove(name),
                Some(Err(error)) => {
                    // Another read may fail in the same way, forever.
                    let folder = self.open.pop();
                    self.note(folder.as_ref().map(|folder| &*folder.name), &error);
                }
                None => self.leave(),
            }
        }
    }

    /// Removes an entry of the last folder, or opens it if it is a folder itself.
    fn remove(&mut self, name: OsString) {
        let is_deep = self.open.len() >= MOST_OPEN;
        let Some(last) = self.open.last_mut() else { return };
        let opened = match last.folder.open(&name) {
            Ok(Some(folder)) if is_deep => {
                drop(folder);
                return self.move_up(&name);
            }
            Ok(Some(folder)) => Ok(Some(folder)),
            Ok(None) => last.folder.remove_file(&name).map(|()| None),
            Err(error) => Err(error),
        };
        match opened {
            Ok(Some(folder)) => self.open.push(OpenFolder { folder, name, has_changed: false }),
            Ok(None) => last.has_changed = true,
            Err(error) => self.note(Some(&name), &error),
        }
    }

    /// Moves a folder to the top, so that no more than some folders are open at a time.
    fn move_up(&mut self, name: &OsStr) {
        let new_name = format!("moved-{:032x}", u128::from_le_bytes(random_bytes()));
        let [_, top, .., last] = &mut self.open[..] else { return };
        match last.folder.move_folder(name, &top.folder, new_name.as_ref()) {
            Ok(()) => (top.has_changed, last.has_changed) = (true, true),
            Err(error) => self.note(Some(name), &error),
        }
    }

    /// Removes the last folder, whose entries were all listed.
    fn leave(&mut self) {
        let Some(last) = self.open.pop() else { return };
        let Some(above) = self.open.last_mut() else { return };
        match above.folder.remove_folder(&last.name) {
            Ok(()) => above.has_changed = true,
            // Not every file system lists all entries of a folder that changes meanwhile.
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty && last.has_changed => {
                let mut again = OpenFolder { has_changed: false, ..last };
                again.folder.rewind();
                self.open.push(again);
            }
            Err(error) => self.note(Some(&last.name), &error),
        }
    }

    /// Keeps the first error, with the name of what it is about.
    fn note(&mut self, name: Option<&OsStr>, error: &io::Error) {
        // What is gone needs no removal. That a folder isn't empty follows from an error before.
        if error.kind() == ErrorKind::NotFound || self.problem.is_some() {
            return;
        }
        // The message has the path of the first folder.
        let name = name.filter(|_| self.open.len() > 1).map(OsStr::to_string_lossy);
        let name = name.map(|name| format!("`{}`: ", OneLine(&name))).unwrap_or_default();
        self.problem = Some(format!("{name}{error}"));
    }
}
