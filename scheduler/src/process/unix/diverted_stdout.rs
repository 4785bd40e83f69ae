//! `DivertedStdout`: standard output, while everything else that writes to it writes to standard error.

use std::fs::File;
use std::io::{self, Write as _};

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
}

impl Drop for DivertedStdout {
    fn drop(&mut self) {
        // What was printed meanwhile goes where it was printed. If this fails, nothing else can be done about it.
        let _ = io::stdout().flush();
        let _ = dup2_stdout(&self.0);
    }
}
