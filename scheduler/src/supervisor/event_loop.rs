//! `EventLoop`: runs the jobs of a list, or those that are spawned, and waits for all of them at once.

mod call;
mod commands;
mod finishing;
mod room;
mod sequels;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::mem;
use std::sync::Arc;

use super::active_runs::{ActiveRun, ActiveRuns};
use super::attempts::PendingRun;
use super::capacity::Capacity;
use super::job_event::{EventDetail, EventHandler, JobEvent};
use super::job_spec::JobSpec;
use super::list_events::EventBatch;
use super::loop_config::LoopConfig;
use super::mailbox::Mailbox;
use super::prespawn::Prespawned;
use super::queue::{Queue, QueueKey};
#[cfg(feature = "remote")]
use super::remote_run::LoopSlots;
use super::shared_pool::Need;
use super::slots::Slots;
use super::state_machine::{StopMode, StopReason};
use super::warden_pool::WardenPool;
use crate::clock::{self, Deadline};
use crate::error::Error;
use crate::journal::Replay;
use crate::process::{self, DescriptorLimit, Origin, Poller, WaitKey};
use crate::record::RunReport;
use finishing::Allowed;

/// The jobs that wait and run, and the state they share.
#[expect(clippy::struct_excessive_bools, reason = "what may start is limited in several ways, each for its own reason")]
pub(super) struct EventLoop<'a> {
    config: &'a LoopConfig,
    pool: &'a mut WardenPool,
    mailbox: Option<&'a Arc<Mailbox>>,
    /// The events that the handler keeps back.
    batch: Option<&'a EventBatch>,
    queue: Queue<PendingRun, Deadline>,
    /// The follow-ups that wait for their start.
    owed: VecDeque<(QueueKey, PendingRun)>,
    /// The keys of the entries that aren't at their first job any more, by their numbers.
    moved: HashMap<usize, QueueKey>,
    prespawned: Prespawned,
    runs: ActiveRuns,
    slots: Slots,
    /// The run before whose start we had no other process, and after which we have started none.
    alone: Option<WaitKey>,
    poller: Poller,
    descriptor_limit: DescriptorLimit,
    /// The end of the time that all jobs have together.
    total_deadline: Deadline,
    /// More jobs will be submitted: it doesn't end without a job.
    is_open: bool,
    /// No further job starts.
    is_stopped: bool,
    /// No follow-up starts either.
    is_killed: bool,
    /// A run on another machine has something to report.
    has_news: bool,
    /// How many jobs have failed.
    failures: u32,
    capacity: Capacity,
    /// No further job starts for lack of descriptors, processes or memory, until a running one has finished. A single one
    /// may start once none runs and no warden is exiting.
    has_no_room: bool,
    /// How many wardens are missing.
    need: Need,
    /// The number of jobs that ran at the last report that there was no room for more.
    reported_room: usize,
    origin: Origin,
}

/// How often a job is given to another warden after one has exited without making its process.
const MOST_LOST_WARDENS: u32 = 3;

/// The most jobs to start before the running ones are checked: no deadline waits until a thousand have started.
const STARTS_AT_ONCE: usize = 4;

/// Whether more jobs could start at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Starts {
    AllDone,
    MorePending,
    /// The machine has no room for more. It is looked at again then.
    Wait(Deadline),
}

impl<'a> EventLoop<'a> {
    pub(super) fn new(config: &'a LoopConfig, pool: &'a mut WardenPool, mailbox: Option<&'a Arc<Mailbox>>) -> Self {
        if let Some(mailbox) = mailbox {
            pool.set_waker(Arc::clone(mailbox.waker()));
        }
        #[cfg(feature = "remote")]
        config.slots.iter().for_each(LoopSlots::configure);
        Self {
            config,
            pool,
            mailbox,
            batch: None,
            queue: Queue::new(config.group_limits.iter().copied()),
            owed: VecDeque::new(),
            moved: HashMap::new(),
            prespawned: Prespawned::default(),
            runs: ActiveRuns::default(),
            slots: Slots::default(),
            alone: None,
            poller: Poller::new(),
            descriptor_limit: DescriptorLimit::default(),
            total_deadline: Deadline::after(config.total_timeout),
            is_open: false,
            is_stopped: false,
            is_killed: false,
            has_news: false,
            failures: 0,
            capacity: Capacity::new(config.capacity),
            has_no_room: false,
            need: Need::default(),
            reported_room: usize::MAX,
            origin: Origin::here(),
        }
    }

