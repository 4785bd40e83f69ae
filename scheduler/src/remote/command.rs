//! `Command`: slots behind any command that carries bytes.

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use super::engine::{Engine, EngineSettings, Sealed, Slot, engine_setters};

/// Slots behind any command that carries bytes in both directions: `kubectl exec -i`, `docker exec -i`, `podman`, `qrsh`, a wrapper.
///
/// The command starts the [agent](Slot::agent_argv) with its own standard input and output, and ends when the agent does.
///
/// # Examples
///
/// Slots on this machine, each a process of its own:
///
/// ```
/// use scheduler::{job, jobs, remote, Scheduler};
///
/// #[job]
/// fn square(n: u64) -> u64 { n * n }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let here = remote::Command::new(|slot| slot.agent_argv());
///     let records = Scheduler::new().concurrency(2).on(here).run(jobs![("a", square(3)), ("b", square(4))])?;
///     assert_eq!(records[1].result::<u64>()?, 16);
///     assert!(records[1].host().is_some());
///     Ok(())
/// }
/// ```
///
/// In a pod that has the binary, once it was copied there:
///
/// ```no_run
/// # use std::ffi::OsString;
/// # use scheduler::{remote, Scheduler};
/// let pods = remote::Command::new(|slot| {
///     let pod = format!("worker-{}", slot.number() - 1); // They are numbered from 0.
///     let mut argv: Vec<OsString> = ["kubectl", "exec", "-i", &pod, "--"].map(Into::into).into();
///     argv.extend(slot.agent_argv_of("/opt/app/bin/app"));
///     argv
/// });
/// let scheduler = Scheduler::new().concurrency(8).on(pods);
/// # let _ = scheduler;
/// ```
///
#[doc = include_str!("../docs/remote/kubernetes.md")]
pub struct Command {
    make: Box<MakeCommand>,
    settings: EngineSettings,
}

type MakeCommand = dyn Fn(&Slot) -> Vec<OsString> + Send + Sync;

impl Command {
    /// Returns slots behind the commands that this function returns: a program and its arguments.
    #[must_use]
    pub fn new(make: impl Fn(&Slot) -> Vec<OsString> + Send + Sync + 'static) -> Self {
        Self { make: Box::new(make), settings: EngineSettings::default() }
    }

    /// Sets how long a command may wait for a place, such as in the queue of a cluster, before its agent starts; no time unless set.
    #[must_use]
    pub fn queue_limit(mut self, limit: Duration) -> Self {
        self.settings.queue_limit = limit;
        self
    }

    engine_setters!();
}

impl Engine for Command {}

impl Sealed for Command {
    fn client(&self, slot: &Slot) -> Vec<OsString> {
        (self.make)(slot)
    }

    fn settings(&self) -> &EngineSettings {
        &self.settings
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command").field("settings", &self.settings).finish_non_exhaustive()
    }
}
