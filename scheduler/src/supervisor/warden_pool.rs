//! `WardenPool`: an event loop's access to the wardens of its scheduler, with those that it starts and those that it lets
//! exit.

use std::io;
use std::mem;
use std::sync::Arc;

use super::excerpt::excerpt;
use super::exiting::ExitingWardens;
use super::pool_settings::PoolSettings;
use super::shared_pool::{Discovery, LoopId, Need, SharedPool};
use super::starting::StartingWardens;
use super::warden_handle::{CallVariables, StartResult, StartingWarden, WardenHandle};
use crate::clock::Deadline;
use crate::error::Error;
use crate::options::StartMethod;
use crate::process::{self, DefaultOutput, InheritedState, Interest, LoopWaker, OomCounter, Origin, Poller, WaitKey};
use crate::wire::message::{AfterRun, SpawnMode};

/// The wardens of one event loop.
#[derive(Debug)]
pub(crate) struct WardenPool {
    shared: SharedPool,
    id: LoopId,
    settings: PoolSettings,
    /// Wakes the loop when a warden is free.
    waker: Option<Arc<LoopWaker>>,
    need: Need,
    starting: StartingWardens,
    /// Wardens that did not come up: each fails one job, whose record shows why.
    failed: Vec<WardenHandle>,
    /// Why no job can run.
    failure: Option<Error>,
    /// What the processes of the current calls inherit, once it was looked up.
    state: Option<InheritedState>,
    /// Nothing in this process changes what is inherited: all calls have the same.
    #[cfg(feature = "remote")]
    is_constant: bool,
    /// Their environment variables.
    variables: CallVariables,
    /// The dismissed wardens.
    exiting: ExitingWardens,
    /// Counts for all wardens and jobs, which are in the cgroup of this process.
    oom_counter: Option<OomCounter>,
    origin: Origin,
}

impl SharedPool {
    /// Returns the access of one more event loop. Starts nothing.
    ///
    /// # Errors
    ///
    /// Fails if fork servers, or processes that serve several calls, are required, and don't exist here.
    pub(crate) fn open(&self, settings: PoolSettings) -> Result<WardenPool, Error> {
        settings.check()?;
        Ok(WardenPool {
            id: self.new_id(),
            shared: self.clone(),
            settings,
            waker: None,
            need: Need::default(),
            starting: StartingWardens::default(),
            failed: Vec::new(),
            failure: None,
            state: None,
            #[cfg(feature = "remote")]
            is_constant: false,
            variables: CallVariables::default(),
            exiting: ExitingWardens::new(),
            oom_counter: None,
            origin: Origin::here(),
        })
    }

    /// Starts wardens, so that there is one for each job that may run at a time. Doesn't wait for them.
    ///
    /// # Errors
    ///
    /// Fails if a process can't be started.
    pub(crate) fn start_ahead(&self, settings: PoolSettings) -> Result<(), Error> {
        let state = InheritedState::current();
        if !state.can_be_kept() {
            return Ok(());
        }
        let config = settings.warden(AfterRun::Stay, settings.mode(self.discovery()), self.generation());
        let start = |index| {
            let mut starting = StartingWarden::start(config, state, settings.start_limit)?;
            if index < settings.standby {
                starting.warden.prepare();
            }
            Ok(starting)
        };
        let missing = settings.most_idle.max(settings.standby).saturating_sub(self.available());
        let started = (0..missing).map(start).collect::<io::Result<_>>();
        self.prewarm(started.map_err(|error| Error::internal("start the processes that stay", error))?);
        Ok(())
    }
}

impl WardenPool {
    /// Makes a command to the loop, or a warden for it, wake it through this waker.
    pub(super) fn set_waker(&mut self, waker: Arc<LoopWaker>) {
        self.waker = Some(waker);
    }

    /// Returns what wakes the loop when a warden is free, if the loop waits for that.
    pub(super) fn waker(&self) -> Option<&LoopWaker> {
        self.waker.as_deref()
    }

    /// Resets that waker, unless it is the mailbox's, which resets it itself.
    pub(super) fn reset_waker(&self) {
        self.waker.as_deref().filter(|waker| waker.is_woken()).inspect(|waker| waker.reset());
    }

    /// Returns the destination of output for which a job's options set none.
    pub(super) fn default_output(&self) -> DefaultOutput {
        self.settings.default_output
    }

    /// Returns the counter of kills for lack of memory.
    pub(super) fn oom_counter(&mut self) -> &OomCounter {
        // Not before the first warden is on its way, as it reads some files.
        self.oom_counter.get_or_insert_with(OomCounter::new)
    }

    /// Returns a warden for this need, or `None` if none is free and the loop has to wait for one.
    ///
    /// # Errors
    ///
    /// Fails if a process can't be started, and none is on its way.
    pub(super) fn acquire(&mut self, need: Need) -> io::Result<Option<WardenHandle>> {
        let mode = self.settings.mode(self.shared.discovery());
        let state = if self.keeps() { Some(self.state()) } else { None };
        let Some(state) = state.filter(|state| state.can_be_kept()) else {
            return self.start(AfterRun::Exit, mode).map(Some);
        };
        if let Some(warden) = self.shared.draw(self.id, state).or_else(|| self.failed.pop()) {
            return Ok(Some(warden));
        }
        match mode {
            SpawnMode::Exec => match self.shared.draw_started(state) {
                Some(warden) => Ok(Some(warden)),
                None => self.start(AfterRun::Stay, mode).map(Some),
            },
            SpawnMode::Fork => self.need(need).map(|()| None),
        }
    }