    /// Adds a job to the queue.
    pub(super) fn submit(&mut self, key: QueueKey, spec: JobSpec, listener: &mut EventHandler<'_>) {
        self.pool.begin_call();
        if self.config.detail == EventDetail::All {
            let event = JobEvent::Queued { at: clock::wall(), group: spec.options.group.clone() };
            self.is_stopped |= listener(key.number, event).is_break();
        }
        match self.replay(&spec) {
            Replay::Finished(replayed) => return self.conclude_replayed(key, spec, *replayed, None, listener),
            Replay::Pending | Replay::Stop => {}
        }
        let pending = PendingRun::new(spec);
        #[cfg(feature = "remote")]
        if let Some(limit) = self.overlap(&pending) {
            return self.queue.push_delayed(key, pending, Deadline::after(limit));
        }
        self.queue.push(key, pending);
    }

    /// Adds the jobs of a list to the queue; their indices are their numbers.
    pub(super) fn submit_all(&mut self, specs: Vec<JobSpec>, listener: &mut EventHandler<'_>) {
        for (number, spec) in specs.into_iter().enumerate() {
            self.submit(spec.key(number), spec, listener);
        }
    }

    /// Sends the events of this batch when they are due, and at the end.
    pub(super) fn send_batch(&mut self, batch: &'a EventBatch) {
        self.batch = Some(batch);
    }

    /// Lets more jobs be submitted, until `LoopCommand::Close`.
    pub(super) fn keep_open(&mut self) {
        self.is_open = true;
    }

    /// Runs all jobs, and returns when the last one has finished.
    ///
    /// # Errors
    ///
    /// Fails before any job has started if none can, as a required fork server can't be made.
    pub(super) fn run(mut self, listener: &mut EventHandler<'_>) -> Result<(), Error> {
        let result = self.run_jobs(listener);
        // Before the wardens exit, which may take a moment.
        self.batch.inspect(|batch| batch.send());
        self.pool.shutdown(&mut self.poller);
        result
    }

