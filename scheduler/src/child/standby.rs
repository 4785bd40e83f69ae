//! `Standby`: a job's process that waits for its request.

use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::clock::{Deadline, Stopwatch};
use crate::options::{Environment, Limits};
use crate::process::ChildPid;
use crate::registry;
use crate::wire::message::{Request, SpawnMode};

/// A job's process that waits for its request: it was made ahead, or has served another one.
pub(super) struct Standby {
    pub(super) job: ChildPid,
    /// The other end of the socket from which it reads that.
    pub(super) input: OwnedFd,
    pub(super) spawn_mode: SpawnMode,
    pub(super) since: Stopwatch,
    /// What the requests that it has served have in common; `None` if it has served none.
    pub(super) surroundings: Option<Surroundings>,
}

/// What a process has for all of its calls: another request needs another process.
#[derive(Debug, PartialEq)]
pub(super) struct Surroundings {
    environment: Option<Environment>,
    limits: Option<Limits>,
    stacks: bool,
    /// The set-up of the job, which may be a sandbox for it.
    setup: Option<usize>,
}

impl Surroundings {
    pub(super) fn of(request: &Request) -> Self {
        let setup = registry::find_exact(&request.job).and_then(|entry| entry.options().setup);
        Self {
            environment: request.environment.clone(),
            limits: request.limits,
            stacks: request.stacks,
            setup: setup.map(|setup| setup.0 as *const () as usize),
        }
    }

    /// Returns whether they are those of this request.
    pub(super) fn suit(&self, request: &Request) -> bool {
        request.reuse.is_some() && request.variables.is_none() && *self == Self::of(request)
    }
}

/// How long a process that was made ahead may wait, before another one is made in its place.
const STANDBY_LIMIT: Duration = Duration::from_secs(60);

impl Standby {
    /// Returns when another process is to be made in its place. One that has served a call holds what that has left in its memory,
    /// and is kept.
    pub(super) fn expiry(&self) -> Deadline {
        match self.surroundings {
            None => Deadline::after(STANDBY_LIMIT.saturating_sub(self.since.elapsed())),
            Some(_) => Deadline::NEVER,
        }
    }
}
