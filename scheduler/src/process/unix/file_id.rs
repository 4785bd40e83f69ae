//! `FileId`: tells whether two open files are one, whatever the names are that they were opened by.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;

/// The device and the inode of an open file. It is the file's own as long as it is open, or has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

/// Returns the identity of a regular file; `None` for a pipe, a device or a folder, which can be used by many.
pub(crate) fn file_id(file: &File) -> io::Result<Option<FileId>> {
    let metadata = file.metadata()?;
    Ok(metadata.is_file().then(|| FileId { device: metadata.dev(), inode: metadata.ino() }))
}

/// Returns the identity of what a standard stream of this process is connected to.
pub(crate) fn stream_id(stream: impl AsFd) -> Option<FileId> {
    // A stream that is closed is connected to nothing.
    file_id(&File::from(stream.as_fd().try_clone_to_owned().ok()?)).ok()?
}
