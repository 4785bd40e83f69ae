//! `EventLoop`: the loop that has jobs run, so many at a time, and waits for all of them.

use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use super::attempts::{NextStep, PendingRun};
use super::job_run::Run;
use super::job_spec::JobSpec;
use super::mailbox::{Command, Mailbox, StopMode};
use super::queue::{Queue, QueueKey};
use super::state_machine::StopReason;
use super::warden_pool::WardenPool;
use super::{EventDetail, JobEvent, Rules};
use crate::clock::Deadline;
use crate::options::OnFailure;
use crate::outcome::Status;
use crate::process::{self, Origin, PerProcess};
use crate::record::RunReport;

/// Who is told of what becomes of each order, by its number; `Break` if no further job may start.
pub(super) type Listener<'a> = dyn FnMut(usize, JobEvent) -> ControlFlow<()> + 'a;

/// The orders of a list, those of them that run, and what is known of them.
pub(super) struct EventLoop<'a> {
    rules: &'a Rules,
    pool: &'a mut WardenPool,
    mailbox: Option<&'a Mailbox>,
    queue: Queue<PendingRun, Deadline>,
    /// The processes of some of those that wait, which have been made ahead.
    prepared: Vec<(QueueKey, Run)>,
    running: Vec<Working>,
    /// When the time of all of them is over.
    end: Deadline,
    /// No further job is started.
    stopped: bool,
    /// Nor is one, for want of room, until one of those that run has ended; or a single one, once nobody runs or leaves.
    full: bool,
    origin: Origin,
}

/// What follows an attempt.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// What the job was told: another one, if that is so.
    AsToldTo,
    Nothing,
}

/// How many jobs are started before those that run are looked after: no deadline is to wait until a thousand have started.
const AT_ONCE: usize = 4;

/// Whether there is time to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    Waiting,
    /// There are more jobs to start.
    Starting,
}

/// An order that is being carried out.
struct Working {
    key: QueueKey,
    task: PendingRun,
    run: Run,
    /// That its function was called has been told.
    announced: bool,
    /// No other attempt follows, however this one ends.
    unwanted: bool,
    /// There was no other process of ours when its own was made.
    alone: bool,
}

impl Working {
    fn cancel(&mut self, means: StopMode) {
        self.unwanted = true;
        match means {
            StopMode::Graceful => self.run.ask(StopReason::Cancelled),
            StopMode::Immediate => self.run.halt(StopReason::Cancelled),
        }
    }
}

impl<'a> EventLoop<'a> {
    pub(super) fn new(rules: &'a Rules, pool: &'a mut WardenPool, mailbox: Option<&'a Mailbox>) -> Self {
        Self {
            rules,
            pool,
            mailbox,
            queue: Queue::new(rules.group_limits.iter().copied()),
            prepared: Vec::new(),
            running: Vec::new(),
            end: Deadline::after(rules.total_timeout),
            stopped: false,
            full: false,
            origin: Origin::here(),
        }
    }

    /// Has an order wait for its turn.
    pub(super) fn take(&mut self, key: QueueKey, spec: JobSpec, listener: &mut Listener<'_>) {
        if self.rules.detail == EventDetail::All {
            self.stopped |= listener(key.number, JobEvent::Queued).is_break();
        }
        self.queue.join(key, PendingRun::new(spec));
    }

    /// Has all orders carried out, and returns once the last one is over.
    pub(super) fn run(mut self, listener: &mut Listener<'_>) {
        self.work(listener);
        self.pool.shutdown();
    }

    /// Has all orders carried out, those too that are still to come, until none is left and the inbox has been closed.
    pub(super) fn run_until_closed(mut self, listener: &mut Listener<'_>) {
        loop {
            self.work(listener);
            self.pool.shutdown();
            if !self.origin.is_here() || self.mailbox.is_none_or(Mailbox::close_if_empty) {
                return;
            }
        }
    }

