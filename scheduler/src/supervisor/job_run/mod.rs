//! One run: what [`step`](super::step) decides, carried out on a real process.

mod receive;

use std::io;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::REAP_LIMIT;
use super::diagnosis::{Limits, Observations, remove_the_cause};
use super::job_spec::JobSpec;
use super::state_machine::{Action, Event, State, StopReason, Verdict};
use super::updates::{JobUpdate, LatestUpdates, Posted};
use super::warden::Warden;
use super::warden_pool::WardenPool;
use crate::clock::{Deadline, Stopwatch};
use crate::options::Terminate;
use crate::outcome::{Outcome, Sweep};
use crate::process::{self, ChildPid, Interest, OomKills, Output, Ready, Search, Stream};
use crate::record::RunReport;
use crate::wire::frame::{self, FrameKind, FrameReader, StreamMark};

/// How long a job's process may take to exit once its outcome is there, if its own deadline leaves it that.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);
/// What it gets at the least.
const LEAVE_LEAST: Duration = Duration::from_millis(10);
/// How long the warden may take to kill and sweep; longer than it allows itself.
const KILL_LIMIT: Duration = Duration::from_secs(3);
/// How long the search for what a lost warden's job has left may take.
const SEARCH_LIMIT: Duration = Duration::from_secs(2);
/// How long the search waits until it looks again.
const ROUND: Duration = Duration::from_millis(2);
/// How long whoever reads our standard error may take for the last that the job wrote there.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);
/// How many bytes of arguments are copied to be sent with what stands before them.
const SMALL: usize = 16 * 1024;
/// How many steps of reading the deadline waits for, lest a complete outcome is missed.
const LAST_LOOK: usize = 4;
/// How much later than its deadline a run is acted on at the most, unless this process was stopped, or is starved.
const LATE: Duration = Duration::from_millis(50);
/// How many steps of reading empty a stream that is full, of a job that is gone or as good as gone.
const LAST_SAVED: usize = 64;
/// How many steps of passing on what was written are taken at a time, lest what writes for ever holds up other jobs.
const LAST_WORDS: usize = 64;

/// A run that is under way.
#[derive(Debug)]
pub(crate) struct Run {
    stream: Stream,
    /// What the job writes, if it was told of something to be done with it.
    output: Output,
    warden: Warden,
    mark: StreamMark,
    frames: FrameReader,
    spec: JobSpec,
    /// The process was made ahead of its turn.
    pub(super) was_prepared: bool,
    state: State,
    deadline: Deadline,
    begun: Stopwatch,
    started: Option<Started>,
    /// How long the function took, by the account of its process or its warden.
    took: Option<Duration>,
    /// Runs once the function has returned.
    returned: Option<Stopwatch>,
    /// Runs once the outcome is there.
    left: Option<Stopwatch>,
    duration: Duration,
    memory_kills: OomKills,
    observations: Observations,
    search: Option<Search>,
    /// Where what the job says while it runs waits for whoever wants to know.
    board: LatestUpdates,
    /// Something has been put there, and nobody was told of it yet.
    has_posted: bool,
}

#[derive(Clone, Copy, Debug)]
struct Started {
    stopwatch: Stopwatch,
    /// By the wall clock.
    at: SystemTime,
    deadline: Deadline,
}

impl Run {
    /// Has a warden of the crew make the job's process, which waits there for its arguments.
    pub(super) fn prepare(spec: JobSpec, pool: &mut WardenPool) -> io::Result<Self> {
        let (output, ends) = Output::open(pool.default_output(), &spec.id, &spec.options)?;
        let mut warden = pool.take()?;
        let mut request = spec.request(&ends, pool.next(), &warden.run_marker);
        let stream = match warden.assign(&mut request, &ends) {
            Ok(stream) => stream,
            Err(error) => {
                pool.dismiss(warden);
                return Err(error);
            }
        };
        Ok(Self {
            stream,
            output,
            warden,
            mark: request.mark,
            frames: FrameReader::new(request.mark, frame::LIMIT),
            deadline: Deadline::after(Duration::MAX),
            spec,
            was_prepared: false,
            state: State::Starting,
            begun: Stopwatch::start(),
            started: None,
            took: None,
            returned: None,
            left: None,
            duration: Duration::ZERO,
            memory_kills: OomKills::default(),
            observations: Observations::default(),
            search: None,
            board: LatestUpdates::default(),
            has_posted: false,
        })
    }

