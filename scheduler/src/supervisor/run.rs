//! One run: what [`step`](super::step) decides, carried out on a real process.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::certificate::{Answer, Evidence, Limits};
use super::step::{Action, Event, State, Verdict};
use crate::child;
use crate::clock::{Deadline, Stopwatch};
use crate::evidence::{Sweep, Usage};
use crate::failure::Failure;
use crate::launcher::Launcher;
use crate::outcome::Outcome;
use crate::process::{COOKIE, ChildPid, Cookie, Orphans, Ready, Search, Worker};
use crate::registry::Entry;
use crate::wire::codec;
use crate::wire::frame::{self, Frame, FrameError, FrameReader, Kind, Mark, Progress};
use crate::wire::message::Request;

/// How long a job's process may take to exit once its outcome is there, if its own deadline leaves it that.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);
/// What it gets at the least.
const LEAVE_LEAST: Duration = Duration::from_millis(10);
/// How long the warden may take to kill and sweep; longer than it allows itself.
const KILL_LIMIT: Duration = Duration::from_secs(3);
/// How long the warden's own process may take to end, told to or killed.
const REAP_LIMIT: Duration = Duration::from_secs(1);
/// How long the search for what a lost warden's job has left may take.
const SEARCH_LIMIT: Duration = Duration::from_secs(2);
/// How long the search waits until it looks again.
const ROUND: Duration = Duration::from_millis(2);
/// How long whoever reads our standard error may take for the last that the job wrote there.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);
/// How much a test harness, or whatever comes before `init()`, may print before the first frame.
const NOISE_LIMIT: usize = 1 << 20;
/// How many steps of reading the deadline waits for, lest a complete outcome is missed.
const LAST_LOOK: usize = 4;

/// What is to be run.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) entry: &'static Entry,
    pub(crate) arguments: Arc<[u8]>,
    /// How long the function may run.
    pub(crate) limit: Duration,
    /// How long it may take until the function is called.
    pub(crate) start_limit: Duration,
    /// Where orphans go, should the warden be lost.
    pub(crate) orphans: Orphans,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) outcome: Outcome<Vec<u8>>,
    pub(crate) duration: Duration,
    pub(crate) usage: Usage,
    pub(crate) sweep: Sweep,
    pub(crate) stderr_tail: String,
}

/// A run that is under way.
#[derive(Debug)]
pub(crate) struct Run {
    pub(super) worker: Worker,
    mark: Mark,
    control: FrameReader,
    data: FrameReader,
    order: Order,
    state: State,
    deadline: Deadline,
    started: Option<Started>,
    duration: Duration,
    evidence: Evidence,
    cookie: Cookie,
    search: Option<Search>,
}

#[derive(Clone, Copy, Debug)]
struct Started {
    stopwatch: Stopwatch,
    deadline: Deadline,
}

