//! `Engine`: what starts agents, and `Slot`, the place of one of them.

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use super::lease;
use crate::error::Error;
use crate::launcher::{self, Launcher};

/// A place for one job at a time on another machine: a copy of the application's binary, an *agent*, behind the standard input and
/// output of a client such as `srun` or `ssh`.
///
/// A function that is passed to [`Command::new`](super::Command::new) makes the command of the client for a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    pub(super) number: usize,
    pub(super) name: String,
    pub(super) launcher: Launcher,
    pub(super) program: OsString,
}

impl Slot {
    /// Returns the number of the slot, from 1 to the [concurrency](crate::Scheduler::concurrency). A slot that is opened again keeps it.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// Returns a name for the slot that no other slot of any application has at the same time, such as `scheduler-4711-1c2b-1`: for a
    /// job of a cluster, or a container.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the program and the arguments that start the agent of the slot: the path of this application's binary, and the argument
    /// by which [`init`](crate::init) recognizes its role.
    ///
    /// They stand at the end of the client's command. A client that passes them to a shell, as `ssh` does, needs them quoted.
    #[must_use]
    pub fn agent_argv(&self) -> Vec<OsString> {
        self.agent_argv_of(&self.program)
    }

    /// Returns the same for a copy of the binary at another path.
    #[must_use]
    pub fn agent_argv_of(&self, program: impl Into<OsString>) -> Vec<OsString> {
        launcher::agent_command(self.launcher, program.into())
    }
}

/// What starts and ends agents: [`Slurm`](super::Slurm), [`Ssh`](super::Ssh) or any [`Command`](super::Command).
pub trait Engine: Sealed + Send + Sync + fmt::Debug + 'static {}

/// Only this crate's engines start agents.
pub trait Sealed {
    /// Returns the command of the client for a slot.
    #[doc(hidden)]
    fn client(&self, slot: &Slot) -> Vec<OsString>;

    /// Returns the command that ends what a client may leave behind, if there is one.
    #[doc(hidden)]
    fn clean_up(&self, slot: &Slot, allocation: Option<&str>) -> Option<Vec<OsString>> {
        let _ = (slot, allocation);
        None
    }

    /// Returns where a slot is, if that is known before it opens.
    #[doc(hidden)]
    fn place(&self, slot: &Slot) -> Option<String> {
        let _ = slot;
        None
    }

    /// Returns why no slot can be opened, if that is known.
    #[doc(hidden)]
    fn problem(&self) -> Option<String> {
        None
    }

    #[doc(hidden)]
    fn settings(&self) -> &EngineSettings;
}

/// The settings of every engine.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineSettings {
    pub(super) lease: Duration,
    /// How long a slot may wait until its client has a place for it.
    pub(super) queue_limit: Duration,
    /// How long an agent may take to answer after that.
    pub(super) hello_limit: Duration,
    pub(super) program: Option<OsString>,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self { lease: lease::DEFAULT, queue_limit: Duration::ZERO, hello_limit: HELLO_LIMIT, program: None }
    }
}

/// How long an agent may take to answer.
const HELLO_LIMIT: Duration = Duration::from_secs(60);

impl EngineSettings {
    /// Checks them.
    pub(super) fn check(&self) -> Result<(), Error> {
        let (lease, shortest, longest) = (self.lease, lease::SHORTEST, lease::LONGEST);
        let problem = if lease < shortest {
            format!(
                "a lease of {lease:?} is too short: a slot on a busy machine would be lost; give {shortest:?} or more"
            )
        } else if lease > longest {
            format!("a lease of {lease:?} is too long: a job that is cut off could run for so long; give a day at most")
        } else if self.hello_limit.is_zero() {
            "a `hello_limit` of zero leaves an agent no time to answer; give more".to_owned()
        } else if self.program.as_ref().is_some_and(|program| program.is_empty()) {
            "the path of the program on the other machines is empty; give a path".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::invalid_setting(problem))
    }
}

/// The setters that every engine has.
macro_rules! engine_setters {
    () => {
        /// Sets how long an agent may run its job without a sign of the application, from 5 seconds to a day; 30 seconds unless set.
        ///
        /// A job whose slot is cut off is over by then, and its record is a [`Lost`](crate::Failure::Lost). With a longer lease, jobs
        /// survive a longer interruption of the network.
        #[must_use]
        pub fn lease(mut self, lease: std::time::Duration) -> Self {
            self.settings.lease = lease;
            self
        }

        /// Sets the path of the application's binary on the other machines; that of the running binary unless set, for a file system
        /// that they share. It must be the same build.
        #[must_use]
        pub fn program(mut self, program: impl Into<std::ffi::OsString>) -> Self {
            self.settings.program = Some(program.into());
            self
        }

        /// Sets how long an agent may take to answer after its client has a place for it; one minute unless set.
        ///
        /// `srun` doesn't tell when it has one: with [`Slurm`](crate::remote::Slurm) the limit is added to that of the queue.
        #[must_use]
        pub fn hello_limit(mut self, limit: std::time::Duration) -> Self {
            self.settings.hello_limit = limit;
            self
        }
    };
}
pub(super) use engine_setters;
