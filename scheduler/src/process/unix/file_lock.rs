//! Locking a file for this process, and the names that others may know it by.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{Access, FlockOperation, access, fcntl_lock};
use rustix::io::Errno;
use rustix::process::{Flock, FlockType, fcntl_getlk};

use crate::process::FileLock;

/// Returns how many names (hard links) a file has.
pub(crate) fn names_of_file(metadata: &Metadata) -> u64 {
    metadata.nlink()
}

/// Returns why this process can't write a file, or make one in a folder; `None` if nothing forbids it.
pub(crate) fn write_obstacle(path: &Path) -> Option<io::Error> {
    Some(access(path, Access::WRITE_OK).err()?.into())
}

/// Locks a file for this process, until it closes any descriptor of the file, or exits. A fork doesn't have the lock.
pub(crate) fn lock_file(file: &File) -> io::Result<FileLock> {
    match fcntl_lock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(FileLock::Acquired),
        Err(Errno::AGAIN | Errno::ACCESS) => {
            let holder = fcntl_getlk(file, &Flock::from(FlockType::WriteLock)).ok().flatten();
            // It is 0 for a process of another namespace.
            let by = holder.and_then(|lock| lock.pid).and_then(|id| u32::try_from(id.as_raw_nonzero().get()).ok());
            Ok(FileLock::Held { by })
        }
        Err(error) => Err(error.into()),
    }
}
