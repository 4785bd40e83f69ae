//! The standard streams of a copy of this binary, as they were at its start: `main` may close or replace them before it calls
//! `init()`.
//!
//! The constructor that runs before `main` keeps them under private numbers, and `init()` takes them back.

#![expect(unsafe_code, reason = "descriptors that are known by their numbers only, as anybody may have closed them")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Mutex;

use super::channel::{identity, private};
use crate::sync::lock;

/// What a copy has kept of its start; `None` in a process that isn't one, or has taken its streams back.
static KEPT: Mutex<Option<[Kept; 3]>> = Mutex::new(None);

/// A standard stream, and the private number of a duplicate of it. Either may be missing.
#[derive(Clone, Copy, Debug)]
struct Kept {
    identity: Option<(i128, u64)>,
    number: Option<RawFd>,
}

/// The standard streams of this process, by number.
fn streams() -> [BorrowedFd<'static>; 3] {
    [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()]
}

/// Keeps the standard streams of this process, which is a copy.
pub(super) fn keep() {
    let kept = streams().map(|stream| Kept {
        identity: identity(stream).ok(),
        number: private(stream).ok().map(IntoRawFd::into_raw_fd),
    });
    *lock(&KEPT) = Some(kept);
}

/// Says whether this process was a copy at its start, and has not taken its streams back.
pub(crate) fn is_kept() -> bool {
    lock(&KEPT).is_some()
}

/// Gives up what was kept: this process turns out to be no copy.
pub(crate) fn forget_kept() {
    let kept = lock(&KEPT).take();
    kept.into_iter().flatten().for_each(|kept| drop(kept.take()));
}

/// Returns standard input as it was at the start, and puts standard output and standard error back as they were then.
///
/// # Errors
///
/// Fails if nothing is left of standard input.
pub(super) fn take() -> io::Result<OwnedFd> {
    let Some(kept) = lock(&KEPT).take() else {
        return private(rustix::stdio::stdin());
    };
    let [input, stdout, stderr] = kept.map(|kept| (kept, kept.take()));
    for ((kept, own), stream) in [stdout, stderr].into_iter().zip(&streams()[1..]) {
        if let Some(own) = own.filter(|_| !kept.is(*stream)) {
            put_back(&own, *stream)?;
        }
    }
    match input {
        (_, Some(own)) => Ok(own),
        // `main` has closed all descriptors that it doesn't know, or there were too few of them.
        (kept, None) if kept.is(rustix::stdio::stdin()) => private(rustix::stdio::stdin()),
        _ => Err(io::Error::other(REPLACED)),
    }
}

/// Puts this descriptor in the place of a standard stream.
fn put_back(own: &OwnedFd, stream: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: The number is that of a standard stream, which nobody owns.
    match unsafe { libc::dup2(own.as_raw_fd(), stream.as_raw_fd()) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

impl Kept {
    /// Says whether this is the stream that was kept.
    fn is(self, descriptor: BorrowedFd<'_>) -> bool {
        self.identity.is_some() && identity(descriptor).ok() == self.identity
    }

    /// Returns the duplicate, unless somebody has closed it: its number may be somebody else's by now.
    fn take(self) -> Option<OwnedFd> {
        let number = self.number?;
        // SAFETY: The number is asked about and nothing else; it may be nobody's.
        let is_ours = self.is(unsafe { BorrowedFd::borrow_raw(number) }.as_fd());
        // SAFETY: It is the duplicate, which nobody else knows.
        is_ours.then(|| unsafe { OwnedFd::from_raw_fd(number) })
    }
}

/// Why a copy can't do its work.
const REPLACED: &str = "`main` closed or replaced standard input before `scheduler::init()`, and closed the descriptors that \
    it doesn't know; call `init()` first";
