//! `WardenHandle`: a warden, as an event loop holds it; `StartingWarden`: one that has not reported yet.
//!
//! On platforms without wardens a [`Worker`] is the job's process itself, and serves one run.

use std::env;
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::mem;
use std::time::Duration;

use crate::child;
use crate::clock::Deadline;
use crate::launcher::Launcher;
use crate::outcome::Usage;
use crate::process::{
    DefaultOutput, HAS_FORK_SERVERS, InheritedState, ROLE_VARIABLE, RUN_VARIABLE, Received, RunMarker, Worker,
    WorkerEvent,
};
use crate::random::random_bytes;
use crate::wire::frame::StreamMark;
use crate::wire::message::{AfterRun, SpawnMode, Variables};

/// How long a warden may take to exit, after it was dismissed or killed.
pub(super) const REAP_LIMIT: Duration = Duration::from_secs(1);

/// How long a warden is kept that executes the binary for each job: it saves a start, and a start is all that it costs to
/// replace it. A fork server has taken the time to come up, and is kept.
const IDLE_LIMIT: Duration = Duration::from_secs(10);

/// How much longer it stays by itself, so that it isn't gone when a request is on its way.
const IDLE_MARGIN: Duration = Duration::from_secs(2);

/// How a warden is started, and what for.
#[derive(Clone, Copy, Debug)]
pub(super) struct WardenConfig {
    pub(super) launcher: Launcher,
    pub(super) default_output: DefaultOutput,
    pub(super) after_run: AfterRun,
    pub(super) spawn_mode: SpawnMode,
    /// How many calls a job's process may serve, if it may serve several.
    pub(super) reuse: Option<u32>,
    pub(super) generation: u64,
}

/// The parts of a request that depend on the warden.
#[derive(Debug)]
pub(super) struct WardenAssignment {
    pub(super) spawn_mode: SpawnMode,
    pub(super) after_run: AfterRun,
    pub(super) idle_limit: Option<Duration>,
    pub(super) reuse: Option<u32>,
    pub(super) variables: Option<Variables>,
}

/// The environment variables of this process at a call, once they were looked up.
#[derive(Debug, Default)]
pub(super) struct CallVariables(Option<HashedVariables>);

impl CallVariables {
    fn get(&mut self) -> &HashedVariables {
        self.0.get_or_insert_with(HashedVariables::current)
    }
}

/// Environment variables, and a hash of them.
#[derive(Debug)]
struct HashedVariables {
    variables: Variables,
    hash: u64,
}

impl HashedVariables {
    /// Returns the environment variables of this process, without those of this crate.
    fn current() -> Self {
        let is_passed_on = |name: &OsString| {
            // A name with `=` can't be set.
            name != RUN_VARIABLE && name != ROLE_VARIABLE && !name.as_encoded_bytes().contains(&b'=')
        };
        let variables = Variables(env::vars_os().filter(|(name, _)| is_passed_on(name)).collect());
        let mut hasher = DefaultHasher::new();
        variables.hash(&mut hasher);
        Self { variables, hash: hasher.finish() }
    }
}

/// A warden with the marker of its processes.
#[derive(Debug)]
pub(crate) struct WardenHandle {
    pub(super) worker: Worker,
    /// Marks all processes below it, so that they are found if it is lost.
    pub(super) run_marker: RunMarker,
    /// What it does after a run.
    pub(super) after_run: AfterRun,
    /// How it makes the processes of its jobs, if it can.
    spawn_mode: SpawnMode,
    /// How many calls a job's process may serve, if it may serve several.
    reuse: Option<u32>,
    /// The job's process that it has kept, and what that has used so far.
    kept: Option<(u32, Usage)>,
    /// What the processes of its jobs inherit, beside the environment, if it stays.
    pub(super) state: Option<InheritedState>,
    /// The hash of the environment variables that it has, if that is known: those with which it was started, as `main` may
    /// have changed them since.
    variables: Option<u64>,
    /// The generation of the pool at its start.
    pub(super) generation: u64,
    /// The end of the time for which it waits for its next job.
    expiry: Deadline,
    /// The end of the time for which it may be kept if the application has changed since.
    grace: Deadline,
    /// It makes the process of its next job ahead.
    pub(super) has_standby: bool,
    /// It has sent something, in this run or an earlier one.
    has_answered: bool,
    /// The end of the time in which it had to report, which has passed: its next job fails at once.
    pub(super) overdue: Option<Deadline>,
}

impl WardenHandle {
    /// Starts a warden, in a process of this state.
    pub(super) fn start(config: WardenConfig, state: Option<InheritedState>) -> io::Result<Self> {
        let WardenConfig { launcher, default_output, after_run, spawn_mode, reuse, generation } = config;
        let run_marker = RunMarker::new(random_bytes());
        let mark = StreamMark::from_bytes(random_bytes());
        let mut command = launcher.command(&child::role(after_run));
        // Before the start: if another thread changes one meanwhile, the next request has all of them.
        let is_inherited = after_run == AfterRun::Stay && (spawn_mode == SpawnMode::Fork || reuse.is_some());
        let variables = is_inherited.then(|| HashedVariables::current().hash);
        let worker = Worker::spawn(&mut command, &run_marker, mark, default_output)?;
        let never = Deadline::NEVER;
        let (overdue, has_answered, has_standby) = (None, false, false);
        Ok(Self {
            worker,
            run_marker,
            after_run,
            spawn_mode,
            reuse: reuse.filter(|_| after_run == AfterRun::Stay),
            kept: None,
            state,
            variables,
            generation,
            expiry: never,
            grace: never,
            has_standby,
            has_answered,
            overdue,
        })
    }