    /// Returns a free warden that most likely has the state of the current call, if that was not looked up yet: it may
    /// begin to make the job's process meanwhile. No function may be called there before [`confirm`](Self::confirm).
    pub(super) fn acquire_likely(&mut self) -> Option<WardenHandle> {
        let is_unknown = self.keeps() && self.state.is_none();
        let state = if is_unknown { self.shared.common_state() } else { None };
        self.shared.draw(self.id, state?)
    }

    /// Looks up the state of the current call. Returns whether a warden that was started in `state` may serve it.
    pub(super) fn confirm(&mut self, state: Option<InheritedState>) -> bool {
        state == Some(self.state())
    }

    /// Returns whether processes are to be started before their job's turn. Not if they serve several calls: there would be more of
    /// them than jobs run at a time, each with what it keeps in memory.
    pub(super) fn looks_ahead(&self) -> bool {
        self.settings.reuse().is_none()
    }

    fn keeps(&self) -> bool {
        self.settings.after_run == AfterRun::Stay
    }

    /// Returns the state of the current call.
    fn state(&mut self) -> InheritedState {
        *self.state.get_or_insert_with(InheritedState::current)
    }

    /// Starts a warden for a job that is waiting.
    fn start(&mut self, after_run: AfterRun, mode: SpawnMode) -> io::Result<WardenHandle> {
        let generation = if after_run == AfterRun::Stay { self.shared.generation() } else { 0 };
        WardenHandle::start(self.settings.warden(after_run, mode, generation), self.state)
    }

    /// Looks up anew what the processes of jobs inherit: another call begins.
    pub(super) fn begin_call(&mut self) {
        #[cfg(feature = "remote")]
        if self.is_constant {
            return;
        }
        self.state = None;
        self.variables = CallVariables::default();
    }

    /// Takes what the processes of all calls inherit for the same, and looks it up once.
    #[cfg(feature = "remote")]
    pub(super) fn assume_constant(&mut self) {
        self.is_constant = true;
    }

    /// Returns the environment variables of the current call.
    pub(super) fn variables(&mut self) -> &mut CallVariables {
        &mut self.variables
    }

    /// Sets how many wardens the loop needs that it has not found, and starts as many as are missing in all loops.
    ///
    /// # Errors
    ///
    /// Fails if a process can't be started, and none is on its way.
    pub(super) fn need(&mut self, need: Need) -> io::Result<()> {
        let before = mem::replace(&mut self.need, need);
        if need.total() == 0 {
            if before.total() > 0 {
                self.shared.need_none(self.id);
            }
            return Ok(());
        }
        let state = self.state();
        let waker = match &self.waker {
            Some(waker) => waker,
            None => self.waker.insert(Arc::new(LoopWaker::new()?)),
        };
        let (unattended, missing) = self.shared.need(self.id, need, state, waker);
        for starting in unattended {
            self.attend(starting);
        }
        let config = self.settings.warden(AfterRun::Stay, SpawnMode::Fork, self.shared.generation());
        for started in 0..missing {
            match StartingWarden::start(config, state, self.settings.start_limit) {
                Ok(starting) => self.attend(starting),
                Err(error) => {
                    self.shared.started(missing - started);
                    return if self.starting.is_empty() { Err(error) } else { Ok(()) };
                }
            }
        }
        Ok(())
    }

    fn attend(&mut self, starting: StartingWarden) {
        self.starting.insert(self.exiting.new_key(), starting);
    }

    /// Takes a warden back after its run.
    pub(super) fn release(&mut self, warden: WardenHandle, fitness: Fitness) {
        if fitness == Fitness::Unfit || warden.after_run == AfterRun::Exit {
            return self.dismiss(warden);
        }
        self.put(warden);
    }

    /// Returns how many wardens may be kept.
    fn limit(&self) -> usize {
        self.settings.most_idle.max(self.settings.standby).max(self.shared.load().peak())
    }

    fn put(&mut self, warden: WardenHandle) {
        let surplus = self.shared.put(warden, self.limit(), self.settings.standby);
        self.dismiss_all(surplus);
    }

    fn put_started(&mut self, warden: WardenHandle) {
        let surplus = self.shared.put_started(warden, self.limit(), self.settings.standby);
        self.dismiss_all(surplus);
    }

    /// Lets a warden exit that is not needed any more.
    pub(super) fn dismiss(&mut self, mut warden: WardenHandle) {
        warden.worker.dismiss();
        self.exiting.push(warden.worker);
    }

    fn dismiss_all(&mut self, wardens: Vec<WardenHandle>) {
        for warden in wardens {
            self.dismiss(warden);
        }
    }

