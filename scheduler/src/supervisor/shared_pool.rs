//! `SharedPool`: the wardens of a scheduler that are free, for all of its lists, spawned jobs and threads.
//!
//! Each event loop draws them one by one, through its own [`WardenPool`](super::warden_pool::WardenPool), and returns each
//! after its run. A loop that finds none free waits: for one that it starts itself, or for one that another loop returns,
//! whichever comes first.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard};

use super::load::Load;
use super::warden_handle::{StartResult, StartingWarden, WardenHandle};
use crate::process::{InheritedState, LoopWaker, PerProcess};
use crate::sync::lock;

/// The wardens and the load of a scheduler. A fork of the process has its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedPool(Arc<PerProcess<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    load: Arc<Load>,
    state: Mutex<PoolState>,
}

/// How the processes of jobs are made, where that is to be found out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Discovery {
    /// No warden has reported yet.
    #[default]
    Unknown,
    /// Wardens stay, and fork.
    Forks,
    /// No warden can fork: the binary is executed for each job.
    Executes,
}

#[derive(Debug, Default)]
struct PoolState {
    discovery: Discovery,
    /// The last returned one is drawn first: its pages are in the caches.
    idle: Vec<WardenHandle>,
    /// The wardens on their way up that no event loop waits for: one that needs a warden takes them over.
    unattended: Vec<StartingWarden>,
    /// The number of all wardens on their way up.
    starting: usize,
    /// The loops that need wardens, the first one first.
    waiters: Vec<Waiter>,
    next_id: usize,
    /// How often all wardens were replaced on request.
    generation: u64,
}

/// An event loop that needs wardens.
#[derive(Debug)]
struct Waiter {
    id: usize,
    need: Need,
    waker: Arc<LoopWaker>,
}

/// How many wardens a loop needs, and has not found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Need {
    /// For jobs that could start.
    pub(super) jobs: usize,
    /// For processes that are started before the turn of their jobs.
    pub(super) ahead: usize,
}

impl Need {
    /// The need of a job whose turn it is.
    pub(super) const JOB: Self = Self { jobs: 1, ahead: 0 };

    pub(super) fn total(self) -> usize {
        self.jobs + self.ahead
    }
}

/// The identity of an event loop in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LoopId(usize);

impl SharedPool {
    pub(crate) fn load(&self) -> &Arc<Load> {
        &self.0.here().load
    }

    pub(super) fn new_id(&self) -> LoopId {
        let mut state = self.state();
        state.next_id += 1;
        LoopId(state.next_id)
    }

    pub(super) fn discovery(&self) -> Discovery {
        self.state().discovery
    }

    /// Keeps what the first warden has reported, and makes the other loops act on it.
    pub(super) fn discover(&self, discovery: Discovery) {
        self.state().discovery = discovery;
        self.wake_all();
    }

    /// Removes and returns a warden that is free and alive, and was started in this state. The loop then needs one less.
    pub(super) fn draw(&self, id: LoopId, inherited: InheritedState) -> Option<WardenHandle> {
        loop {
            let mut state = self.state();
            let is_usable = |warden: &WardenHandle| warden.state == Some(inherited);
            let ready = state.idle.iter().rposition(|warden| is_usable(warden) && warden.has_standby);
            let index = ready.or_else(|| state.idle.iter().rposition(is_usable))?;
            let mut warden = state.idle.remove(index);
            // At once: another loop that looks now must not start one for this one.
            if let Some(waiter) = state.waiters.iter_mut().find(|waiter| waiter.id == id.0) {
                let need = &mut waiter.need;
                *(if need.jobs > 0 { &mut need.jobs } else { &mut need.ahead }) -= usize::from(need.total() > 0);
            }
            let next = state.next_waker();
            drop(state);
            // The loop that was woken for this one may have found another: the next one is to look as well.
            next.inspect(|waker| waker.wake());
            if warden.is_expired() || !warden.worker.has_own_descriptors() {
                // It exits by itself about now.
                warden.send_off();
            } else if !warden.worker.reap() {
                return Some(warden);
            }
        }
    }

    /// Returns the state in which all wardens were started that are free, if that is the same one: most likely that of the
    /// next call as well.
    pub(super) fn common_state(&self) -> Option<InheritedState> {
        let state = self.state();
        let first = state.idle.first()?.state;
        first.filter(|_| state.idle.iter().all(|warden| warden.state == first))
    }

    /// Removes and returns a warden that was started ahead, was started in this state, and has come up by now.
    pub(super) fn draw_started(&self, inherited: InheritedState) -> Option<WardenHandle> {
        let mut state = self.state();
        let is_up = |starting: &mut StartingWarden| {
            starting.warden.state == Some(inherited) && matches!(starting.advance(), Some(StartResult::Up(_)))
        };
        let index = state.unattended.iter_mut().position(is_up)?;
        state.starting = state.starting.saturating_sub(1);
        Some(state.unattended.swap_remove(index).warden)
    }

    /// Keeps a warden that has come up, as [`put`](Self::put) does.
    pub(super) fn put_started(&self, warden: WardenHandle, limit: usize, standby: usize) -> Vec<WardenHandle> {
        let mut state = self.state();
        state.starting = state.starting.saturating_sub(1);
        Self::put_in(state, warden, limit, standby)
    }

    /// Keeps a warden that is free, with a process for its next job if fewer than `standby` have one. If there are `limit`
    /// already, it gives one back: one that was started in another state, or else this one. It gives back the outdated ones
    /// in any case.
    pub(super) fn put(&self, warden: WardenHandle, limit: usize, standby: usize) -> Vec<WardenHandle> {
        Self::put_in(self.state(), warden, limit, standby)
    }