impl Run {
    /// Starts a warden and sends it the order.
    pub(super) fn start(order: Order, launcher: Launcher) -> io::Result<Self> {
        let mark = Mark::from_bytes(random());
        let cookie = Cookie::new(random());
        let mut command = launcher.command(child::WARDEN);
        let mut worker = Worker::spawn(command.env(COOKIE, cookie.value()))?;
        let request = Request { job: order.entry.name().to_owned(), signature: order.entry.signature() };
        let request = codec::encode(&request).expect("text and numbers always encode");
        let mut head = frame::header(mark, Kind::Request, request.len()).to_vec();
        head.extend(request);
        head.extend(frame::header(mark, Kind::Arguments, order.arguments.len()));
        worker.send(Arc::from(head));
        if !order.arguments.is_empty() {
            worker.send(Arc::clone(&order.arguments));
        }
        Ok(Self {
            worker,
            mark,
            control: FrameReader::new(mark, frame::LIMIT),
            data: FrameReader::new(mark, frame::LIMIT).skipping_noise(NOISE_LIMIT),
            deadline: Deadline::after(order.start_limit),
            order,
            state: State::Starting,
            started: None,
            duration: Duration::ZERO,
            evidence: Evidence::default(),
            cookie,
            search: None,
        })
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

    /// Takes what is ready, and acts on the deadline if it has passed.
    pub(super) fn advance(&mut self, ready: Ready) {
        if ready.stderr {
            self.worker.relay_stderr();
        }
        if ready.data {
            self.read_data(1);
        }
        if ready.control {
            self.read_control();
        }
        if ready.exited && self.worker.reap() {
            self.feed(if self.evidence.report.is_some() { Event::Reaped } else { Event::Lost });
        }
        if matches!(self.state, State::Searching(_)) {
            self.search();
        }
        if matches!(self.state, State::Draining(_)) {
            // All that the job wrote is in the pipe by now.
            while self.worker.relay_stderr() {}
            if self.worker.stderr_is_through() {
                self.feed(Event::Drained);
            }
        }
        if self.deadline.is_past() {
            // An outcome that is complete by now wins over the deadline that is about to be acted on.
            self.read_data(LAST_LOOK);
        }
        if self.deadline.is_past() && !self.is_done() {
            self.evidence.start_expired |= self.state == State::Starting;
            self.feed(Event::Limit);
        }
    }

    /// Looks once for what the job of a lost warden has left.
    fn search(&mut self) {
        let job = self.evidence.hello.as_ref().and_then(|hello| ChildPid::new(hello.job.cast_signed()));
        let search = self.search.get_or_insert_with(|| Search::new(self.cookie.clone(), job, self.order.orphans));
        let is_over = search.round();
        self.evidence.found = search.killed();
        if is_over {
            self.feed(Event::Found);
        }
    }

    /// Reads what the job says, in up to so many steps that give no frame.
    fn read_data(&mut self, mut steps: usize) {
        while steps > 0 {
            match self.worker.read_data(&mut self.data) {
                Ok(Progress::Frame(frame)) => {
                    self.take_data(frame);
                    // What has been read already must not wait for more to come.
                    steps -= usize::from(!self.data.has_buffered());
                }
                Ok(Progress::Partial) => steps -= 1,
                Ok(Progress::WouldBlock) => return,
                // Also in the middle of a frame: how the job died, the warden will say.
                Ok(Progress::End) | Err(FrameError::Truncated) => return self.feed(Event::DataEnd),
                Err(error) => return self.broken(format!("on the job's stream: {error}")),
            }
        }
    }

    fn take_data(&mut self, Frame { kind, payload }: Frame) {
        if self.state.verdict().is_some() {
            // It came too late to count.
            return;
        }
        match kind {
            Kind::Started => {
                // The job may be quicker than its warden, and may have killed it before that could say so.
                if let Ok(hello) = codec::decode(&payload) {
                    self.evidence.hello.get_or_insert(hello);
                }
                self.started =
                    Some(Started { stopwatch: Stopwatch::start(), deadline: Deadline::after(self.order.limit) });
                self.feed(Event::Started);
            }
            Kind::Refused => {
                self.evidence.refusal = Some(String::from_utf8_lossy(&payload).into_owned());
                self.feed(Event::Refused);
            }
            Kind::Panicking => match codec::decode(&payload) {
                Ok(panic) => self.evidence.panic = Some(panic),
                Err(error) => self.broken(format!("on the job's stream: a panic can't be read: {error}")),
            },
            Kind::Value => {
                self.evidence.answer = Some(Answer::Value(payload));
                self.feed(Event::Outcome);
            }
            Kind::Failed => match codec::decode(&payload) {
                Ok(report) => {
                    self.evidence.answer = Some(Answer::Failed(report));
                    self.feed(Event::Outcome);
                }
                Err(error) => self.broken(format!("on the job's stream: a failure can't be read: {error}")),
            },
            kind => self.broken(format!("on the job's stream: a frame of kind {kind:?}")),
        }
    }

    fn read_control(&mut self) {
        loop {
            match self.worker.read_control(&mut self.control) {
                Ok(Progress::Frame(frame)) => self.take_control(frame),
                Ok(Progress::Partial) => {}
                Ok(Progress::WouldBlock) => return,
                Ok(Progress::End) | Err(_) => {
                    // The warden is lost. What the job wrote by then is in the pipe, and counts.
                    self.read_data(LAST_LOOK);
                    return self.feed(Event::ControlEnd);
                }
            }
        }
    }

    fn take_control(&mut self, Frame { kind, payload }: Frame) {
        match kind {
            Kind::Hello => self.evidence.hello = codec::decode(&payload).ok(),
            Kind::Refused => {
                self.evidence.refusal = Some(String::from_utf8_lossy(&payload).into_owned());
                self.feed(Event::Refused);
            }
            Kind::Exit => {
                self.evidence.report = codec::decode(&payload).ok();
                // The job wrote what it wrote before it died: all of that is in the pipe, and counts.
                self.read_data(usize::MAX);
                self.feed(Event::Exit);
            }
            kind => self.broken(format!("on the warden's stream: a frame of kind {kind:?}")),
        }
    }

    fn broken(&mut self, message: String) {
        self.evidence.broken.get_or_insert(message);
        self.feed(Event::Broken);
    }

    fn feed(&mut self, event: Event) {
        let before = self.state;
        let (after, action) = before.step(event);
        self.state = after;
        match action {
            Action::Nothing => {}
            Action::Kill => self.worker.send(Arc::from(frame::header(self.mark, Kind::Kill, 0))),
            Action::Force => {
                self.evidence.forced = true;
                self.worker.kill();
            }
        }
        if before == after {
            return;
        }
        if let (None, Some(_), Some(started)) = (before.verdict(), after.verdict(), self.started) {
            self.duration = started.stopwatch.elapsed();
        }
        self.deadline = self.limit();
    }

    /// Returns the limit of the state that has just been entered.
    fn limit(&self) -> Deadline {
        // A job that was not called has what is left of the time for its start.
        let job = self.started.map_or(self.deadline, |started| started.deadline);
        match self.state {
            State::Starting => self.deadline,
            State::Running | State::Silent => job,
            State::Leaving(_) => job.later(Deadline::after(LEAVE_LEAST)).earlier(Deadline::after(LEAVE_LIMIT)),
            State::Killing(_) => Deadline::after(KILL_LIMIT),
            State::Reaping(_) | State::Forcing(_) => Deadline::after(REAP_LIMIT),
            State::Searching(_) => Deadline::after(SEARCH_LIMIT),
            State::Draining(_) => Deadline::after(DRAIN_LIMIT),
            State::Done(_) => Deadline::after(Duration::MAX),
        }
    }

    /// Tells what came of it.
    pub(super) fn conclude(mut self) -> Finished {
        let stderr_tail = self.worker.finish_stderr();
        self.evidence.unsent = self.worker.unsent().map(io::Error::to_string);
        let (usage, sweep) = self.evidence.witnessed();
        // A run is concluded once it is done, and a run that is done has its verdict.
        let verdict = self.state.verdict().unwrap_or(Verdict::Orphaned);
        let limits = Limits { job: self.order.limit, start: self.order.start_limit };
        let outcome = self.evidence.certify(verdict, limits, &stderr_tail);
        let stderr_tail = if matches!(outcome, Outcome::Ok(_)) { String::new() } else { stderr_tail };
        Finished { outcome, duration: self.duration, usage, sweep, stderr_tail }
    }
}

impl Finished {
    /// Returns what comes of an order for which no process could be made.
    pub(super) fn without_a_process(error: &io::Error) -> Self {
        let reason = format!("its process could not be made: {error}");
        Self {
            outcome: Outcome::Error(Failure::NeverStarted { reason }),
            duration: Duration::ZERO,
            usage: Usage::default(),
            sweep: Sweep::Clean,
            stderr_tail: String::new(),
        }
    }
}

/// Returns random bytes. What hashes maps against attackers is good enough against accidents.
fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    for half in bytes.chunks_exact_mut(8) {
        half.copy_from_slice(&RandomState::new().build_hasher().finish().to_le_bytes());
    }
    bytes
}
