//! `JobRun`: one attempt at a job. It turns what arrives into events of the state machine, and carries its actions out.

mod extension;
mod finish;
mod output;
mod receive;
mod start;
mod stop;

use std::io;
use std::mem;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::activity::ActivityWatch;
use super::diagnosis::Observations;
use super::job_spec::JobSpec;
use super::state_machine::{Action, Event, RunState, StopReason, Verdict};
use super::updates::{LatestUpdates, RunUpdates};
use super::warden_handle::{REAP_LIMIT, WardenHandle};
use super::warden_pool::{Fitness, WardenPool};
use crate::clock::{self, Deadline, Stopwatch};
use crate::outcome::ProcessSnapshot;
use crate::process::{
    self, CAPTURE_LIMIT, ChildPid, DataStream, Interest, JobOutput, OomKills, Readiness, Search, TempDir,
};
use crate::wire::frame::{self, FrameReader, StreamMark};

/// How long a job's process may take to exit after its outcome has arrived, within its own deadline.
const EXIT_LIMIT: Duration = Duration::from_secs(2);
/// How long it may take at least, even if that deadline is closer.
const MIN_EXIT_LIMIT: Duration = Duration::from_millis(10);
/// How long the warden may take to kill and sweep: longer than its own limit.
const KILL_LIMIT: Duration = Duration::from_secs(3);
/// How long the search for the leftovers of a lost warden's job may take.
const SEARCH_LIMIT: Duration = Duration::from_secs(2);
/// The time between two rounds of the search.
const SEARCH_INTERVAL: Duration = Duration::from_millis(2);
/// How long the reader of our own standard streams may take to accept the last output of the job.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);
/// How many reads precede acting on a deadline, so that a complete outcome isn't missed.
const FINAL_READS: usize = 4;
/// The largest delay between a deadline and its enforcement, unless this process was stopped or starved.
const LATE_TOLERANCE: Duration = Duration::from_millis(50);
/// How many reads empty a full stream whose job has died, or is about to.
const DRAINING_READS: usize = 64;
/// How many steps of passing output on are taken at a time, so that endless output doesn't hold up other jobs.
const RELAY_STEPS: usize = 64;

/// One attempt at a job, with its process, streams and state.
#[derive(Debug)]
pub(crate) struct JobRun {
    stream: DataStream,
    /// The job's output that this process passes on or keeps, if its options ask for that.
    output: JobOutput,
    warden: WardenHandle,
    /// The job's private folder. It is removed while the output drains, after the sweep.
    temp_dir: Option<TempDir>,
    mark: StreamMark,
    frames: FrameReader,
    spec: JobSpec,
    /// The process was started before the job's turn.
    pub(super) is_prespawned: bool,
    /// The warden was there before, and may have exited before it received the request.
    was_kept: bool,
    state: RunState,
    deadline: Deadline,
    /// The end of the time until the function is called.
    start_deadline: Deadline,
    /// The function's limit, which the job may have extended.
    timeout: Duration,
    activity: ActivityWatch,
    since_call: Stopwatch,
    started: Option<CallStart>,
    /// How long the function took, as reported by its process or its warden.
    function_time: Option<Duration>,
    since_return: Option<Stopwatch>,
    since_outcome: Option<Stopwatch>,
    duration: Duration,
    /// When that time ended, by the wall clock.
    ended_at: Option<SystemTime>,
    oom_kills: OomKills,
    observations: Observations,
    search: Option<Search>,
    capture: CaptureStep,
    /// Where the processes of the job were.
    stacks: Arc<[ProcessSnapshot]>,
    updates: RunUpdates,
    /// The questions that were not passed on, each with the number of its request.
    questions: Vec<(u64, Vec<u8>)>,
    /// The questions that have no answer yet: the numbers of their requests, and their bytes.
    unanswered: Vec<(u64, usize)>,
}

/// Whether the processes of the job are captured.
#[derive(Clone, Copy, Debug)]
enum CaptureStep {
    /// They aren't.
    Unwanted,
    /// They will be, when the job is stopped.
    Wanted,
    /// The warden was asked to, at this time.
    Requested(Stopwatch),
}

/// The start of the function.
#[derive(Clone, Copy, Debug)]
struct CallStart {
    stopwatch: Stopwatch,
    /// By the wall clock.
    at: SystemTime,
    deadline: Deadline,
}

