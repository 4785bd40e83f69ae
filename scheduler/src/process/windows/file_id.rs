//! `FileId`: tells whether two open files are one, whatever the names are that they were opened by.

use std::fs::File;
use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle as _};

use windows_sys::Win32::Storage::FileSystem::{BY_HANDLE_FILE_INFORMATION, GetFileInformationByHandle};

/// The volume and the index of an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    volume: u32,
    index: [u32; 2],
}

/// Returns the identity of a regular file; `None` for a pipe, a device or a folder, which can be used by many.
#[expect(unsafe_code, reason = "the standard library has the number in no stable function")]
pub(crate) fn file_id(file: &File) -> io::Result<Option<FileId>> {
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Ok(None);
    }
    let mut found = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: The handle is open, and the structure is a local variable.
    if unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut found) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Some(FileId { volume: found.dwVolumeSerialNumber, index: [found.nFileIndexHigh, found.nFileIndexLow] }))
}

/// Returns the identity of what a standard stream of this process is connected to.
pub(crate) fn stream_id(stream: impl AsHandle) -> Option<FileId> {
    // A stream that is closed is connected to nothing.
    file_id(&File::from(stream.as_handle().try_clone_to_owned().ok()?)).ok()?
}
