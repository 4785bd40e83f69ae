//! `WardenPool`: the wardens that are there for the next runs, and those that have done their work.

use std::io;
use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::REAP_LIMIT;
use super::excerpt::excerpt;
use super::warden::Warden;
use crate::clock::Deadline;
use crate::error::Error;
use crate::launcher::Launcher;
use crate::options::StartMethod;
use crate::process::{
    self, DefaultOutput, HAS_FORK_SERVERS, Interest, OomCounter, Origin, PerProcess, Ready, Received, WorkerEvent,
};
use crate::sync::lock;
use crate::wire::message::{self, AfterRun};

/// Where wardens come from, and where they go.
#[derive(Debug)]
pub(crate) struct WardenPool {
    launcher: Launcher,
    default_output: DefaultOutput,
    /// What each of them does after a run.
    next: AfterRun,
    /// Those that are back from a run, or have not had one yet.
    idle: Vec<Warden>,
    /// Those that were told to end, and when they must have.
    leaving: Vec<(Warden, Deadline)>,
    /// They are in the cgroup of this process.
    memory: Option<OomCounter>,
    origin: Origin,
}

impl WardenPool {
    /// Returns a crew for this start method.
    ///
    /// # Errors
    ///
    /// Fails if a fork server is wanted and can't be had. Whether it can is known once the first of them has come up.
    pub(crate) fn open(launcher: Launcher, method: StartMethod, start_limit: Duration) -> Result<Self, Error> {
        let mut pool = Self::printing_to(DefaultOutput::Own, launcher);
        if method == StartMethod::Exec || (method == StartMethod::Auto && !HAS_FORK_SERVERS) {
            return Ok(pool);
        }
        if !HAS_FORK_SERVERS {
            return Err(Error::internal("start a fork server", io::Error::other(LINUX_ONLY)));
        }
        match first_fork_server(launcher, Deadline::after(start_limit)) {
            Ok(None) | Err(_) if method == StartMethod::Auto => {}
            // If none came up in time, each job has its own time to start one, and its record says if that is too short.
            Ok(server) => {
                pool.next = AfterRun::Stay;
                pool.idle.extend(server);
            }
            Err(error) => return Err(Error::internal("start a fork server", error)),
        }
        Ok(pool)
    }

    /// Returns a crew that executes the binary for every job, and what those print goes to this outlet.
    pub(crate) fn printing_to(default_output: DefaultOutput, launcher: Launcher) -> Self {
        Self {
            launcher,
            default_output,
            next: AfterRun::Exit,
            idle: Vec::new(),
            leaving: Vec::new(),
            memory: None,
            origin: Origin::here(),
        }
    }

    /// Where what jobs write goes that are told nothing about it.
    pub(super) fn default_output(&self) -> DefaultOutput {
        self.default_output
    }

    /// What a warden does after a run.
    pub(super) fn next(&self) -> AfterRun {
        self.next
    }

    /// Returns who knows of ends for want of memory.
    pub(super) fn memory(&mut self) -> &OomCounter {
        // Late, when the first warden is on its way: it reads some files.
        self.memory.get_or_insert_with(OomCounter::new)
    }

    /// Returns a warden for a run.
    pub(super) fn take(&mut self) -> io::Result<Warden> {
        while let Some(mut warden) = self.idle.pop() {
            if !warden.worker.reap() {
                return Ok(warden);
            }
        }
        Warden::start(self.launcher, self.default_output)
    }

    /// Takes a warden back whose run is over: for another one, if it is fit for that.
    pub(super) fn release(&mut self, warden: Warden, is_fit: bool) {
        if is_fit && self.next == AfterRun::Stay {
            self.idle.push(warden);
        } else {
            self.dismiss(warden);
        }
    }

    pub(super) fn dismiss(&mut self, mut warden: Warden) {
        warden.worker.dismiss();
        if !warden.worker.reap() {
            self.leaving.push((warden, Deadline::after(REAP_LIMIT)));
        }
    }

    /// Says whether some are leaving, which take up room until they are gone. Whom the kernel holds on to is not waited for.
    pub(super) fn is_draining(&self) -> bool {
        self.leaving.iter().any(|(_, deadline)| deadline.remaining().is_some())
    }

    /// Says whether some wait for work.
    pub(super) fn has_idle(&self) -> bool {
        !self.idle.is_empty()
    }

    /// Dismisses those that wait for work.
    pub(super) fn dismiss_idle(&mut self) {
        for warden in mem::take(&mut self.idle) {
            self.dismiss(warden);
        }
    }

