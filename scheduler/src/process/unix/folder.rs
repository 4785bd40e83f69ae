//! `Folder`: an open folder, whose entries are listed and removed without following links.

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, chmodat, openat, renameat, statat, unlinkat};

const OPEN: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// An open folder. Its entries are named relative to it, so that no link on the way to them is followed.
#[derive(Debug)]
pub(in crate::process) struct Folder {
    /// `None` for the folder above the first one: what is in it has its whole path for a name.
    entries: Option<Dir>,
    /// The file system that it is on.
    device: u64,
}

impl Folder {
    /// Returns the folder in which this path is, which need not be readable. There the entry's name is this path.
    pub(in crate::process) fn above(path: &Path) -> io::Result<Self> {
        let above = path.parent().unwrap_or(path);
        Ok(Self { entries: None, device: device(&rustix::fs::stat(above)?) })
    }

    /// Opens a folder in this one; `Ok(None)` if it is something else, such as a link.
    ///
    /// # Errors
    ///
    /// Fails where another file system is mounted, which is not ours to empty.
    pub(in crate::process) fn open(&self, name: &OsStr) -> io::Result<Option<Self>> {
        let at = self.descriptor()?;
        let found = self.with_all_rights(|| Ok(statat(at, name, AtFlags::SYMLINK_NOFOLLOW)?))?;
        if FileType::from_raw_mode(found.st_mode) != FileType::Directory {
            return Ok(None);
        }
        let open = || openat(at, name, OPEN, Mode::empty()).map_err(io::Error::from);
        let folder = match open() {
            // The job may have taken its own rights away.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                chmodat(at, name, Mode::RWXU, AtFlags::empty())?;
                open()?
            }
            opened => opened?,
        };
        if device(&found) != self.device || is_mounted(folder.as_fd()) {
            return Err(io::Error::other("a file system is mounted there; unmount it before the job ends"));
        }
        Ok(Some(Self { entries: Some(Dir::new(folder)?), device: self.device }))
    }

    /// Returns the name of the next entry.
    pub(in crate::process) fn next(&mut self) -> Option<io::Result<OsString>> {
        loop {
            match self.entries.as_mut()?.next()? {
                Ok(entry) => {
                    let name = entry.file_name().to_bytes();
                    if name != b"." && name != b".." {
                        return Some(Ok(OsStr::from_bytes(name).to_owned()));
                    }
                }
                Err(error) => return Some(Err(error.into())),
            }
        }
    }

    /// Lists the entries from the beginning again.
    pub(in crate::process) fn rewind(&mut self) {
        self.entries.iter_mut().for_each(Dir::rewind);
    }

    /// Removes what isn't a folder: a file, or a link itself.
    pub(in crate::process) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        self.remove(name, AtFlags::empty())
    }

    /// Removes an empty folder.
    pub(in crate::process) fn remove_folder(&self, name: &OsStr) -> io::Result<()> {
        self.remove(name, AtFlags::REMOVEDIR)
    }

    /// Moves a folder in this one into another one of the same file system.
    pub(in crate::process) fn move_folder(&self, name: &OsStr, to: &Self, new_name: &OsStr) -> io::Result<()> {
        let (at, to) = (self.descriptor()?, to.descriptor()?);
        // Its entry for the folder above it changes as well.
        chmodat(at, name, Mode::RWXU, AtFlags::empty())?;
        self.with_all_rights(|| Ok(renameat(at, name, to, new_name)?))
    }

    fn remove(&self, name: &OsStr, flags: AtFlags) -> io::Result<()> {
        let at = self.descriptor()?;
        self.with_all_rights(|| Ok(unlinkat(at, name, flags)?))
    }

    fn descriptor(&self) -> io::Result<BorrowedFd<'_>> {
        self.entries.as_ref().map_or(Ok(CWD), |entries| Ok(entries.fd()?))
    }

    /// Tries something again with all rights to this folder: the job may have taken them away.
    fn with_all_rights<T>(&self, action: impl Fn() -> io::Result<T>) -> io::Result<T> {
        match (action(), &self.entries) {
            (Err(error), Some(entries)) if error.kind() == ErrorKind::PermissionDenied => {
                rustix::fs::fchmod(entries.fd()?, Mode::RWXU)?;
                action()
            }
            (done, _) => done,
        }
    }
}

#[allow(clippy::unnecessary_cast, clippy::cast_sign_loss, reason = "other systems have another type")]
fn device(stat: &Stat) -> u64 {
    stat.st_dev as u64
}

/// Returns whether a file system is mounted at this folder, also a folder of the same one.
#[cfg(target_os = "linux")]
fn is_mounted(folder: BorrowedFd<'_>) -> bool {
    use rustix::fs::{StatxAttributes, StatxFlags};
    rustix::fs::statx(folder, "", AtFlags::EMPTY_PATH, StatxFlags::empty())
        .is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Returns `false`: what is mounted is on a device of its own.
#[cfg(not(target_os = "linux"))]
fn is_mounted(_: BorrowedFd<'_>) -> bool {
    false
}
