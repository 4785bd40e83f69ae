//! `LentStdout`: this process's standard output while a job writes there, put back afterwards to what it was.
//!
//! The flags of an open file (`O_NONBLOCK`) and the modes of a terminal belong to all who have it. A job that changes them (by
//! `ssh`, `less` or `node`, for instance) and is killed puts nothing back, and the application would print into an error, or
//! read a terminal that echoes nothing.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard};

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::getpgrp;
use rustix::termios::{OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr};

use super::{descriptor, signals};
use crate::outcome::StandardStream;
use crate::process::{Origin, PerProcess};
use crate::sync::lock;

/// What was found before the first of those jobs was called that run now.
static LENT: PerProcess<Mutex<Lent>> = PerProcess::new(Mutex::new(Lent { jobs: 0, found: None }));

#[derive(Debug, Default)]
struct Lent {
    jobs: usize,
    found: Option<Found>,
}

#[derive(Debug)]
struct Found {
    /// The application may put something else under the number meanwhile.
    stdout: OwnedFd,
    flags: OFlags,
    /// The modes, if it is a terminal that is this process's to change.
    modes: Option<Termios>,
}

/// Dropped when the job that has the standard output is over, it puts that back. Others that have it, too, may still run.
#[derive(Debug)]
pub(crate) struct LentStdout(Origin);

impl LentStdout {
    /// Takes note of what is there before a job is called.
    pub(in crate::process) fn lend() -> Self {
        let mut lent = lent();
        if lent.jobs == 0 {
            lent.found = look();
        }
        lent.jobs += 1;
        Self(Origin::here())
    }
}

impl Drop for LentStdout {
    fn drop(&mut self) {
        if !self.0.is_here() {
            return;
        }
        let mut lent = lent();
        lent.found.as_ref().inspect(|found| put_back(found));
        lent.jobs -= 1;
        if lent.jobs == 0 {
            lent.found = None;
        }
    }
}

fn lent() -> MutexGuard<'static, Lent> {
    lock(LENT.here())
}

fn look() -> Option<Found> {
    let stdout = descriptor::own(StandardStream::Stdout)?.try_clone_to_owned().ok()?;
    let flags = rustix::fs::fcntl_getfl(&stdout).ok()?;
    let modes = tcgetattr(&stdout).ok().filter(|_| is_in_the_foreground_of(&stdout));
    Some(Found { stdout, flags, modes })
}

fn put_back(Found { stdout, flags, modes }: &Found) {
    // What can't be put back, of a terminal that has gone say, is nobody's.
    if rustix::fs::fcntl_getfl(stdout).is_ok_and(|now| now != *flags) {
        let _ = rustix::fs::fcntl_setfl(stdout, *flags);
    }
    if let Some(modes) = modes
        && tcgetattr(stdout).is_ok_and(|now| !are_equal(&now, modes))
        && is_in_the_foreground_of(stdout)
    {
        // A shell may take the terminal back at this moment, and a process in the background that changes it is stopped.
        let _ = signals::without(libc::SIGTTOU, || tcsetattr(stdout, OptionalActions::Now, modes));
    }
}

/// Says whether a terminal is this process's to change. In the background it is somebody else's, a shell's that has modes of its
/// own; one that doesn't control this process has no background.
fn is_in_the_foreground_of(terminal: &OwnedFd) -> bool {
    match tcgetpgrp(terminal) {
        Ok(foreground) => foreground == getpgrp(),
        Err(error) => error == Errno::NOTTY,
    }
}

fn are_equal(one: &Termios, other: &Termios) -> bool {
    const CODES: [SpecialCodeIndex; 9] = [
        SpecialCodeIndex::VINTR,
        SpecialCodeIndex::VQUIT,
        SpecialCodeIndex::VERASE,
        SpecialCodeIndex::VKILL,
        SpecialCodeIndex::VEOF,
        SpecialCodeIndex::VTIME,
        SpecialCodeIndex::VMIN,
        SpecialCodeIndex::VSUSP,
        SpecialCodeIndex::VEOL,
    ];
    let modes = |all: &Termios| (all.input_modes, all.output_modes, all.control_modes, all.local_modes);
    modes(one) == modes(other) && CODES.iter().all(|code| one.special_codes[*code] == other.special_codes[*code])
}
