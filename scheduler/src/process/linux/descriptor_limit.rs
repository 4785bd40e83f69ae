//! `DescriptorLimit`: raises this process's soft limit on descriptors while an event loop needs more of them.
//!
//! A run takes about five descriptors, and the soft limit is usually 1,024, for programs that use `select`. It may be raised
//! up to the hard limit. Every process that is started meanwhile inherits it, so a warden gets the application's own limit
//! back before it starts a job. Programs that the application starts itself meanwhile have the raised one.

use std::fs;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

use crate::process::{Origin, PerProcess};
use crate::sync::lock;

/// The factor by which the limit is raised at a time: no further than needed, as programs that close every number up to the
/// limit take longer with a high one.
const FACTOR: u64 = 4;

/// The application's own soft limit while it is raised; 0 while it isn't. A fork of the application keeps it.
static APPLICATIONS: AtomicU64 = AtomicU64::new(0);

/// What it was raised to.
static RAISED: AtomicU64 = AtomicU64::new(0);

/// The number of event loops that need it.
static USERS: PerProcess<Mutex<usize>> = PerProcess::new(Mutex::new(0));

/// An event loop's need for descriptors. When the last one that has raised the limit is dropped, or any later one, the limit
/// is the application's again.
#[derive(Debug, Default)]
pub(crate) struct DescriptorLimit {
    /// The process in which it has raised the limit.
    raised_in: Option<Origin>,
}

impl DescriptorLimit {
    /// Raises the limit if this is the error that it was reached, and the hard limit is above it. Returns whether it was
    /// raised.
    pub(crate) fn raise_after(&mut self, error: &io::Error) -> bool {
        error.raw_os_error() == Some(libc::EMFILE) && self.raise()
    }

    fn raise(&mut self) -> bool {
        let mut users = lock(USERS.here());
        let Rlimit { current: Some(current), maximum } = getrlimit(Resource::Nofile) else {
            return false;
        };
        let raised = current.saturating_mul(FACTOR).min(maximum.unwrap_or(u64::MAX));
        if raised <= current || setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }).is_err() {
            return false;
        }
        if APPLICATIONS.load(Ordering::Relaxed) == 0 || RAISED.load(Ordering::Relaxed) != current {
            APPLICATIONS.store(current, Ordering::Relaxed);
        }
        RAISED.store(raised, Ordering::Relaxed);
        if !self.raised_in.is_some_and(Origin::is_here) {
            self.raised_in = Some(Origin::here());
            *users += 1;
        }
        true
    }

    /// Returns the error that a process could not be started, with the limit if that is the reason.
    pub(crate) fn explain(error: &io::Error) -> String {
        if error.raw_os_error() != Some(libc::EMFILE) {
            return error.to_string();
        }
        let limit = getrlimit(Resource::Nofile).maximum.map_or("none".to_owned(), |limit| limit.to_string());
        format!(
            "{error}: the hard limit of this process is {limit}, and each job takes about five; raise it (`ulimit -Hn`)"
        )
    }
}

impl Drop for DescriptorLimit {
    fn drop(&mut self) {
        if APPLICATIONS.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut users = lock(USERS.here());
        *users -= usize::from(self.raised_in.is_some_and(Origin::is_here));
        // Also for another loop, after which too few numbers were free.
        if *users == 0 {
            restore();
        }
    }
}

/// Sets the application's own limit again, unless the application has set another one, or kept descriptors (those of idle
/// wardens) would leave it too few numbers below that.
fn restore() {
    let Some((own, now)) = raised() else {
        return;
    };
    let in_use = fs::read_dir("/proc/self/fd").map(|numbers| {
        let numbers = numbers.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u64>().ok());
        numbers.filter(|number| *number < own).count() as u64
    });
    if in_use.is_ok_and(|in_use| in_use <= own / 2)
        && setrlimit(Resource::Nofile, Rlimit { current: Some(own), ..now }).is_ok()
    {
        APPLICATIONS.store(0, Ordering::Relaxed);
    }
}

/// Gives a process that was just started the application's own limit, if this one's is raised.
pub(super) fn set_applications_own(child: u32) {
    if let (Some((own, now)), Some(child)) = (raised(), Pid::from_raw(child.cast_signed())) {
        // It may have exited already.
        let _ = prlimit(Some(child), Resource::Nofile, Rlimit { current: Some(own), ..now });
    }
}

/// Returns the application's own soft limit if this one is what it was raised to.
pub(super) fn applications_own(current: u64) -> Option<u64> {
    let own = APPLICATIONS.load(Ordering::Relaxed);
    (own != 0 && current == RAISED.load(Ordering::Relaxed)).then_some(own)
}

/// Returns the application's own soft limit and the limits of this process, if the former is raised, and the application
/// has not set another one since.
fn raised() -> Option<(u64, Rlimit)> {
    let own = APPLICATIONS.load(Ordering::Relaxed);
    if own == 0 {
        return None;
    }
    let now = getrlimit(Resource::Nofile);
    (now.current == Some(RAISED.load(Ordering::Relaxed))).then_some((own, now))
}
