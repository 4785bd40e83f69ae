//! The standard streams of a copy as they were at its start: `main` may close or replace them before it calls `init()`.
//!
//! The constructor that runs before `main` saves duplicates of them under private numbers, and `init()` restores them.

#![expect(unsafe_code, reason = "the duplicates are known by number only, as user code may have closed them")]

use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Mutex;

use super::descriptor::{FileIdentity, identity, null, private};
use crate::sync::lock;

/// The saved streams of a copy; `None` in any other process, and once they are restored.
static SAVED: Mutex<Option<[SavedStream; 3]>> = Mutex::new(None);

/// A standard stream, and the private number of its duplicate. Either may be missing.
#[derive(Clone, Copy, Debug)]
struct SavedStream {
    identity: Option<FileIdentity>,
    number: Option<RawFd>,
}

/// The standard streams of this process, by number.
fn streams() -> [BorrowedFd<'static>; 3] {
    [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()]
}

/// Saves the standard streams of this process, which is a copy.
pub(super) fn save() {
    let saved = streams().map(|stream| SavedStream {
        identity: identity(stream).ok(),
        number: private(stream).ok().map(IntoRawFd::into_raw_fd),
    });
    *lock(&SAVED) = Some(saved);
}

/// Returns whether this process was a copy at its start and has not restored its standard streams yet.
pub(crate) fn has_saved_stdio() -> bool {
    lock(&SAVED).is_some()
}

/// Closes the duplicates: this process turns out to be no copy.
pub(crate) fn discard_saved_stdio() {
    let saved = lock(&SAVED).take();
    saved.into_iter().flatten().for_each(|saved| drop(saved.take()));
}

/// Takes standard input, which carries the request: the control socket of a warden, or the socket of a job that was
/// executed.
///
/// The null device replaces it, and standard output and standard error are restored to what they were when this process
/// began.
///
/// # Errors
///
/// Fails if `main` has closed standard input and its duplicate.
pub(crate) fn take_stdin() -> io::Result<OwnedFd> {
    // Text that libtest has buffered so far goes to the null device, and not to a job's output later.
    let _ = io::stdout().flush();
    let stdin = restore()?;
    rustix::stdio::dup2_stdin(null()?)?;
    Ok(stdin)
}

/// Restores standard output and standard error, and returns standard input.
fn restore() -> io::Result<OwnedFd> {
    let Some(saved) = lock(&SAVED).take() else {
        return private(rustix::stdio::stdin());
    };
    let [stdin, stdout, stderr] = saved.map(|saved| (saved, saved.take()));
    if let (saved, Some(duplicate)) = stdout
        && !saved.is(rustix::stdio::stdout())
    {
        rustix::stdio::dup2_stdout(duplicate)?;
    }
    if let (saved, Some(duplicate)) = stderr
        && !saved.is(rustix::stdio::stderr())
    {
        rustix::stdio::dup2_stderr(duplicate)?;
    }
    match stdin {
        (_, Some(duplicate)) => Ok(duplicate),
        // `main` has closed all descriptors that it doesn't know, or there were too few for a duplicate.
        (saved, None) if saved.is(rustix::stdio::stdin()) => private(rustix::stdio::stdin()),
        _ => Err(io::Error::other(REPLACED)),
    }
}

impl SavedStream {
    /// Returns whether this descriptor is the stream that was saved.
    fn is(self, descriptor: BorrowedFd<'_>) -> bool {
        self.identity.is_some() && identity(descriptor).ok() == self.identity
    }

    /// Returns the duplicate, unless user code has closed it: the number may be another file by now.
    fn take(self) -> Option<OwnedFd> {
        let number = self.number?;
        // SAFETY: The call only queries the number, which may be closed.
        let is_duplicate = self.is(unsafe { BorrowedFd::borrow_raw(number) }.as_fd());
        // SAFETY: It is the duplicate, whose number no other code knows.
        is_duplicate.then(|| unsafe { OwnedFd::from_raw_fd(number) })
    }
}

/// The error of a copy that has lost its request.
const REPLACED: &str = "`main` closed or replaced standard input before `scheduler::init()`, and closed the descriptors that \
    it doesn't know; call `init()` first";
