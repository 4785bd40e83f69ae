//! `DivertedStdout`: standard output, while everything else that writes to it writes to standard error.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsRawFd as _;

use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::stdio::{dup2_stdout, stderr};

/// The first number that is no standard stream's.
const FIRST: i32 = 3;

/// The previous standard output. Dropping it restores that.
#[derive(Debug)]
pub(crate) struct DivertedStdout(File);

impl DivertedStdout {
    /// Makes standard output the same as standard error, for this process and all that it starts.
    pub(crate) fn divert() -> io::Result<Self> {
        io::stdout().flush()?;
        let before = File::from(fcntl_dupfd_cloexec(io::stdout(), FIRST)?);
        dup2_stdout(stderr())?;
        Ok(Self(before))
    }

    pub(crate) fn file(&self) -> &File {
        &self.0
    }

    /// Returns whether what is written next continues a line of a file: one that is added to, as by `>>`, and whose last line was cut.
    /// `false` where that can't be told, as for a pipe.
    pub(crate) fn is_within_line(&self) -> bool {
        let read = || {
            let length = self.0.metadata()?.len();
            let is_at_end = fcntl_getfl(&self.0)?.contains(OFlags::APPEND) || (&self.0).stream_position()? == length;
            let mut last = [b'\n'];
            if is_at_end && length > 0 {
                // It may be open for writing only.
                let mut file = File::open(format!("/dev/fd/{}", self.0.as_raw_fd()))?;
                file.seek(SeekFrom::Start(length - 1))?;
                file.read_exact(&mut last)?;
            }
            io::Result::Ok(last != [b'\n'])
        };
        self.0.metadata().is_ok_and(|metadata| metadata.is_file()) && read().unwrap_or(false)
    }
}

impl Drop for DivertedStdout {
    fn drop(&mut self) {
        // What was printed meanwhile goes where it was printed. If this fails, nothing else can be done about it.
        let _ = io::stdout().flush();
        let _ = dup2_stdout(&self.0);
    }
}
