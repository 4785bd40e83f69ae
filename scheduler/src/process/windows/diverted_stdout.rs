//! `DivertedStdout`: standard output, while everything else that writes to it writes to standard error.

#![expect(unsafe_code, reason = "standard handles have no safe API for replacing them")]

use std::fs::File;
use std::io::{self, Write as _};
use std::os::windows::io::{AsHandle as _, AsRawHandle as _, RawHandle};

use windows_sys::Win32::System::Console::{STD_OUTPUT_HANDLE, SetStdHandle};

/// The previous standard output. Dropping it restores that.
#[derive(Debug)]
pub(crate) struct DivertedStdout {
    file: File,
    /// The handle itself, which stays open: `file` is a duplicate.
    before: RawHandle,
}

impl DivertedStdout {
    /// Makes standard output the same as standard error, for this process and all that it starts.
    pub(crate) fn divert() -> io::Result<Self> {
        let mut stdout = io::stdout();
        stdout.flush()?;
        let file = File::from(stdout.as_handle().try_clone_to_owned()?);
        let before = stdout.as_raw_handle();
        set(io::stderr().as_raw_handle())?;
        Ok(Self { file, before })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Returns `false`: a file that is written can't be read through the same handle.
    #[expect(clippy::unused_self, reason = "other systems look at the file")]
    pub(crate) fn is_within_line(&self) -> bool {
        false
    }
}

impl Drop for DivertedStdout {
    fn drop(&mut self) {
        // What was printed meanwhile goes where it was printed. If this fails, nothing else can be done about it.
        let _ = io::stdout().flush();
        let _ = set(self.before);
    }
}

fn set(handle: RawHandle) -> io::Result<()> {
    // SAFETY: The handle is one of this process's standard handles, which stay open until it exits.
    match unsafe { SetStdHandle(STD_OUTPUT_HANDLE, handle) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
