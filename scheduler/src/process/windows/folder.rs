//! `Folder`: a folder whose entries are listed and removed without following links.

use std::ffi::{OsStr, OsString};
use std::fs::{self, ReadDir};
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(in crate::process) struct Folder {
    path: PathBuf,
    /// `None` for the folder above the first one, which is not listed.
    entries: Option<ReadDir>,
}

impl Folder {
    /// Returns the folder in which this path is. There the entry's name is this path.
    #[expect(clippy::unnecessary_wraps, reason = "on Unix it may fail")]
    pub(in crate::process) fn above(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.parent().unwrap_or(path).to_owned(), entries: None })
    }

    /// Opens a folder in this one; `Ok(None)` if it is something else, such as a link or a mount point.
    pub(in crate::process) fn open(&self, name: &OsStr) -> io::Result<Option<Self>> {
        let path = self.path.join(name);
        if !fs::symlink_metadata(&path)?.is_dir() {
            return Ok(None);
        }
        Ok(Some(Self { entries: Some(fs::read_dir(&path)?), path }))
    }

    /// Returns the name of the next entry.
    pub(in crate::process) fn next(&mut self) -> Option<io::Result<OsString>> {
        Some(self.entries.as_mut()?.next()?.map(|entry| entry.file_name()))
    }

    /// Lists the entries from the beginning again.
    pub(in crate::process) fn rewind(&mut self) {
        self.entries = fs::read_dir(&self.path).ok();
    }

    /// Removes what isn't a folder: a file, also one that is read-only, or a link itself.
    pub(in crate::process) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        let path = self.path.join(name);
        fs::remove_file(&path).or_else(|error| {
            #[expect(clippy::permissions_set_readonly_false, reason = "on Windows, it is an attribute of the file")]
            let make_writable = |mut permissions: fs::Permissions| {
                permissions.set_readonly(false);
                fs::set_permissions(&path, permissions)
            };
            // A link to a folder has no such attribute, and is removed as a folder.
            let is_link = fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink());
            if !is_link {
                let _ = fs::symlink_metadata(&path).map(|file| make_writable(file.permissions()));
            }
            fs::remove_file(&path).or_else(|_| fs::remove_dir(&path)).map_err(|_| error)
        })
    }

    /// Removes an empty folder.
    pub(in crate::process) fn remove_folder(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_dir(self.path.join(name))
    }

    /// Moves a folder in this one into another one.
    pub(in crate::process) fn move_folder(&self, name: &OsStr, to: &Self, new_name: &OsStr) -> io::Result<()> {
        fs::rename(self.path.join(name), to.path.join(new_name))
    }
}