    /// Runs all jobs, also those that are still to be submitted, until none is left and the mailbox has been closed.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub(super) fn run_until_closed(mut self, listener: &mut EventHandler<'_>) -> Result<(), Error> {
        loop {
            let result = self.run_jobs(listener);
            self.pool.shutdown(&mut self.poller);
            if result.is_err() || !self.origin.is_here() || self.mailbox.is_none_or(|mailbox| mailbox.close_if_empty())
            {
                return result;
            }
        }
    }

    fn run_jobs(&mut self, listener: &mut EventHandler<'_>) -> Result<(), Error> {
        loop {
            if self.mailbox.is_none() {
                self.pool.reset_waker();
            }
            self.handle_commands(listener);
            self.queue.promote_due(Deadline::now);
            if self.is_killed {
                self.kill_owed(listener);
            }
            let mut starts = self.start_jobs(listener);
            if self.is_stopped {
                let owed = self.owed.len();
                self.cancel_waiting(listener);
                if self.owed.len() > owed {
                    starts = Starts::MorePending;
                }
            } else if !self.has_no_room && !self.queue.is_empty() && !matches!(starts, Starts::Wait(_)) {
                let up = self.runs.up();
                self.need.ahead = self.prespawned.refill(up, self.need.jobs, &self.queue, self.pool);
            }
            // A failure to start one is tried again, and reported, at the turn of its job.
            let _ = self.pool.need(mem::take(&mut self.need));
            if self.runs.is_empty() && self.queue.is_empty() && self.owed.is_empty() && !self.is_open {
                return Ok(());
            }
            self.batch.inspect(|batch| batch.send_if_due());
            // A wake's flag may be set after its descriptor was read. `start_jobs` then starts nothing, and nothing would
            // end the wait.
            if !self.has_commands() {
                self.wait(starts);
            }
            self.finish_runs(listener);
            if !self.origin.is_here() {
                self.forget();
                return Ok(());
            }
            if let Some(failure) = self.pool.take_failure() {
                self.queue.drain();
                return Err(failure);
            }
            if self.total_deadline.is_past() {
                self.enforce_total_timeout();
            }
        }
    }

    /// Forgets all jobs, in a fork of the process that runs them: the wardens are that process's, not the fork's.
    fn forget(&mut self) {
        self.runs.clear();
        self.prespawned.forget();
        self.queue.drain();
        self.owed.clear();
    }

    fn has_commands(&self) -> bool {
        self.mailbox.is_some_and(|mailbox| mailbox.has_pending())
    }

    fn enforce_total_timeout(&mut self) {
        self.total_deadline = Deadline::NEVER;
        self.is_stopped = true;
        // A follow-up has its own limit.
        let jobs = |active: &mut ActiveRun| {
            if !active.pending.is_follow_up() {
                active.run.request_stop(StopReason::TotalTimeout);
            }
        };
        self.runs.command_all(jobs);
    }

    /// Cancels a job, whether it runs or waits.
    fn cancel(&mut self, key: QueueKey, mode: StopMode, listener: &mut EventHandler<'_>) {
        if let Some(run) = self.runs.key_of(key.number) {
            self.runs.command(run, |active| active.cancel(mode));
        } else if !self.cancel_owed(key.number, mode, listener)
            && let key = self.waiting_key(key)
            && let Some(pending) = self.queue.remove(key)
        {
            if let Some(run) = self.prespawned.take(key) {
                run.discard(self.pool);
            }
            let allowed = if mode == StopMode::Immediate { Allowed::Nothing } else { Allowed::FollowUp };
            self.conclude(key, pending.cancel(), allowed, listener);
        }
    }

    /// Cancels the jobs that wait.
    fn cancel_waiting(&mut self, listener: &mut EventHandler<'_>) {
        self.mailbox.inspect(|mailbox| mailbox.mark_stopped());
        self.prespawned.discard_all(self.pool);
        for (key, pending) in self.queue.drain() {
            let allowed = if self.is_killed { Allowed::Nothing } else { Allowed::FollowUp };
            self.conclude(key, pending.cancel(), allowed, listener);
        }
    }

    /// Starts the next jobs: as many as may run, and not too many before the running ones are checked.
    fn start_jobs(&mut self, listener: &mut EventHandler<'_>) -> Starts {
        for _ in 0..STARTS_AT_ONCE {
            let is_over = self.is_stopped && self.owed.is_empty();
            if is_over || self.runs.len() >= self.config.concurrency.get() || self.has_commands() {
                return Starts::AllDone;
            }
            if self.has_no_room && (!self.runs.is_empty() || self.pool.is_draining()) {
                return Starts::AllDone;
            }
            if self.owed.is_empty()
                && let Some(recheck) = self.wait_for_capacity()
            {
                return Starts::Wait(recheck);
            }
            let Some((key, pending)) = self.pop_next() else {
                return Starts::AllDone;
            };
            if let Some(reason) = &pending.spec.unserializable {
                // Another attempt would fail in the same way.
                let report = RunReport::without_arguments(reason);
                self.finish_attempt(key, pending, None, report, Allowed::NoRetry, listener);
                continue;
            }
            let was_draining = self.pool.is_draining();
            let called = self.call(key, &pending.spec);
            // The warden that it was given, if any, is no other process: not even if it exits, as it could make no process.
            let is_draining = self.pool.is_draining() && (was_draining || called.is_ok());
            let is_alone = !self.has_processes() && !is_draining;
            match called {
                Ok(None) => {
                    self.requeue(key, pending);
                    // Without room a single one, so that a job is alone with it.
                    let most = if self.has_no_room { 1 } else { self.config.concurrency.get() };
                    let free = most - self.runs.len();
                    self.need.jobs = free.min(self.owed.len() + self.queue.peek(free).len());
                    return Starts::AllDone;
                }
                Ok(Some(mut run)) => {
                    if pending.lost_wardens >= MOST_LOST_WARDENS {
                        run.trust_warden();
                    }
                    pending.spec.load.iter().for_each(|token| token.start());
                    let run = self.runs.insert(ActiveRun::new(key, pending, run, self.slots.acquire()));
                    // A run that was started alone and is still starting has this one beside it now.
                    self.alone = is_alone.then_some(run);
                }
                // It is tried again at once.
                Err(error) if self.descriptor_limit.raise_after(&error) => self.requeue(key, pending),
                Err(error) if process::lacks_room(&error) && !is_alone => {
                    self.report_lack(key, || DescriptorLimit::explain(&error), listener);
                    self.requeue(key, pending);
                    self.wait_for_room();
                }
                Err(error) => {
                    let report = RunReport::without_a_process(&error);
                    self.finish_attempt(key, pending, None, report, Allowed::Everything, listener);
                }
            }
        }
        Starts::MorePending
    }

    /// Waits until something is ready or due, unless more jobs could start, and advances the runs for which that is so.
    fn wait(&mut self, starts: Starts) {
        let Self { runs, pool, poller, .. } = self;
        let has_done = runs.register(poller);
        pool.register(poller);
        let batch = self.batch.map_or(Deadline::NEVER, EventBatch::due);
        let due = [pool.deadline(), self.total_deadline, batch].into_iter().chain(self.queue.next_due());
        let until = due.fold(runs.deadline(), Deadline::earlier);
        let until = match starts {
            _ if has_done || mem::take(&mut self.has_news) => Deadline::now(),
            Starts::AllDone => until,
            Starts::MorePending => Deadline::now(),
            Starts::Wait(recheck) => until.earlier(recheck),
        };
        let interest = |key: WaitKey| runs.interest(key).or_else(|| pool.interest(key));
        let waker = self.mailbox.map(|mailbox| &**mailbox.waker()).or(pool.waker());
        let ready = poller.wait(interest, waker, until);
        pool.advance(ready.iter().map(|(key, _)| *key), poller);
        runs.advance(ready);
    }

    /// Reports the events of the runs for which something has happened, and removes those that are done.
    fn finish_runs(&mut self, listener: &mut EventHandler<'_>) {
        // First: a listener may fork, and the fork must not change what this process waits for.
        let has_done = self.runs.register(&mut self.poller);
        let changed = self.runs.take_changed();
        self.save_checkpoints(&changed);
        if self.config.detail == EventDetail::All {
            self.report_events(&changed, listener);
        }
        self.pass_questions(&changed, listener);
        if !has_done {
            return;
        }
        let is_done = |key: &WaitKey| self.runs.get(*key).is_some_and(|active| active.run.is_done());
        let done: Vec<_> = changed.into_iter().filter(is_done).collect();
        let done: Vec<_> = done.into_iter().filter_map(|key| Some((key, self.runs.remove(key)?))).collect();
        let made_room = done.iter().any(|(_, active)| !active.run.found_no_room());
        self.has_no_room &= !made_room;
        for (run_key, ActiveRun { key, mut pending, run, slot, cancelled, .. }) in done {
            self.slots.release(slot);
            let is_killed = self.is_killed || cancelled == Some(StopMode::Immediate);
            let is_cancelled = self.is_stopped || cancelled.is_some();
            // An owed follow-up is given to another warden even if nothing else starts any more.
            let is_wanted = if pending.is_follow_up() { !is_killed } else { !is_cancelled };
            // Without room it is tried once more, alone if need be; a job that finds no room even then fails.
            let must_wait = run.found_no_room() && self.alone != Some(run_key);
            let is_lost = run.lost_its_warden() && pending.lost_wardens < MOST_LOST_WARDENS;
            pending.lost_wardens += u32::from(is_lost);
            if is_wanted && (must_wait || is_lost || run.exited_before_call()) {
                if must_wait && !made_room {
                    self.report_lack(key, || run.refusal().to_owned(), listener);
                    self.wait_for_room();
                }
                run.discard(self.pool);
                self.requeue(key, pending);
                continue;
            }
            let slot_used = run.site().map_or(slot, |site| site.slot);
            let report = run.finish(self.pool);
            let allowed = match (is_killed, is_cancelled) {
                (true, _) => Allowed::Nothing,
                (false, true) => Allowed::FollowUp,
                (false, false) => Allowed::Everything,
            };
            self.finish_attempt(key, pending, Some(slot_used), report, allowed, listener);
        }
    }

    fn report_events(&mut self, changed: &BTreeSet<WaitKey>, listener: &mut EventHandler<'_>) {
        for key in changed {
            let Some(active) = self.runs.get_mut(*key) else {
                continue;
            };
            let (number, attempt) = (active.key.number, active.pending.attempt_number());
            if !active.is_announced && active.run.has_started() {
                active.is_announced = true;
                let at = active.run.started_at().unwrap_or_else(clock::wall);
                let site = active.run.site();
                let slot = site.map_or(active.slot, |site| site.slot);
                let host = site.map(|site| Arc::clone(&site.host));
                let event = JobEvent::Started { at, attempt, slot, process: active.run.process(), host };
                self.is_stopped |= listener(number, active.pending.event(event)).is_break();
            }
            if let Some(updates) = active.run.take_updates() {
                let event = JobEvent::Updated { at: clock::wall(), attempt, updates };
                self.is_stopped |= listener(number, active.pending.event(event)).is_break();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::launcher::Launcher;
    use crate::outcome::Status;
    use crate::process::{DefaultOutput, Orphans};
    use crate::registry;
    use crate::supervisor::mailbox::LoopCommand;
    use crate::supervisor::pool_settings::PoolSettings;
    use crate::supervisor::shared_pool::SharedPool;

    /// A sender pushes its command, writes to the descriptor, and marks the waker as woken. If the loop takes the commands
    /// between the last two, it then finds a mark for which no wake-up will follow.
    #[test]
    #[cfg_attr(miri, ignore = "a waker is a descriptor")]
    fn a_wake_that_was_cleared_with_the_one_before_keeps_no_job_waiting() {
        let spec = JobSpec {
            id: "a".into(),
            attempt: 1,
            earlier_attempts: Vec::new(),
            checkpoint: None,
            journal: None,
            entry: registry::tests::entry("a", 1),
            arguments: Arc::default(),
            unserializable: None,
            options: Arc::default(),
            lane: 0,
            timeout: Duration::MAX,
            max_timeout: Duration::MAX,
            total_timeout: Duration::MAX,
            start_timeout: Duration::from_secs(60),
            delivery_timeout: Duration::from_secs(60),
            orphans: Orphans::default(),
            cgroups: None,
            load: None,
            is_observed: false,
            messages: None,
            last_moment: None,
            slots: None,
            avoided_slot: None,
            sequel: None,
        };
        let (sender, outcomes) = mpsc::channel();
        let run = move || {
            let mailbox = Arc::new(Mailbox::new().expect("a waker"));
            // Its copies run none of these tests and exit without a job: only that the job finishes at all matters here.
            let launcher = Launcher::Test("no test has this name");
            let mut pool = SharedPool::default()
                .open(PoolSettings::for_one_job(launcher, DefaultOutput::Own))
                .expect("it starts nothing");
            let config = LoopConfig { detail: EventDetail::All, ..LoopConfig::for_one_job() };
            let event_loop = EventLoop::new(&config, &mut pool, Some(&mailbox));
            let mut listener = |_, event| {
                match event {
                    // The loop has reset the waker and taken the command, and has not started the job.
                    JobEvent::Queued { .. } => mailbox.waker().mark_woken(),
                    JobEvent::Finished(report) => sender.send(report.outcome).expect("it is waited for"),
                    _ => {}
                }
                ControlFlow::Continue(())
            };
            assert!(mailbox.send(LoopCommand::Submit(spec.key(0), Box::new(spec))).is_ok());
            event_loop.run(&mut listener).expect("it needs no fork server");
        };
        let thread = thread::spawn(run);
        let outcome = outcomes.recv_timeout(Duration::from_secs(120)).expect("the job finishes");
        assert_eq!(outcome.status(), Status::Error, "{outcome:?}");
        thread.join().expect("the loop exits after its last job");
    }
}
