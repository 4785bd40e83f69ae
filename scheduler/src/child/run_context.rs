//! `RunContext`: the run of this process, in a job's process.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::cancellation::CancelSource;
use super::frame_sender::FrameSender;
use super::throttle::Throttle;
use crate::checkpoint::Checkpoint;
use crate::clock::{Deadline, Stopwatch};
use crate::process::{Milestone, MilestoneTimes};
use crate::registry;
use crate::wire::frame::FrameKind;
use crate::wire::message::{Hello, Request};
use crate::wire::value::Encoding;

static CONTEXT: OnceLock<RunContext> = OnceLock::new();

/// The run of this process: a process has at most one.
#[derive(Debug)]
pub(crate) struct RunContext {
    id: String,
    attempt: u32,
    timeout: Option<Duration>,
    /// Set when the function is called.
    deadline: OnceLock<Deadline>,
    /// Started when the function is called.
    stopwatch: OnceLock<Stopwatch>,
    /// Whether the function has returned or panicked.
    has_returned: AtomicBool,
    /// The checkpoint of an earlier attempt.
    checkpoint: Option<Checkpoint>,
    /// The encoding of the job's values.
    encoding: Encoding,
    sender: Arc<FrameSender>,
    throttle: Throttle,
    cancel_source: CancelSource,
    milestones: MilestoneTimes,
}

/// The kind of this process.
#[derive(Debug)]
pub(crate) enum ProcessKind {
    /// The job's process.
    Job(&'static RunContext),
    /// A fork of the job's process.
    ForkOfJob,
    /// A process without a run.
    Other,
}

impl RunContext {
    /// Sets the run of this process.
    pub(super) fn init(
        request: &Request,
        checkpoint: Option<Checkpoint>,
        sender: Arc<FrameSender>,
        cancel_source: CancelSource,
        milestones: MilestoneTimes,
    ) -> &'static Self {
        CONTEXT.get_or_init(|| Self {
            id: request.id.clone(),
            attempt: request.attempt,
            timeout: request.timeout,
            deadline: OnceLock::new(),
            stopwatch: OnceLock::new(),
            has_returned: AtomicBool::new(false),
            checkpoint,
            encoding: registry::find_exact(&request.job).map_or_else(Encoding::default, |job| job.codec().encoding()),
            sender,
            throttle: Throttle::default(),
            cancel_source,
            milestones,
        })
    }

    /// Returns the kind of this process.
    pub(crate) fn process_kind() -> ProcessKind {
        match CONTEXT.get() {
            Some(context) if context.sender.is_own_process() => ProcessKind::Job(context),
            Some(_) => ProcessKind::ForkOfJob,
            None => ProcessKind::Other,
        }
    }

    /// Returns the run of this process, if it has one. A fork of the job's process has none.
    pub(crate) fn current() -> Option<&'static Self> {
        if let ProcessKind::Job(context) = Self::process_kind() { Some(context) } else { None }
    }

    /// Starts the function's time and reports that the function is called.
    pub(super) fn mark_called(&self) -> io::Result<()> {
        // Set before the report, so that a job that is asked to stop finds its deadline passed.
        self.deadline.get_or_init(|| Deadline::after(self.timeout.unwrap_or(Duration::MAX)));
        self.milestones.record(Milestone::Called);
        let sent = self.sender.send_encoded(FrameKind::Started, &Hello { job: self.sender.job });
        self.stopwatch.get_or_init(Stopwatch::start);
        sent
    }

    /// Stops the function's time, once, and reports it: the function has returned or panicked.
    pub(super) fn mark_returned(&self) {
        let Some(elapsed) = self.stopwatch.get().map(|stopwatch| stopwatch.elapsed()) else {
            return;
        };
        if !self.has_returned.swap(true, Ordering::Relaxed) {
            self.milestones.record(Milestone::Returned);
            // If the parent is gone, the outcome has nowhere to go either.
            let _ = self.sender.send_encoded(FrameKind::Elapsed, &elapsed);
        }
    }

    /// Notes a milestone, from which the warden's own deadline counts if the parent is stopped.
    pub(super) fn reach(&self, milestone: Milestone) {
        self.milestones.record(milestone);
    }

    /// Notes that this process crashes. The handler of a signal may call it.
    pub(super) fn report_crash() {
        if let Some(context) = CONTEXT.get() {
            context.milestones.record_crash();
        }
    }

    /// Returns the caller's id of the run.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Returns the number of the attempt, from 1.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns the function's deadline; before the function is called there is none.
    pub(crate) fn deadline(&self) -> Deadline {
        self.deadline.get().copied().unwrap_or(Deadline::NEVER)
    }

    /// Returns the checkpoint of an earlier attempt.
    pub(crate) fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref()
    }

    /// Returns the encoding of the job's values.
    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Sends an encoded checkpoint.
    pub(crate) fn save(&self, encoded: &[u8]) -> io::Result<()> {
        self.sender.send(FrameKind::Checkpoint, encoded)
    }

    /// Reports the progress.
    pub(crate) fn progress(&self, done: u64, total: u64) {
        self.throttle.progress(&self.sender, done, total);
    }

    /// Reports a status message.
    pub(crate) fn message(&self, text: &str) {
        self.throttle.message(&self.sender, text);
    }

    /// Sends the progress and the message that were held back.
    pub(super) fn flush(&self) {
        self.throttle.flush(&self.sender);
    }

    /// Returns the receiver of the stop command.
    pub(crate) fn cancel_source(&self) -> &CancelSource {
        &self.cancel_source
    }
}