    /// Returns what a request depends on the warden for. The warden then has what the request sends.
    pub(super) fn assignment(&mut self, variables: &mut CallVariables) -> WardenAssignment {
        let after_run = self.after_run;
        // One that has just been started is as fresh as a process that it would execute.
        let is_new = self.never_answered() && self.spawn_mode == SpawnMode::Exec;
        let reuse = self.reuse;
        let spawn_mode = if is_new && reuse.is_none() { SpawnMode::Fork } else { self.spawn_mode };
        let is_temporary = after_run == AfterRun::Stay && self.spawn_mode == SpawnMode::Exec;
        let idle_limit = is_temporary.then_some(IDLE_LIMIT + IDLE_MARGIN);
        let is_kept = after_run == AfterRun::Stay && !is_new;
        let variables = if is_kept { self.changed_variables(variables.get()) } else { None };
        WardenAssignment { spawn_mode, after_run, idle_limit, reuse, variables }
    }

    fn changed_variables(&mut self, now: &HashedVariables) -> Option<Variables> {
        let hash = Some(now.hash);
        (mem::replace(&mut self.variables, hash) != hash).then(|| now.variables.clone())
    }

    /// Starts the time for which it is kept without a job.
    pub(super) fn rest(&mut self) {
        self.grace = Deadline::after(IDLE_LIMIT);
        self.expiry = match self.spawn_mode {
            SpawnMode::Exec if !self.has_standby => self.grace,
            _ => Deadline::NEVER,
        };
    }

    /// Returns whether its jobs' processes may serve several calls.
    pub(super) fn reuses(&self) -> bool {
        self.reuse.is_some()
    }

    /// Notes whether the process of the job that has ended waits for another one, and what it has used for all of its calls.
    /// Returns what it has used for the last one.
    pub(super) fn keep(&mut self, is_kept: bool, process: Option<u32>, used: Usage) -> Usage {
        let before = self.kept.take().filter(|(kept, _)| Some(*kept) == process).map(|(_, used)| used);
        self.has_standby = is_kept;
        self.kept = process.filter(|_| is_kept).map(|process| (process, used));
        before.map_or(used, |before| used.since(before))
    }

    /// Makes it make the process of its next job ahead.
    pub(super) fn prepare(&mut self) {
        self.worker.prepare(self.spawn_mode);
        self.has_standby = true;
    }

    /// Returns whether it was kept for long, and the application has another state now.
    pub(super) fn is_outdated(&self, now: Option<InheritedState>) -> bool {
        self.state != now && self.grace.is_past()
    }

    /// Returns whether it may be about to exit, as it has had no job for long.
    pub(super) fn is_expired(&self) -> bool {
        self.expiry.is_past()
    }

    /// Returns whether it has served, or has reported, and may have exited unnoticed since.
    pub(super) fn was_kept(&self) -> bool {
        self.has_answered
    }

    /// Reads one step of what the warden sends.
    pub(super) fn listen(&mut self) -> Received {
        let received = self.worker.receive();
        self.has_answered |= matches!(received, Received::Event(_) | Received::Partial);
        received
    }

    /// Returns `true` for a warden that has sent nothing yet. It has not reached `init()`: it can't receive a kill
    /// command, and has started nothing that would have to be swept.
    pub(super) fn never_answered(&self) -> bool {
        HAS_FORK_SERVERS && !self.has_answered
    }

    /// Makes the warden exit. One that has not reached `init()` is killed: it may take long to get there.
    pub(super) fn send_off(&mut self) {
        if self.never_answered() {
            self.worker.kill();
        }
        self.worker.dismiss();
    }
}

/// A warden that is on its way up, and has no job yet.
#[derive(Debug)]
pub(super) struct StartingWarden {
    pub(super) warden: WardenHandle,
    pub(super) deadline: Deadline,
}

/// What became of a warden on its way up.
#[derive(Debug)]
pub(super) enum StartResult {
    /// It waits for a request, and will make the processes of its jobs in this way.
    Up(SpawnMode),
    /// It exited before it reached `init()`.
    Exited,
    /// It has not reported in time.
    Late,
}

impl StartingWarden {
    /// Starts a warden that will stay, and asks it to report.
    pub(super) fn start(config: WardenConfig, state: InheritedState, limit: Duration) -> io::Result<Self> {
        let mut warden = WardenHandle::start(config, Some(state))?;
        warden.worker.query_spawn_mode();
        Ok(Self { warden, deadline: Deadline::after(limit) })
    }

    /// Reads what has arrived. Returns `None` as long as the warden is on its way.
    pub(super) fn advance(&mut self) -> Option<StartResult> {
        if !self.warden.worker.has_own_descriptors() {
            return Some(StartResult::Exited);
        }
        // If this process was stopped past the deadline, what arrived in time is still read.
        let is_late = self.deadline.is_past();
        self.warden.worker.stderr().step(0);
        loop {
            match self.warden.listen() {
                Received::Event(WorkerEvent::Ready(mode)) => return Some(StartResult::Up(mode)),
                Received::Partial => {}
                Received::WouldBlock => return is_late.then_some(StartResult::Late),
                Received::Event(_) | Received::Closed => return Some(StartResult::Exited),
            }
        }
    }
}
