//! `WardenPool`: the wardens that are free for the next runs, and those that are exiting.
//!
//! On platforms without wardens a [`Worker`] is the job's process itself, and the pool starts one for each run.

use std::io;
use std::iter;
use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::excerpt::excerpt;
use crate::child;
use crate::clock::Deadline;
use crate::error::Error;
use crate::launcher::Launcher;
use crate::options::StartMethod;
use crate::process::{
    self, DefaultOutput, HAS_FORK_SERVERS, Interest, OomCounter, Origin, PerProcess, Readiness, Received, RunMarker,
    Worker, WorkerEvent,
};
use crate::random::random_bytes;
use crate::sync::lock;
use crate::wire::frame::StreamMark;
use crate::wire::message::{self, AfterRun};

/// How long a warden may take to exit, after it was dismissed or killed.
pub(super) const REAP_LIMIT: Duration = Duration::from_secs(1);

/// A warden with the marker of its processes.
#[derive(Debug)]
pub(crate) struct WardenHandle {
    pub(super) worker: Worker,
    /// Marks all processes below it, so that they are found if it is lost.
    pub(super) run_marker: RunMarker,
    /// It has sent something, in this run or an earlier one.
    has_answered: bool,
}

impl WardenHandle {
    fn start(launcher: Launcher, default_output: DefaultOutput) -> io::Result<Self> {
        let run_marker = RunMarker::new(random_bytes());
        let mark = StreamMark::from_bytes(random_bytes());
        let mut command = launcher.command(&child::role());
        let worker = Worker::spawn(&mut command, &run_marker, mark, default_output)?;
        Ok(Self { worker, run_marker, has_answered: false })
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
}

/// The wardens of one list at a time, or of the spawned jobs of a scheduler.
#[derive(Debug)]
pub(crate) struct WardenPool {
    launcher: Launcher,
    default_output: DefaultOutput,
    /// What each warden does after a run.
    after_run: AfterRun,
    idle: Vec<WardenHandle>,
    /// The dismissed wardens, and the time by which each must have exited.
    exiting: Vec<(WardenHandle, Deadline)>,
    /// Counts for all wardens and jobs, which are in the cgroup of this process.
    oom_counter: Option<OomCounter>,
    origin: Origin,
}

impl WardenPool {
    /// Returns a pool for this start method.
    ///
    /// # Errors
    ///
    /// Fails if a fork server is required and impossible, which is known once the first one has come up.
    pub(crate) fn open(launcher: Launcher, method: StartMethod, start_limit: Duration) -> Result<Self, Error> {
        let mut pool = Self::with_output(DefaultOutput::Own, launcher);
        if method == StartMethod::Exec || (method == StartMethod::Auto && !HAS_FORK_SERVERS) {
            return Ok(pool);
        }
        if !HAS_FORK_SERVERS {
            return Err(Error::internal("start a fork server", io::Error::other(LINUX_ONLY)));
        }
        match first_fork_server(launcher, Deadline::after(start_limit)) {
            Ok(None) | Err(_) if method == StartMethod::Auto => {}
            // If none has come up in time, each job starts one within its own limit, and its record shows if that is too
            // short.
            Ok(server) => {
                pool.after_run = AfterRun::Stay;
                pool.idle.extend(server);
            }
            Err(error) => return Err(Error::internal("start a fork server", error)),
        }
        Ok(pool)
    }

    /// Returns a pool that executes the binary for each job, with this default for what the jobs write.
    pub(crate) fn with_output(default_output: DefaultOutput, launcher: Launcher) -> Self {
        Self {
            launcher,
            default_output,
            after_run: AfterRun::Exit,
            idle: Vec::new(),
            exiting: Vec::new(),
            oom_counter: None,
            origin: Origin::here(),
        }
    }

    /// Returns the destination of output for which a job's options set none.
    pub(super) fn default_output(&self) -> DefaultOutput {
        self.default_output
    }

    /// Returns what a warden does after a run.
    pub(super) fn after_run(&self) -> AfterRun {
        self.after_run
    }

    /// Returns the counter of kills for lack of memory.
    pub(super) fn oom_counter(&mut self) -> &OomCounter {
        // Not before the first warden is on its way, as it reads some files.
        self.oom_counter.get_or_insert_with(OomCounter::new)
    }

    /// Returns an idle warden that is still alive, or a new one.
    pub(super) fn acquire(&mut self) -> io::Result<WardenHandle> {
        while let Some(mut warden) = self.idle.pop() {
            if !warden.worker.reap() {
                return Ok(warden);
            }
        }
        WardenHandle::start(self.launcher, self.default_output)
    }

    /// Takes a warden back after its run.
    pub(super) fn release(&mut self, warden: WardenHandle, fitness: Fitness) {
        if fitness == Fitness::Reusable && self.after_run == AfterRun::Stay {
            self.idle.push(warden);
        } else {
            self.dismiss(warden);
        }
    }

    /// Lets a warden exit that is not needed any more.
    pub(super) fn dismiss(&mut self, mut warden: WardenHandle) {
        warden.worker.dismiss();
        if !warden.worker.reap() {
            self.exiting.push((warden, Deadline::after(REAP_LIMIT)));
        }
    }