    /// Returns what is waited for, of those that are leaving.
    pub(super) fn interests(&self) -> impl Iterator<Item = Interest<'_>> {
        self.leaving.iter().map(|(warden, _)| Interest::exit(&warden.worker))
    }

    /// Returns the moment at which [`reap`](Self::reap) is due, even if nobody has left.
    pub(super) fn deadline(&self) -> Deadline {
        let never = Deadline::after(Duration::MAX);
        self.leaving.iter().map(|(_, deadline)| *deadline).fold(never, Deadline::earlier)
    }

    /// Collects those that have left, and ends those that don't.
    pub(super) fn reap(&mut self) {
        self.leaving.retain_mut(|(warden, deadline)| {
            if warden.worker.reap() {
                return false;
            }
            if deadline.is_past() {
                warden.worker.kill();
                // Whom the kernel holds on to is waited for once more, in the end.
                *deadline = Deadline::after(Duration::MAX);
            }
            true
        });
    }

    /// Returns once all have left, or should have.
    pub(super) fn shutdown(&mut self) {
        if !self.origin.is_here() {
            // They leave somebody else.
            return self.leaving.clear();
        }
        let deadline = Deadline::after(2 * REAP_LIMIT);
        while !self.leaving.is_empty() && !deadline.is_past() {
            process::wait(self.interests(), None, deadline.earlier(self.deadline()));
            self.reap();
        }
        // To drop one is to wait for it a last time.
        self.leaving.clear();
    }
}

/// Where the crew of a scheduler is between its runs. Lists that run at the same time have a crew each, and so have the forks
/// of a process.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedPool(Arc<PerProcess<Mutex<Option<WardenPool>>>>);

impl SharedPool {
    /// Returns the crew that was kept, or a new one, as [`WardenPool::open`] does.
    pub(crate) fn open(
        &self,
        launcher: Launcher,
        method: StartMethod,
        start_limit: Duration,
    ) -> Result<WardenPool, Error> {
        let kept = lock(self.0.here()).take();
        kept.map_or_else(|| WardenPool::open(launcher, method, start_limit), Ok)
    }

    /// Keeps a crew for the next run.
    pub(crate) fn keep(&self, pool: WardenPool) {
        if !pool.origin.is_here() {
            return;
        }
        let before = lock(self.0.here()).replace(pool);
        // Another list's: its wardens are waited for, and no lock is held meanwhile.
        drop(before);
    }
}

/// Starts a fork server, and returns it once it has said that it can fork, or nothing if it doesn't come up in time.
fn first_fork_server(launcher: Launcher, deadline: Deadline) -> io::Result<Option<Warden>> {
    let mut warden = Warden::start(launcher, DefaultOutput::Own)?;
    warden.ask();
    // A process that was stopped comes late, and finds what was said in time.
    let mut is_over = false;
    while !is_over {
        is_over = deadline.is_past();
        let ready = process::wait(std::iter::once(Interest::report(&warden.worker)), None, deadline);
        if ready.iter().any(|Ready { output, .. }| *output) {
            warden.worker.stderr().step(0);
        }
        match warden.listen() {
            Received::Event(WorkerEvent::Ready(message::SpawnMode::Fork)) => return Ok(Some(warden)),
            Received::Event(WorkerEvent::Ready(message::SpawnMode::Exec)) => {
                return Err(io::Error::other(if process::can_count_threads() { THREADS } else { UNCOUNTED }));
            }
            Received::Partial | Received::WouldBlock => {}
            Received::Event(_) | Received::Closed => {
                let said = warden.worker.stderr().finish(0);
                let said = excerpt(&said).map_or(String::new(), |said| format!(". It wrote: {said}"));
                return Err(io::Error::other(format!("it ended before it reached `scheduler::init()`{said}")));
            }
        }
    }
    if warden.is_mute() {
        // It would be waited for.
        warden.worker.kill();
    }
    Ok(None)
}

/// Why there is no fork server on other platforms.
const LINUX_ONLY: &str = "there is one on Linux only; choose `StartMethod::Exec`, or `StartMethod::Auto`, which takes a \
    fork server where it can be had";

/// Why it isn't known whether a copy of this binary can fork.
const UNCOUNTED: &str = "without `/proc` it can't be known whether other threads run in it, and a process with threads can't \
    safely fork; mount it, or choose `StartMethod::Exec`";

/// Why a copy of this binary can't fork.
const THREADS: &str = "other threads run in it when it reaches `scheduler::init()`, and a process with threads can't \
    safely fork; call that first thing in `main`, or choose `StartMethod::Exec`, which executes the binary once more then";