    /// Says whether the process that waits for its arguments is there, as far as is known.
    pub(super) fn can_be_called(&self) -> bool {
        !self.is_done() && !self.stream.has_ended()
    }

    /// Says whether the process was made ahead of its turn, and has ended while nobody looked: its function was not
    /// called.
    pub(super) fn was_gone_before_the_call(&self) -> bool {
        let was_refused = self.observations.start_expired || self.observations.refusal.is_some();
        self.was_prepared && self.never_started() && !was_refused
    }

    /// Says whether there was no room for the process: its function was not called.
    pub(super) fn lacked_room(&self) -> bool {
        self.never_started() && self.observations.lacked_room
    }

    fn never_started(&self) -> bool {
        self.state.verdict() == Some(Verdict::NeverStarted)
    }

    /// Sends the arguments, at which the function is called.
    pub(super) fn call(&mut self, pool: &mut WardenPool) {
        self.output.lend();
        self.memory_kills = pool.memory().kills();
        self.begun = Stopwatch::start();
        self.deadline = Deadline::after(self.spec.start_limit);
        if let Some(checkpoint) = &self.spec.checkpoint {
            let bytes = checkpoint.bytes();
            self.stream.send(Arc::new(frame::header(self.mark, FrameKind::Resume, bytes.len()).to_vec()));
            self.stream.send(Arc::clone(bytes));
        }
        let arguments = &self.spec.arguments;
        let header = frame::header(self.mark, FrameKind::Arguments, arguments.len());
        if arguments.len() <= SMALL {
            // In one piece, which wakes the job once.
            self.stream.send(Arc::new([&header[..], &arguments[..]].concat()));
        } else {
            self.stream.send(Arc::new(header.to_vec()));
            self.stream.send(Arc::clone(arguments));
        }
    }

    /// Gives up on a process that has not been called.
    pub(super) fn abandon(self, pool: &mut WardenPool) {
        pool.dismiss(self.warden);
    }

    pub(super) fn has_started(&self) -> bool {
        self.started.is_some()
    }

    /// Returns the id of the job's process, once it is known.
    pub(super) fn process(&self) -> Option<u32> {
        self.observations.hello.as_ref().map(|hello| hello.job)
    }

    /// Says whether the job's process is there, so that it isn't kept waiting by the start of another one.
    pub(super) fn is_up(&self) -> bool {
        self.state != State::Starting || self.was_prepared
    }