    fn work(&mut self, listener: &mut Listener<'_>) {
        loop {
            self.obey(listener);
            self.queue.admit(Deadline::now);
            let pace = self.start(listener);
            if self.stopped {
                self.give_up_those_that_wait(listener);
            } else if !self.full {
                self.look_ahead();
            }
            if self.running.is_empty() && self.queue.is_empty() {
                return;
            }
            // A ring may come so late that it was read with the one before: whoever is called away has nobody to wake him.
            if !self.is_called_away() {
                self.wait(pace);
            }
            self.conclude(listener);
            if !self.origin.is_here() {
                return self.forget();
            }
            if self.end.is_past() {
                self.end_the_list();
            }
        }
    }

    /// Forgets all orders, in a fork of the process that carries them out: the wardens are that process's, not the fork's.
    fn forget(&mut self) {
        self.running.clear();
        self.prepared.clear();
        self.queue.clear();
    }

    /// Does what was said meanwhile.
    fn obey(&mut self, listener: &mut Listener<'_>) {
        for command in self.mailbox.filter(|mailbox| mailbox.has_words()).map(Mailbox::take).unwrap_or_default() {
            match command {
                Command::Take(key, spec) => self.take(key, *spec, listener),
                Command::End(key, means) => self.give_up(key, means, listener),
                Command::Stop => self.stopped = true,
                Command::EndAll(means) => {
                    self.stopped = true;
                    self.running.iter_mut().for_each(|working| working.cancel(means));
                }
            }
        }
    }

    /// Has the time of the whole list be over.
    fn end_the_list(&mut self) {
        self.end = Deadline::after(Duration::MAX);
        self.stopped = true;
        for working in &mut self.running {
            working.run.ask(StopReason::TotalTimeout);
        }
    }

    /// Gives up one order, whether it runs or waits.
    fn give_up(&mut self, key: QueueKey, means: StopMode, listener: &mut Listener<'_>) {
        if let Some(working) = self.running.iter_mut().find(|working| working.key == key) {
            working.cancel(means);
        } else if let Some(task) = self.queue.remove(key) {
            if let Some(place) = self.prepared.iter().position(|(of, _)| *of == key) {
                self.prepared.remove(place).1.abandon(self.pool);
            }
            self.stopped |= listener(key.number, JobEvent::Over(task.give_up())).is_break();
        }
    }

    /// Calls the next ones, as many as may run, or as can be called before somebody must look after the others.
    fn start(&mut self, listener: &mut Listener<'_>) -> Pace {
        for _ in 0..AT_ONCE {
            if self.stopped || self.running.len() >= self.rules.concurrency.get() || self.is_called_away() {
                return Pace::Waiting;
            }
            if self.full && (!self.running.is_empty() || self.pool.is_draining()) {
                return Pace::Waiting;
            }
            let Some((key, task)) = self.queue.next() else {
                return Pace::Waiting;
            };
            if let Some(reason) = &task.spec.unserializable {
                // Another attempt would find the same.
                let over = RunReport::without_arguments(reason);
                self.end(key, task, over, Next::Nothing, listener);
                continue;
            }
            let alone = !self.holds_room();
            match self.call(key, &task.spec) {
                Ok(run) => {
                    // Whoever is being started finds the next one beside it.
                    self.running.iter_mut().for_each(|working| working.alone = false);
                    self.running.push(Working { key, task, run, announced: false, unwanted: false, alone });
                }
                Err(error) if process::lacks_room(&error) && !alone => {
                    self.put_back(key, task);
                    self.wait_for_room();
                }
                Err(error) => {
                    self.end(key, task, RunReport::without_a_process(&error), Next::AsToldTo, listener);
                }
            }
        }
        Pace::Starting
    }

    /// Says whether there are processes of ours that can make room.
    fn holds_room(&self) -> bool {
        let pool = &self.pool;
        !self.running.is_empty() || !self.prepared.is_empty() || pool.has_idle() || pool.is_draining()
    }

    /// Starts no more until there is room: once one of those that run has ended, or where none runs, once those have left
    /// that were kept for later.
    fn wait_for_room(&mut self) {
        self.full = true;
        if self.running.is_empty() {
            self.abandon_prepared();
            self.pool.dismiss_idle();
        }
    }

    fn abandon_prepared(&mut self) {
        self.prepared.drain(..).for_each(|(_, run)| run.abandon(self.pool));
    }