    /// Returns whether some wardens are exiting, and take up room until then. One that the kernel holds on to doesn't
    /// count.
    pub(super) fn is_draining(&self) -> bool {
        self.exiting.iter().any(|(_, deadline)| deadline.remaining().is_some())
    }

    pub(super) fn has_idle(&self) -> bool {
        !self.idle.is_empty()
    }

    pub(super) fn dismiss_idle(&mut self) {
        for warden in mem::take(&mut self.idle) {
            self.dismiss(warden);
        }
    }

    /// Returns what to wait for: the exits of the dismissed wardens.
    pub(super) fn interests(&self) -> impl Iterator<Item = Interest<'_>> {
        self.exiting.iter().map(|(warden, _)| Interest::exit(&warden.worker))
    }

    /// Returns the time at which [`reap`](Self::reap) is due, even if no warden has exited.
    pub(super) fn deadline(&self) -> Deadline {
        let never = Deadline::after(Duration::MAX);
        self.exiting.iter().map(|(_, deadline)| *deadline).fold(never, Deadline::earlier)
    }

    /// Reaps the dismissed wardens that have exited, and kills those whose time is over.
    pub(super) fn reap(&mut self) {
        self.exiting.retain_mut(|(warden, deadline)| {
            if warden.worker.reap() {
                return false;
            }
            if deadline.is_past() {
                warden.worker.kill();
                // One that the kernel holds on to is waited for once more when the pool shuts down.
                *deadline = Deadline::after(Duration::MAX);
            }
            true
        });
    }

    /// Waits, for a limited time, until the dismissed wardens have exited.
    pub(super) fn shutdown(&mut self) {
        if !self.origin.is_here() {
            // They are children of another process.
            return self.exiting.clear();
        }
        let deadline = Deadline::after(2 * REAP_LIMIT);
        while !self.exiting.is_empty() && !deadline.is_past() {
            process::wait(self.interests(), None, deadline.earlier(self.deadline()));
            self.reap();
        }
        // Dropping a worker waits for it a last time.
        self.exiting.clear();
    }
}

/// Whether a warden may serve another run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fitness {
    Reusable,
    Unfit,
}

/// Keeps the pool of a scheduler between its lists. Lists that run at the same time have a pool each, and so do forks of
/// the process.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedPool(Arc<PerProcess<Mutex<Option<WardenPool>>>>);

impl SharedPool {
    /// Returns the pool that was released last, or a new one, as [`WardenPool::open`] does.
    pub(crate) fn acquire(
        &self,
        launcher: Launcher,
        method: StartMethod,
        start_limit: Duration,
    ) -> Result<WardenPool, Error> {
        let kept = lock(self.0.here()).take();
        kept.map_or_else(|| WardenPool::open(launcher, method, start_limit), Ok)
    }

    /// Keeps a pool for the next list.
    pub(crate) fn release(&self, pool: WardenPool) {
        if !pool.origin.is_here() {
            return;
        }
        let before = lock(self.0.here()).replace(pool);
        // Dropping that of another list waits for its wardens, so the lock is not held meanwhile.
        drop(before);
    }
}

/// Starts a fork server, and returns it once it has reported that it can fork; `None` if it doesn't come up in time.
fn first_fork_server(launcher: Launcher, deadline: Deadline) -> io::Result<Option<WardenHandle>> {
    let mut warden = WardenHandle::start(launcher, DefaultOutput::Own)?;
    warden.worker.query_spawn_mode();
    // If this process was stopped past the deadline, what arrived in time is still read once.
    let mut is_over = false;
    while !is_over {
        is_over = deadline.is_past();
        let ready = process::wait(iter::once(Interest::report(&warden.worker)), None, deadline);
        if ready.iter().any(|Readiness { output, .. }| *output) {
            warden.worker.stderr().step(0);
        }
        match warden.listen() {
            Received::Event(WorkerEvent::Ready(message::SpawnMode::Fork)) => return Ok(Some(warden)),
            Received::Event(WorkerEvent::Ready(message::SpawnMode::Exec)) => {
                return Err(io::Error::other(if process::can_count_threads() { THREADS } else { UNCOUNTED }));
            }
            Received::Partial | Received::WouldBlock => {}
            Received::Event(_) | Received::Closed => {
                let stderr = warden.worker.stderr().finish(0);
                let wrote = excerpt(&stderr).map_or(String::new(), |excerpt| format!(". It wrote: {excerpt}"));
                return Err(io::Error::other(format!("it exited before it reached `scheduler::init()`{wrote}")));
            }
        }
    }
    if warden.never_answered() {
        // Dropping it alive would wait for it.
        warden.worker.kill();
    }
    Ok(None)
}

/// Why there is no fork server on other platforms.
const LINUX_ONLY: &str = "fork servers exist on Linux only; choose `StartMethod::Exec`, or `StartMethod::Auto`, which uses a \
    fork server where there is one";

/// Why it is unknown whether a copy of this binary can fork.
const UNCOUNTED: &str = "without `/proc` its threads can't be counted, and a process with threads can't safely fork; mount \
    it, or choose `StartMethod::Exec`";

/// Why a copy of this binary can't fork.
const THREADS: &str = "other threads run in it when it reaches `scheduler::init()`, and a process with threads can't \
    safely fork; call `init()` first in `main`, or choose `StartMethod::Exec`, which then executes the binary once more";