impl JobRun {
    /// Makes a warden start the job's process, which then waits for its arguments.
    pub(super) fn spawn(spec: JobSpec, mut warden: WardenHandle, pool: &mut WardenPool) -> io::Result<Self> {
        let opened = spec.create_temp_dir().and_then(|temp_dir| {
            let (output, stdio) = JobOutput::open(pool.default_output(), &spec.id, &spec.options)?;
            Ok((temp_dir, output, stdio))
        });
        let (temp_dir, mut output, stdio) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                pool.release(warden, Fitness::Reusable);
                return Err(error);
            }
        };
        output::observe_lines(&spec, &mut output, &stdio, &mut warden);
        let was_kept = warden.was_kept();
        let is_prespawned = mem::take(&mut warden.has_standby);
        let mut request = spec.request(&stdio, temp_dir.as_ref(), &mut warden, pool.variables());
        let stream = match warden.worker.assign(&mut request, &stdio) {
            Ok(stream) => stream,
            Err(error) => {
                pool.dismiss(warden);
                return Err(error);
            }
        };
        let capture = if spec.wants_stacks() { CaptureStep::Wanted } else { CaptureStep::Unwanted };
        Ok(Self {
            stream,
            output,
            warden,
            mark: request.mark,
            frames: FrameReader::new(request.mark, frame::LIMIT),
            temp_dir,
            deadline: Deadline::NEVER,
            start_deadline: Deadline::NEVER,
            timeout: spec.timeout,
            activity: ActivityWatch::new(spec.options.time_limits),
            spec,
            is_prespawned,
            was_kept,
            state: RunState::Starting,
            since_call: Stopwatch::start(),
            started: None,
            function_time: None,
            since_return: None,
            since_outcome: None,
            duration: Duration::ZERO,
            ended_at: None,
            oom_kills: OomKills::default(),
            observations: Observations::default(),
            search: None,
            capture,
            stacks: Arc::default(),
            updates: RunUpdates::default(),
            questions: Vec::new(),
            unanswered: Vec::new(),
        })
    }

    /// Discards a run whose function has not been called.
    pub(super) fn discard(self, pool: &mut WardenPool) {
        pool.dismiss(self.warden);
    }

    pub(super) fn has_started(&self) -> bool {
        self.started.is_some()
    }

    /// Returns when the function was called, by the wall clock, once it was.
    pub(super) fn started_at(&self) -> Option<SystemTime> {
        self.started.map(|started| started.at)
    }

    /// Returns the id of the job's process, once it is known.
    pub(super) fn process(&self) -> Option<u32> {
        self.observations.hello.as_ref().map(|hello| hello.job)
    }

    /// Returns whether the start of another process no longer delays this one.
    pub(super) fn is_up(&self) -> bool {
        self.state != RunState::Starting || self.is_prespawned
    }

    /// Returns what to wait for.
    pub(super) fn interests(&self) -> Interest<'_> {
        let (worker, stream) = (&self.warden.worker, &self.stream);
        let interests = match self.state {
            RunState::Starting => Interest::starting(worker, stream),
            RunState::Running
            | RunState::StreamClosed
            | RunState::Capturing(_)
            | RunState::Terminating(_)
            | RunState::Delivering(_) => Interest::running(worker, stream),
            _ => Interest::report(worker),
        };
        interests.with_output(&self.output)
    }

    /// Returns the time at which [`advance`](Self::advance) is due, even if nothing is ready.
    pub(super) fn deadline(&self) -> Deadline {
        match self.state {
            RunState::Searching(_) => self.deadline.earlier(Deadline::after(SEARCH_INTERVAL)),
            RunState::Draining(_) if self.is_removing() => Deadline::now(),
            _ => self.limit(),
        }
    }

    /// Returns whether a part of the job's private folder is still to be removed.
    fn is_removing(&self) -> bool {
        self.temp_dir.as_ref().is_some_and(TempDir::is_being_removed)
    }

    /// Returns the earliest limit of the state.
    fn limit(&self) -> Deadline {
        if self.is_running() { self.deadline.earlier(self.activity.deadline()) } else { self.deadline }
    }

    /// Returns whether the function is running and was not asked to stop.
    fn is_running(&self) -> bool {
        matches!(self.state, RunState::Running | RunState::StreamClosed)
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, RunState::Done(_))
    }

    /// Reads what has arrived: an outcome that is complete by now counts, and so does an exit.
    fn read_pending(&mut self) {
        self.read_data(FINAL_READS);
        self.read_control();
    }

    /// Writes the last checkpoint to the journal, if there is a new one, and then lets it be reported. Returns `Break` if no further
    /// job may start as that failed.
    pub(super) fn write_checkpoint(&mut self) -> ControlFlow<()> {
        self.updates.write_checkpoint(self.spec.journal.as_ref())
    }

    /// Returns the updates, if there are some that no event has announced.
    pub(super) fn take_updates(&mut self) -> Option<LatestUpdates> {
        self.updates.take()
    }

    /// Handles what is ready, and the deadline if it has passed.
    pub(super) fn advance(&mut self, ready: Readiness) {
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
            // Its stream has ended with it. If a request could not be sent, that end was not waited for.
            self.read_control();
            // The last checkpoint of a lost warden's job is still in the stream.
            self.read_data(DRAINING_READS);
            self.handle_event(Event::WardenReaped);
        }
        if matches!(self.state, RunState::Searching(_)) {
            self.search();
        }
        if matches!(self.state, RunState::Draining(_)) {
            // All output of the job is in the pipe by now.
            let is_empty = (0..RELAY_STEPS).any(|_| !self.relay());
            let is_removed = self.temp_dir.as_mut().is_none_or(TempDir::remove_some);
            if is_removed && is_empty && self.complete_output() {
                self.handle_event(Event::Drained);
            }
        }
        if self.limit().is_past() {
            // An outcome that is complete by now, or an exit, wins over the deadline. After the application was stopped,
            // there may be much to read.
            self.read_data(if self.limit().plus(LATE_TOLERANCE).is_past() { DRAINING_READS } else { FINAL_READS });
            self.read_control();
        }
        if self.is_running() {
            self.check_activity();
        }
        if self.deadline.is_past() && self.state == RunState::Starting && !self.start_deadline.is_past() {
            // The limit of a kept warden, which is to have made the process by now.
            self.deadline = self.start_deadline;
            if self.awaits_warden() {
                self.handle_event(Event::Unanswered);
            }
        } else if self.deadline.is_past() && !self.is_done() && !self.is_removing() {
            let is_starting = self.state == RunState::Starting;
            self.observations.start_expired |= is_starting;
            if matches!(self.state, RunState::Exiting(_)) {
                self.observations.lingered = self.since_outcome.map(Stopwatch::elapsed);
            }
            let can_be_asked = self.is_running() && !self.spec.grace().is_zero();
            self.handle_event(match can_be_asked {
                true => self.terminate_event(StopReason::Timeout),
                false if is_starting && self.warden.never_answered() => Event::Unanswered,
                false => Event::Deadline,
            });
        }
    }

    /// Makes one round of the search for the leftovers of a lost warden's job.
    fn search(&mut self) {
        let job = self.observations.hello.as_ref().and_then(|hello| ChildPid::new(hello.job.cast_signed()));
        let search =
            self.search.get_or_insert_with(|| Search::new(self.warden.run_marker.clone(), job, self.spec.orphans));
        // What was killed in it may take a moment to exit.
        let cgroup = self.spec.cgroups.as_ref().map(|home| home.group(&self.warden.run_marker));
        let is_gone = cgroup.as_ref().is_none_or(process::clean_up_cgroup);
        let is_over = search.scan(self.deadline) && is_gone;
        self.observations.search_killed = search.killed();
        if is_over {
            self.handle_event(Event::SearchDone);
        }
    }

    fn handle_event(&mut self, event: Event) {
        let before = self.state;
        let (after, action) = before.step(event);
        self.state = after;
        match action {
            // The reply to a request for more time is sent where that is handled.
            Action::Nothing | Action::Extend => {}
            Action::Capture => {
                self.capture = CaptureStep::Requested(Stopwatch::start());
                self.warden.worker.request_capture();
            }
            Action::Terminate => self.send_stop(),
            Action::Kill => self.request_kill(),
            Action::KillWarden => {
                self.observations.warden_killed = true;
                self.warden.worker.kill();
            }
        }
        if before == after {
            return;
        }
        if matches!(after, RunState::Delivering(_)) {
            self.since_return = Some(Stopwatch::start());
        }
        if let (Some(since_return), Some(started), RunState::Exiting(_)) = (self.since_return, &mut self.started, after)
        {
            // The delivery doesn't shorten the time that it has to exit.
            started.deadline = started.deadline.plus(since_return.elapsed());
        }
        if matches!(after, RunState::Exiting(_)) {
            self.since_outcome = Some(Stopwatch::start());
        }
        if let (None, Some(_), Some(started)) = (before.verdict(), after.verdict(), self.started) {
            // The time that the job measured is more exact: its message may have waited here to be read.
            let took = self
                .function_time
                .map_or_else(|| started.stopwatch.elapsed(), |took| took.min(self.since_call.elapsed()));
            self.ended_at = Some(clock::wall());
            self.duration = match after.verdict() {
                // A result that arrives just before the limit is enforced counts, and is not reported as over the limit.
                Some(Verdict::Completed) => took.min(self.timeout),
                // The job's stopwatch starts a moment after its limit.
                Some(Verdict::Timeout) => took.max(self.timeout),
                _ => took,
            };
        }
        self.deadline = self.state_deadline();
    }

    /// Returns the deadline of the state that has just been entered.
    fn state_deadline(&self) -> Deadline {
        // A job that was not called has the rest of its time to start.
        let job = self.started.map_or(self.deadline, |started| started.deadline);
        match self.state {
            RunState::Starting => self.deadline,
            RunState::Running | RunState::StreamClosed | RunState::Terminating(_) => job,
            RunState::Capturing(_) => Deadline::after(CAPTURE_LIMIT),
            RunState::Delivering(_) => Deadline::after(self.spec.delivery_timeout),
            RunState::Exiting(_) => job.later(Deadline::after(MIN_EXIT_LIMIT)).earlier(Deadline::after(EXIT_LIMIT)),
            RunState::Killing(_) if matches!(self.capture, CaptureStep::Requested(_)) => {
                Deadline::after(KILL_LIMIT + CAPTURE_LIMIT)
            }
            RunState::Killing(_) => Deadline::after(KILL_LIMIT),
            RunState::Reaping(_) | RunState::KillingWarden(_) => Deadline::after(REAP_LIMIT),
            RunState::Searching(_) => Deadline::after(SEARCH_LIMIT),
            RunState::Draining(_) => Deadline::after(DRAIN_LIMIT),
            RunState::Done(_) => Deadline::NEVER,
        }
    }
}