    /// Returns whether some wardens are exiting, and take up room until then. One that the kernel holds on to doesn't
    /// count.
    pub(super) fn is_draining(&self) -> bool {
        self.exiting.take_up_room()
    }

    /// Returns whether there are wardens that no job has.
    pub(super) fn has_spare(&self) -> bool {
        !self.starting.is_empty() || self.shared.has_idle()
    }

    /// Dismisses the wardens that no job has.
    pub(super) fn dismiss_spare(&mut self) {
        self.dismiss_all(self.shared.take_idle());
    }

    /// Makes the poller wait for the wardens that were started or dismissed since the last call.
    pub(super) fn register(&mut self, poller: &mut Poller) {
        self.starting.register(poller);
        self.exiting.register(poller);
    }

    /// Returns what to wait for, of the warden with this key.
    pub(super) fn interest(&self, key: WaitKey) -> Option<Interest<'_>> {
        self.starting.interest(key).or_else(|| self.exiting.interest(key))
    }

    /// Returns the time at which [`advance`](Self::advance) is due, even if nothing is ready.
    pub(super) fn deadline(&self) -> Deadline {
        self.starting.deadline().earlier(self.exiting.deadline())
    }

    /// Takes the wardens with these keys that have come up, reaps the dismissed ones that have exited, and handles those
    /// whose time is over.
    pub(super) fn advance(&mut self, ready: impl Iterator<Item = WaitKey> + Clone, poller: &mut Poller) {
        if !self.origin.is_here() {
            return;
        }
        for (starting, result) in self.starting.advance(ready.clone(), poller) {
            self.take_started(starting, &result);
        }
        self.exiting.reap(ready, poller);
    }

    fn take_started(&mut self, starting: StartingWarden, result: &StartResult) {
        let StartingWarden { mut warden, deadline } = starting;
        let is_first = self.shared.discovery() == Discovery::Unknown;
        let is_optional = self.settings.method == StartMethod::Auto;
        match result {
            StartResult::Up(SpawnMode::Fork) => {
                if is_first {
                    self.shared.discover(Discovery::Forks);
                }
                return self.put_started(warden);
            }
            StartResult::Up(SpawnMode::Exec) if !is_first => return self.put_started(warden),
            _ => self.shared.started(1),
        }
        match result {
            StartResult::Up(_) | StartResult::Exited | StartResult::Late if is_first && is_optional => {
                self.shared.discover(Discovery::Executes);
            }
            StartResult::Up(SpawnMode::Exec) => {
                let reason = if process::can_count_threads() { THREADS } else { UNCOUNTED };
                self.fail(io::Error::other(reason));
            }
            StartResult::Exited if is_first => {
                let stderr = warden.worker.stderr().finish(0);
                let wrote = excerpt(&stderr).map_or(String::new(), |excerpt| format!(". It wrote: {excerpt}"));
                self.fail(io::Error::other(format!("it exited before it reached `scheduler::init()`{wrote}")));
            }
            // The record of a job shows what is wrong.
            StartResult::Exited | StartResult::Late if self.need.jobs > 0 => {
                warden.overdue = matches!(result, StartResult::Late).then_some(deadline);
                return self.failed.push(warden);
            }
            StartResult::Up(_) | StartResult::Exited | StartResult::Late => self.shared.wake_all(),
        }
        warden.send_off();
        self.dismiss(warden);
    }

    fn fail(&mut self, error: io::Error) {
        self.failure.get_or_insert_with(|| Error::internal("start a fork server", error));
        self.shared.wake_all();
    }

    /// Returns why no job can run, once that is known.
    pub(super) fn take_failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// Waits, for a limited time, until the dismissed wardens have exited, and leaves those on their way up to later loops.
    pub(super) fn shutdown(&mut self, poller: &mut Poller) {
        if !self.origin.is_here() {
            // They are children of another process.
            self.starting.take_all(None);
            return self.exiting.wait_for_all(poller);
        }
        self.hand_over(Some(&mut *poller));
        self.exiting.wait_for_all(poller);
    }

    fn hand_over(&mut self, poller: Option<&mut Poller>) {
        // The registration ends in any case.
        let _ = self.need(Need::default());
        for mut warden in mem::take(&mut self.failed) {
            warden.send_off();
            self.dismiss(warden);
        }
        self.shared.leave(self.starting.take_all(poller));
        let surplus = self.shared.trim(self.limit());
        self.dismiss_all(surplus);
    }
}

impl Drop for WardenPool {
    fn drop(&mut self) {
        if self.origin.is_here() {
            // If the loop has panicked, no other one waits for its wardens in vain.
            self.hand_over(None);
        }
    }
}

/// Whether a warden may serve another run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fitness {
    Reusable,
    Unfit,
}

/// Why it is unknown whether a copy of this binary can fork.
const UNCOUNTED: &str = "without `/proc` its threads can't be counted, and a process with threads can't safely fork; mount \
    it, or choose `StartMethod::Exec`";

/// Why a copy of this binary can't fork.
const THREADS: &str = "other threads run in it when it reaches `scheduler::init()`, and a process with threads can't \
    safely fork; call `init()` first in `main`, or choose `StartMethod::Exec`, which then executes the binary once more";
