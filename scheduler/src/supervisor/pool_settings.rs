//! `PoolSettings`: how a scheduler makes its wardens.

use std::io;
use std::time::Duration;

use super::shared_pool::Discovery;
use super::warden_handle::WardenConfig;
use crate::error::Error;
use crate::launcher::Launcher;
use crate::options::StartMethod;
use crate::process::{DefaultOutput, HAS_FORK_SERVERS};
use crate::wire::message::{AfterRun, SpawnMode};

/// How a scheduler makes its wardens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolSettings {
    pub(crate) launcher: Launcher,
    /// The default for what jobs write.
    pub(crate) default_output: DefaultOutput,
    pub(crate) method: StartMethod,
    /// Whether wardens stay after a run, where there are any.
    pub(crate) after_run: AfterRun,
    /// How long a warden may take to report.
    pub(crate) start_limit: Duration,
    /// How many wardens are kept, at least as many as jobs have run at a time.
    pub(crate) most_idle: usize,
    /// How many of those that are free make the process of their next job ahead.
    pub(crate) standby: usize,
}

impl PoolSettings {
    /// Returns the settings for a single job, whose process is made by executing the binary.
    pub(crate) fn for_one_job(launcher: Launcher, default_output: DefaultOutput) -> Self {
        let (method, after_run, start_limit) = (StartMethod::Exec, AfterRun::Exit, Duration::MAX);
        Self { launcher, default_output, method, after_run, start_limit, most_idle: 0, standby: 0 }
    }

    /// Checks that this platform has such wardens.
    ///
    /// # Errors
    ///
    /// Fails if fork servers, or processes that serve several calls, are required, and don't exist here.
    pub(super) fn check(&self) -> Result<(), Error> {
        let missing = match self.method {
            _ if HAS_FORK_SERVERS => return Ok(()),
            StartMethod::ForkServer => ("start a fork server", NO_FORK_SERVERS),
            StartMethod::Reuse { .. } => ("keep a job's process", NO_REUSE),
            StartMethod::Auto | StartMethod::Exec => return Ok(()),
        };
        Err(Error::internal(missing.0, io::Error::other(missing.1)))
    }

    pub(super) fn warden(&self, after_run: AfterRun, spawn_mode: SpawnMode, generation: u64) -> WardenConfig {
        let Self { launcher, default_output, .. } = *self;
        WardenConfig { launcher, default_output, after_run, spawn_mode, reuse: self.reuse(), generation }
    }

    /// Returns how jobs' processes are made, given what was found out.
    pub(super) fn mode(&self, discovery: Discovery) -> SpawnMode {
        match self.method {
            StartMethod::ForkServer => SpawnMode::Fork,
            StartMethod::Auto if HAS_FORK_SERVERS && discovery != Discovery::Executes => SpawnMode::Fork,
            StartMethod::Auto | StartMethod::Exec | StartMethod::Reuse { .. } => SpawnMode::Exec,
        }
    }

    /// Returns how many calls a process may serve, if it may serve several.
    pub(super) fn reuse(&self) -> Option<u32> {
        if let StartMethod::Reuse { calls } = self.method { Some(calls) } else { None }
    }
}

/// Why there is no fork server on other platforms.
const NO_FORK_SERVERS: &str = "fork servers exist on Linux only; choose `StartMethod::Exec`, or `StartMethod::Auto`, which uses a \
    fork server where there is one";

/// Why there are no processes that serve several calls on other platforms.
const NO_REUSE: &str = "processes serve several calls on Linux only; choose `StartMethod::Exec`";