    fn put_in(
        mut state: MutexGuard<'_, PoolState>,
        mut warden: WardenHandle,
        limit: usize,
        standby: usize,
    ) -> Vec<WardenHandle> {
        if warden.generation != state.generation {
            return vec![warden];
        }
        let current = warden.state;
        let mut surplus: Vec<_> =
            state.idle.extract_if(.., |idle| idle.is_expired() || idle.is_outdated(current)).collect();
        // Those that are needed are drawn at once.
        if state.idle.len() >= limit.max(standby) + state.needed() {
            let Some(index) = state.idle.iter().position(|idle| idle.state != current) else {
                surplus.push(warden);
                return surplus;
            };
            surplus.push(state.idle.remove(index));
        }
        let ready = state.idle.iter().filter(|idle| idle.state == current && idle.has_standby).count();
        if ready < standby && !warden.has_standby {
            warden.prepare();
        }
        warden.rest();
        state.idle.push(warden);
        let waker = state.next_waker();
        drop(state);
        waker.inspect(|waker| waker.wake());
        surplus
    }

    /// Removes and returns the wardens that are free beyond the limit.
    pub(super) fn trim(&self, limit: usize) -> Vec<WardenHandle> {
        let mut state = self.state();
        let surplus = state.idle.len().saturating_sub(limit + state.needed());
        // The oldest ones.
        state.idle.drain(..surplus).collect()
    }

    pub(super) fn generation(&self) -> u64 {
        self.state().generation
    }

    /// Lets all wardens exit that are free, and each of the others after its run.
    pub(crate) fn renew(&self) {
        let mut state = self.state();
        state.generation += 1;
        let mut idle = mem::take(&mut state.idle);
        drop(state);
        idle.iter_mut().for_each(WardenHandle::send_off);
    }

    /// Sets how many wardens an event loop needs now. Returns those on their way up that no loop waits for, and how many
    /// the loop must start so that there is one for each that is needed; they count as started.
    pub(super) fn need(
        &self,
        id: LoopId,
        need: Need,
        inherited: InheritedState,
        waker: &Arc<LoopWaker>,
    ) -> (Vec<StartingWarden>, usize) {
        let mut state = self.state();
        match state.waiters.iter_mut().find(|waiter| waiter.id == id.0) {
            Some(waiter) => waiter.need = need,
            None => state.waiters.push(Waiter { id: id.0, need, waker: Arc::clone(waker) }),
        }
        self.load().note_waiting(state.waiters.iter().map(|waiter| waiter.need.jobs).sum());
        let idle = state.idle.iter().filter(|warden| warden.state == Some(inherited)).count();
        if idle > 0 {
            // Another loop has returned it since this one looked, and may have woken no one.
            waker.wake();
        }
        let missing = state.needed().saturating_sub(state.starting + idle);
        state.starting += missing;
        (mem::take(&mut state.unattended), missing)
    }

    /// Removes an event loop from those that need wardens.
    pub(super) fn need_none(&self, id: LoopId) {
        let mut state = self.state();
        state.waiters.retain(|waiter| waiter.id != id.0);
        let waker = if state.idle.is_empty() { None } else { state.next_waker() };
        drop(state);
        waker.inspect(|waker| waker.wake());
    }

    /// Counts wardens that have come up, or have failed to.
    pub(super) fn started(&self, count: usize) {
        let mut state = self.state();
        state.starting = state.starting.saturating_sub(count);
    }

    /// Makes the loops that need wardens look again.
    pub(super) fn wake_all(&self) {
        let wakers: Vec<_> = self.state().waiters.iter().map(|waiter| Arc::clone(&waiter.waker)).collect();
        for waker in wakers {
            waker.wake();
        }
    }

    /// Leaves wardens that are on their way up to the other loops, and the later ones.
    pub(super) fn leave(&self, mut starting: Vec<StartingWarden>) {
        if starting.is_empty() {
            return;
        }
        self.state().unattended.append(&mut starting);
        self.wake_all();
    }

    /// Counts and leaves wardens that were started ahead.
    pub(super) fn prewarm(&self, starting: Vec<StartingWarden>) {
        self.state().starting += starting.len();
        self.leave(starting);
    }

    /// Returns the number of wardens that are free or on their way up.
    pub(super) fn available(&self) -> usize {
        let state = self.state();
        state.idle.len() + state.starting
    }

    /// Removes and returns all wardens that are free.
    pub(super) fn take_idle(&self) -> Vec<WardenHandle> {
        mem::take(&mut self.state().idle)
    }

    pub(super) fn has_idle(&self) -> bool {
        !self.state().idle.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, PoolState> {
        lock(&self.0.here().state)
    }
}

impl PoolState {
    fn needed(&self) -> usize {
        self.waiters.iter().map(|waiter| waiter.need.total()).sum()
    }

    /// Returns the waker of the loop that has waited longest.
    fn next_waker(&self) -> Option<Arc<LoopWaker>> {
        let waiter = self.waiters.iter().find(|waiter| waiter.need.total() > 0);
        waiter.filter(|_| !self.idle.is_empty()).map(|waiter| Arc::clone(&waiter.waker))
    }
}

impl Drop for PoolState {
    fn drop(&mut self) {
        // All at once, so that they exit side by side. Then each is waited for.
        self.idle.iter_mut().for_each(WardenHandle::send_off);
        self.unattended.iter_mut().for_each(|starting| starting.warden.send_off());
    }
}
