//! `OwnStderr`: this process's standard error, written to by a thread, as a handle of any kind may block.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use super::port;
use crate::process::printer::Printer;

/// How much the thread is given at a time.
const PIECE: usize = 16 * 1024;

/// What the thread has been given and not yet written: there is one for all jobs, as there is one standard error.
static GIVEN: Mutex<Given> = Mutex::new(Given { bytes: Vec::new(), has_begun: false });
static IS_GIVEN: Condvar = Condvar::new();

struct Given {
    bytes: Vec<u8>,
    /// The thread is there.
    has_begun: bool,
}

/// It lives as long as the process.
#[derive(Debug)]
pub(crate) struct OwnStderr(());

impl OwnStderr {
    pub(in crate::process) fn open() -> Self {
        Self(())
    }

    /// Gives bytes to the thread, if it has written what it had; none, to hear whether it has.
    #[expect(clippy::unused_self, reason = "on other platforms it has a state")]
    pub(in crate::process) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
        if !given.bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        if !given.has_begun {
            thread::Builder::new().name("scheduler-stderr".to_owned()).spawn(write_what_is_given)?;
            given.has_begun = true;
        }
        let count = bytes.len().min(PIECE);
        given.bytes.extend(&bytes[..count]);
        IS_GIVEN.notify_one();
        Ok(count)
    }

    /// Says whether all that was given has been written.
    #[expect(clippy::unused_self, reason = "on other platforms it has a state")]
    pub(in crate::process) fn has_room(&self) -> bool {
        GIVEN.lock().unwrap_or_else(PoisonError::into_inner).bytes.is_empty()
    }
}

fn write_what_is_given() {
    let mut stderr = io::stderr();
    // A console takes text only, and whole characters.
    let mut console = stderr.is_terminal().then(|| Printer::new(|text| drop(io::stderr().write_all(text.as_bytes()))));
    loop {
        let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
        while given.bytes.is_empty() {
            given = IS_GIVEN.wait(given).unwrap_or_else(PoisonError::into_inner);
        }
        let bytes = given.bytes.clone();
        drop(given);
        match &mut console {
            Some(console) => drop(console.print(&bytes)),
            // Nobody may listen any more. The tail is kept all the same.
            None => drop(stderr.write_all(&bytes)),
        }
        GIVEN.lock().unwrap_or_else(PoisonError::into_inner).bytes.clear();
        port::change();
    }
}
