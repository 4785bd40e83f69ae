//! `StdoutGuard`: restores the state of this process's standard output after a job that writes to it.
//!
//! All processes that share an open file share its flags (`O_NONBLOCK`), and the modes of a terminal. A job that changes
//! them (by `ssh`, `less` or `node`, for instance) and is killed doesn't restore them: the application would fail to print,
//! or would read from a terminal without echo.

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

/// The jobs that use the standard output of this process.
static USERS: PerProcess<Mutex<Users>> = PerProcess::new(Mutex::new(Users { jobs: 0, saved: None }));

#[derive(Debug, Default)]
struct Users {
    /// The number of jobs that run.
    jobs: usize,
    /// The state before the first of them was called.
    saved: Option<StdoutState>,
}

#[derive(Debug)]
struct StdoutState {
    /// A duplicate: the application may replace its standard output meanwhile.
    stdout: OwnedFd,
    flags: OFlags,
    /// The modes, if it is a terminal that this process may change.
    modes: Option<Termios>,
}

/// A job's use of the standard output. Dropping it restores the state, also while other jobs still use it.
#[derive(Debug)]
pub(crate) struct StdoutGuard(Origin);

impl StdoutGuard {
    /// Adds a job, before it is called. If it is the only one, this saves the state.
    pub(in crate::process) fn acquire() -> Self {
        let mut users = users();
        if users.jobs == 0 {
            users.saved = StdoutState::save();
        }
        users.jobs += 1;
        Self(Origin::here())
    }
}

impl Drop for StdoutGuard {
    fn drop(&mut self) {
        if !self.0.is_here() {
            return;
        }
        let mut users = users();
        users.saved.as_ref().inspect(|saved| saved.restore());
        users.jobs -= 1;
        if users.jobs == 0 {
            users.saved = None;
        }
    }
}

fn users() -> MutexGuard<'static, Users> {
    lock(USERS.here())
}

impl StdoutState {
    fn save() -> Option<Self> {
        let stdout = descriptor::own(StandardStream::Stdout)?.try_clone_to_owned().ok()?;
        let flags = rustix::fs::fcntl_getfl(&stdout).ok()?;
        let modes = tcgetattr(&stdout).ok().filter(|_| is_in_the_foreground_of(&stdout));
        Some(Self { stdout, flags, modes })
    }

    fn restore(&self) {
        let Self { stdout, flags, modes } = self;
        // If it can't be restored, of a terminal that is gone for instance, no process misses it.
        if rustix::fs::fcntl_getfl(stdout).is_ok_and(|now| now != *flags) {
            let _ = rustix::fs::fcntl_setfl(stdout, *flags);
        }
        if let Some(modes) = modes
            && tcgetattr(stdout).is_ok_and(|now| !are_equal(&now, modes))
            && is_in_the_foreground_of(stdout)
        {
            // A shell may put this process into the background between the check and the call. There the kernel answers the
            // call with SIGTTOU, which stops the process, unless the thread blocks it.
            let _ = signals::without(libc::SIGTTOU, || tcsetattr(stdout, OptionalActions::Now, modes));
        }
    }
}

/// Returns whether this process may change a terminal. In the background it may not: the modes are then those of another
/// process, a shell for instance. A terminal that doesn't control this process has no background.
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