    /// Has one that was to run wait for its turn once more, in its own place.
    fn put_back(&mut self, key: QueueKey, task: PendingRun) {
        self.queue.release(key);
        self.queue.join(key, task);
    }

    fn is_called_away(&self) -> bool {
        self.mailbox.is_some_and(Mailbox::has_words)
    }

    /// Has the function called, in the process that has been made for it or in a new one.
    fn call(&mut self, key: QueueKey, spec: &JobSpec) -> io::Result<Run> {
        let prepared = self.prepared.iter().position(|(of, _)| *of == key).map(|place| self.prepared.remove(place).1);
        let mut run = match prepared {
            Some(run) if run.can_be_called() => run,
            gone => {
                // Nothing of the function has run, so that it can be tried once more.
                if let Some(run) = gone {
                    run.abandon(self.pool);
                }
                Run::prepare(spec.clone(), self.pool)?
            }
        };
        run.call(self.pool);
        Ok(run)
    }

    /// Makes the processes of some of the next ones, so that their start is hidden behind those that run.
    fn look_ahead(&mut self) {
        // With one core there is nothing to hide behind.
        let cores = Some(cores()).filter(|cores| *cores > 1).unwrap_or_default();
        let wanted = self.running.iter().filter(|working| working.run.is_up()).take(cores).count();
        if self.prepared.len() >= wanted {
            return;
        }
        for (key, task) in self.queue.first(wanted) {
            if self.prepared.len() >= wanted {
                return;
            }
            if task.spec.unserializable.is_some() || self.prepared.iter().any(|(of, _)| *of == key) {
                continue;
            }
            // What fails now may succeed when its turn has come, and if not, that is told then.
            let Ok(mut run) = Run::prepare(task.spec.clone(), self.pool) else {
                return;
            };
            run.was_prepared = true;
            self.prepared.push((key, run));
        }
    }

    /// Waits until something is to be done, if there is time for that, and does what the runs have to do.
    fn wait(&mut self, pace: Pace) {
        let runs = self.running.iter().map(|working| working.run.deadline());
        let next = runs.chain(self.queue.moment()).chain([self.end]).fold(self.pool.deadline(), Deadline::earlier);
        let next = if pace == Pace::Starting { Deadline::now() } else { next };
        let interests = self.running.iter().map(|working| working.run.interests());
        let ready = process::wait(interests.chain(self.pool.interests()), self.mailbox.map(Mailbox::waker), next);
        for (working, ready) in self.running.iter_mut().zip(ready) {
            working.run.advance(ready);
        }
        self.pool.reap();
    }

    /// Tells of those that have begun, and takes leave of those that are over.
    fn conclude(&mut self, listener: &mut Listener<'_>) {
        if self.rules.detail == EventDetail::All {
            self.announce(listener);
        }
        let done: Vec<_> = self.running.extract_if(.., |working| working.run.is_done()).collect();
        let made_room = done.iter().any(|working| !working.run.lacked_room());
        self.full &= !made_room;
        for Working { key, task, run, unwanted, alone, .. } in done {
            let wanted = !self.stopped && !unwanted;
            // It tries again, alone if need be: who finds no room then has to do without.
            let found_none = run.lacked_room() && !alone;
            if wanted && (found_none || run.was_gone_before_the_call()) {
                if found_none && !made_room {
                    self.wait_for_room();
                }
                run.abandon(self.pool);
                self.put_back(key, task);
                continue;
            }
            let over = run.conclude(self.pool);
            let next = if wanted { Next::AsToldTo } else { Next::Nothing };
            self.end(key, task, over, next, listener);
        }
    }

    fn announce(&mut self, listener: &mut Listener<'_>) {
        for working in &mut self.running {
            let (number, attempt) = (working.key.number, working.task.spec.attempt);
            if !working.announced && working.run.has_started() {
                working.announced = true;
                let event = JobEvent::Started { attempt, process: working.run.process() };
                self.stopped |= listener(number, event).is_break();
            }
            if let Some(board) = working.run.posted() {
                self.stopped |= listener(number, JobEvent::Posted { attempt, board }).is_break();
            }
        }
    }