    /// Returns what is waited for.
    pub(super) fn interests(&self) -> Interest<'_> {
        let (worker, stream) = (&self.warden.worker, &self.stream);
        let interests = match self.state {
            State::Starting => Interest::starting(worker, stream),
            State::Running | State::StreamClosed | State::Terminating(_) | State::Delivering(_) => {
                Interest::running(worker, stream)
            }
            _ => Interest::report(worker),
        };
        interests.and_output(&self.output)
    }

    /// Returns the moment at which [`advance`](Self::advance) is due, even if nothing is ready.
    pub(super) fn deadline(&self) -> Deadline {
        match self.state {
            State::Searching(_) => self.deadline.earlier(Deadline::after(ROUND)),
            _ => self.deadline,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Done(_))
    }

    /// Asks the job to end, and has it ended once its grace period is over; at once if it has none, or was not called.
    pub(super) fn ask(&mut self, why: StopReason) {
        self.take_what_has_come();
        self.feed(if self.spec.grace().is_zero() { Event::Kill(why) } else { Event::Terminate(why) });
    }

    /// Has the job ended at once.
    pub(super) fn halt(&mut self, why: StopReason) {
        self.take_what_has_come();
        self.feed(Event::Kill(why));
    }

    /// Has an outcome that is complete by now win, and an end that is known.
    fn take_what_has_come(&mut self) {
        self.read_data(LAST_LOOK);
        self.read_control();
    }

    /// Returns the board if there is something on it that nobody was told of.
    pub(super) fn posted(&mut self) -> Option<LatestUpdates> {
        mem::take(&mut self.has_posted).then(|| self.board.clone())
    }

    fn post(&mut self, note: JobUpdate) {
        self.has_posted |= self.board.post(note) == Posted::First;
    }

    /// Takes what is ready, and acts on the deadline if it has passed.
    pub(super) fn advance(&mut self, ready: Ready) {
        if ready.output {
            self.relay();
        }
        if ready.data {
            self.read_data(1);
        }
        if ready.control {
            self.read_control();
        }
        if ready.exited && self.warden.worker.reap() {
            // What the job of a lost warden has saved is in the stream.
            self.read_data(LAST_SAVED);
            self.feed(Event::Lost);
        }
        if matches!(self.state, State::Searching(_)) {
            self.search();
        }
        if matches!(self.state, State::Draining(_)) {
            // All that the job wrote is in the pipe by now.
            let is_dry = (0..LAST_WORDS).any(|_| !self.relay());
            if is_dry && self.output.complete() && self.warden.worker.stderr().is_through() {
                self.feed(Event::Drained);
            }
        }
        if self.deadline.is_past() {
            // An outcome that is complete by now, or an end, wins over the deadline that is about to be acted on. An application
            // that was stopped may find a lot of both.
            self.read_data(if self.deadline.plus(LATE).is_past() { LAST_SAVED } else { LAST_LOOK });
            self.read_control();
        }
        if self.deadline.is_past() && !self.is_done() {
            let is_starting = self.state == State::Starting;
            self.observations.start_expired |= is_starting;
            if matches!(self.state, State::Exiting(_)) {
                self.observations.lingered = self.left.map(Stopwatch::elapsed);
            }
            let can_be_asked =
                matches!(self.state, State::Running | State::StreamClosed) && !self.spec.grace().is_zero();
            self.feed(match can_be_asked {
                true => Event::Terminate(StopReason::Timeout),
                false if is_starting && self.warden.is_mute() => Event::Unanswered,
                false => Event::Limit,
            });
        }
    }

    /// Passes a step on of what was written; false if nothing is there.
    fn relay(&mut self) -> bool {
        // Of what came at the same time, an error message most likely tells the end.
        let has_moved = self.output.relay();
        self.warden.worker.stderr().step(0) || has_moved
    }

    /// Looks once for what the job of a lost warden has left.
    fn search(&mut self) {
        let job = self.observations.hello.as_ref().and_then(|hello| ChildPid::new(hello.job.cast_signed()));
        let search =
            self.search.get_or_insert_with(|| Search::new(self.warden.run_marker.clone(), job, self.spec.orphans));
        if let Some(home) = &self.spec.cgroups {
            process::end_cgroup(&home.group(&self.warden.run_marker));
        }
        let is_over = search.round(self.deadline);
        self.observations.found = search.killed();
        if is_over {
            self.feed(Event::Found);
        }
    }

    fn feed(&mut self, event: Event) {
        let before = self.state;
        let (after, action) = before.step(event);
        self.state = after;
        match action {
            Action::Nothing => {}
            Action::Terminate => self.tell_to_end(),
            Action::Kill => {
                self.observations.kill_sent = true;
                self.warden.request_kill();
            }
            Action::KillWarden => {
                self.observations.forced = true;
                self.warden.worker.kill();
            }
        }
        if before == after {
            return;
        }
        if matches!(after, State::Delivering(_)) {
            self.returned = Some(Stopwatch::start());
        }
        if let (Some(returned), Some(started), State::Exiting(_)) = (self.returned, &mut self.started, after) {
            // What its delivery took is not taken from the time that it has to exit.
            started.deadline = started.deadline.plus(returned.elapsed());
        }
        if matches!(after, State::Exiting(_)) {
            self.left = Some(Stopwatch::start());
        }
        if let (None, Some(_), Some(started)) = (before.verdict(), after.verdict(), self.started) {
            // The job's own account is the better one: what it says may wait here to be read.
            let took = self.took.map_or_else(|| started.stopwatch.elapsed(), |took| took.min(self.begun.elapsed()));
            self.duration = match after.verdict() {
                // A result counts that came within the moment in which the limit is acted on.
                Some(Verdict::Completed) => took.min(self.spec.limit),
                // The job's process starts its stopwatch a moment after its limit has begun.
                Some(Verdict::Timeout) => took.max(self.spec.limit),
                _ => took,
            };
        }
        self.deadline = self.limit();
    }

    /// Asks the job to end: it has its grace period from here.
    fn tell_to_end(&mut self) {
        self.observations.asked = true;
        self.stream.send(Arc::new(frame::header(self.mark, FrameKind::Stop, 0).to_vec()));
        if self.spec.options.terminate == Some(Terminate::Signal) {
            self.warden.request_terminate();
        }
        let grace = self.spec.grace();
        if let (State::Terminating(why), Some(started)) = (self.state, &mut self.started) {
            // A deadline that was acted on late takes nothing off the grace period's end.
            started.deadline = match why {
                StopReason::Timeout => started.deadline.plus(grace),
                StopReason::TotalTimeout | StopReason::Cancelled => Deadline::after(grace),
            };
            self.post(JobUpdate::Terminating(why));
        }
    }

    /// Returns the limit of the state that has just been entered.
    fn limit(&self) -> Deadline {
        // A job that was not called has what is left of the time for its start.
        let job = self.started.map_or(self.deadline, |started| started.deadline);
        match self.state {
            State::Starting => self.deadline,
            State::Running | State::StreamClosed | State::Terminating(_) => job,
            State::Delivering(_) => Deadline::after(self.spec.delivery_limit),
            State::Exiting(_) => job.later(Deadline::after(LEAVE_LEAST)).earlier(Deadline::after(LEAVE_LIMIT)),
            State::Killing(_) => Deadline::after(KILL_LIMIT),
            State::Reaping(_) | State::KillingWarden(_) => Deadline::after(REAP_LIMIT),
            State::Searching(_) => Deadline::after(SEARCH_LIMIT),
            State::Draining(_) => Deadline::after(DRAIN_LIMIT),
            State::Done(_) => Deadline::after(Duration::MAX),
        }
    }

    /// Tells what came of it, and gives the warden back.
    pub(super) fn conclude(mut self, pool: &mut WardenPool) -> RunReport {
        let (mut stderr_tail, captured) = self.output.finish();
        let last_words = self.warden.worker.stderr().finish(0);
        if stderr_tail.is_empty() {
            stderr_tail = last_words;
        }
        let unsent = self.warden.worker.unsent().or(self.stream.unsent());
        self.observations.unsent = unsent.map(io::Error::to_string);
        self.observations.out_of_memory =
            self.observations.was_killed() && pool.memory().has_seen_more_than(&self.memory_kills);
        let (usage, sweep, swept_by) = self.observations.witnessed();
        // What has escaped it once would be taken for the next job's.
        let is_fit = !self.observations.forced && matches!(sweep, Sweep::Clean | Sweep::Killed(_));
        pool.release(self.warden, is_fit);
        // A run is concluded once it is done, and a run that is done has its verdict.
        let verdict = self.state.verdict().unwrap_or(Verdict::WardenLost);
        let limits = Limits {
            job: self.spec.limit,
            list: self.spec.list_limit,
            grace: self.spec.grace(),
            start: self.spec.start_limit,
            delivery: self.spec.delivery_limit,
            process: self.spec.options.limits,
        };
        let exit_failure = self.observations.exit_failure(limits.process, &stderr_tail).map(Box::new);
        let mut panics = self.observations.panics.clone();
        let (outcome, late) = self.observations.conclude(verdict, limits, &stderr_tail);
        remove_the_cause(&mut panics, &outcome, late.as_ref());
        let went_well = matches!(outcome, Outcome::Ok(_)) && exit_failure.is_none();
        let stderr_tail = if went_well { String::new() } else { stderr_tail };
        RunReport {
            outcome,
            late,
            started_at: self.started.map(|started| started.at),
            duration: self.duration,
            usage,
            sweep,
            swept_by: Some(swept_by),
            stderr_tail,
            exit_failure,
            panics: panics.into_boxed_slice(),
            captured,
            attempts: Box::default(),
            checkpoint: self.spec.checkpoint,
        }
    }
}