    /// Takes what came of an attempt, tells of it, and does what follows: another one, if it is wanted.
    fn end(&mut self, key: QueueKey, task: PendingRun, over: RunReport, next: Next, listener: &mut Listener<'_>) {
        self.queue.release(key);
        let attempt = (self.rules.detail == EventDetail::All).then(|| task.attempt(&over));
        let after = match next {
            Next::AsToldTo => task.go_on(over),
            Next::Nothing => NextStep::Nothing(task.end(over)),
        };
        let retry_in = if let NextStep::Again(_, delay) = &after { Some(*delay) } else { None };
        let mut tell = |event| self.stopped |= listener(key.number, event).is_break();
        if let Some(attempt) = attempt {
            tell(JobEvent::Ended { attempt, retry_in });
        }
        match after {
            NextStep::Again(task, delay) => self.queue.push_delayed(key, task, Deadline::after(delay)),
            NextStep::Nothing(over) => {
                let is_failure = over.outcome.status() != Status::Ok;
                tell(JobEvent::Over(over));
                self.stopped |= is_failure && self.rules.on_failure == OnFailure::Stop;
            }
        }
    }

    /// Tells of those that won't be called any more.
    fn give_up_those_that_wait(&mut self, listener: &mut Listener<'_>) {
        self.abandon_prepared();
        for (key, task) in self.queue.clear() {
            // Nothing more can be stopped by what is answered.
            let _ = listener(key.number, JobEvent::Over(task.give_up()));
        }
    }
}

/// How many cores this process may use: the kernel is asked once, in a dozen calls.
fn cores() -> usize {
    static CORES: PerProcess<OnceLock<usize>> = PerProcess::new(OnceLock::new());
    *CORES.here().get_or_init(|| thread::available_parallelism().map_or(1, NonZeroUsize::get))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use super::*;
    use crate::launcher::Launcher;
    use crate::process::{DefaultOutput, Orphans};
    use crate::registry;

    /// Whoever says something pushes it, rings, and marks the bell as rung. If the loop comes between the last two, it has
    /// taken what was said, and finds a mark for which no ring will ever come.
    #[test]
    #[cfg_attr(miri, ignore = "a doorbell is the kernel's")]
    fn a_ring_that_was_heard_with_the_one_before_keeps_no_order_waiting() {
        let spec = JobSpec {
            id: "a".into(),
            attempt: 1,
            checkpoint: None,
            entry: registry::tests::entry("a", 1),
            arguments: Arc::default(),
            unserializable: None,
            options: Arc::default(),
            line: 0,
            limit: Duration::MAX,
            list_limit: Duration::MAX,
            start_limit: Duration::from_secs(60),
            delivery_limit: Duration::from_secs(60),
            orphans: Orphans::default(),
            cgroups: None,
        };
        let (sender, told) = mpsc::channel();
        let watch = move || {
            let mailbox = Mailbox::new().expect("a doorbell");
            // Its copies run none of these tests and end, without a job: that an order is carried out at all is the point.
            let mut pool = WardenPool::printing_to(DefaultOutput::Own, Launcher::Test("no test has this name"));
            let rules = Rules { detail: EventDetail::All, ..Rules::of_one() };
            let shift = EventLoop::new(&rules, &mut pool, Some(&mailbox));
            let mut listener = |_, event| {
                match event {
                    // The loop has hushed the bell and taken the order, and has not started it.
                    JobEvent::Queued => mailbox.waker().wake_unnoticed(),
                    JobEvent::Over(over) => sender.send(over.outcome).expect("it is waited for"),
                    _ => {}
                }
                ControlFlow::Continue(())
            };
            assert!(mailbox.say(Command::Take(spec.key(0), Box::new(spec))).is_ok());
            shift.run(&mut listener);
        };
        let watch = thread::spawn(watch);
        let outcome = told.recv_timeout(Duration::from_secs(120)).expect("the order is carried out");
        assert_eq!(outcome.status(), Status::Error, "{outcome:?}");
        watch.join().expect("the loop ends with its last order");
    }
}
