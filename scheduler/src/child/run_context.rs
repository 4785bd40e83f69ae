//! `RunContext`: what a job's process knows of the run that it is there for.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::cancellation::CancelSource;
use super::frame_sender::FrameSender;
use super::throttle::Throttle;
use crate::checkpoint::Checkpoint;
use crate::clock::{Deadline, Stopwatch};
use crate::process::{Milestone, Milestones};
use crate::registry;
use crate::wire::frame::FrameKind;
use crate::wire::message::{Hello, Request};
use crate::wire::value::Encoding;

static CONTEXT: OnceLock<RunContext> = OnceLock::new();

/// The run that this process is there for: there is one in the life of a process.
#[derive(Debug)]
pub(crate) struct RunContext {
    id: String,
    attempt: u32,
    timeout: Option<Duration>,
    /// Known once the function is called.
    deadline: OnceLock<Deadline>,
    /// Runs once the function is called.
    stopwatch: OnceLock<Stopwatch>,
    /// The time of the function is over.
    has_returned: AtomicBool,
    /// What an earlier attempt has saved.
    checkpoint: Option<Checkpoint>,
    /// How values of the job are encoded.
    encoding: Encoding,
    sender: Arc<FrameSender>,
    throttle: Throttle,
    cancel_source: CancelSource,
    milestones: Milestones,
}

/// What of a run this process can be in.
#[derive(Debug)]
pub(crate) enum ProcessKind {
    /// The job's process.
    Job(&'static RunContext),
    /// A copy that the job has forked.
    ForkOfJob,
    /// A process that has no run.
    Other,
}

impl RunContext {
    /// Makes this process one that has a run.
    pub(super) fn init(
        request: &Request,
        checkpoint: Option<Checkpoint>,
        sender: Arc<FrameSender>,
        cancel_source: CancelSource,
        milestones: Milestones,
    ) -> &'static Self {
        CONTEXT.get_or_init(|| Self {
            id: request.id.clone(),
            attempt: request.attempt,
            timeout: request.timeout,
            deadline: OnceLock::new(),
            stopwatch: OnceLock::new(),
            has_returned: AtomicBool::new(false),
            checkpoint,
            encoding: registry::find_exact(&request.job).map_or_else(Encoding::default, |job| job.output().encoding()),
            sender,
            throttle: Throttle::default(),
            cancel_source,
            milestones,
        })
    }

    /// Says where this process is.
    pub(crate) fn process_kind() -> ProcessKind {
        match CONTEXT.get() {
            Some(context) if context.sender.is_own_process() => ProcessKind::Job(context),
            Some(_) => ProcessKind::ForkOfJob,
            None => ProcessKind::Other,
        }
    }

    /// Returns the run of this process, if it has one. A copy that the job has forked has none.
    pub(crate) fn current() -> Option<&'static Self> {
        if let ProcessKind::Job(context) = Self::process_kind() { Some(context) } else { None }
    }

    /// Tells that the function is called now.
    pub(super) fn mark_called(&self) -> io::Result<()> {
        // Before it is told, so that whoever is asked to end finds that its time is over.
        self.deadline.get_or_init(|| Deadline::after(self.timeout.unwrap_or(Duration::MAX)));
        self.milestones.reach(Milestone::Called);
        let told = self.sender.send_encoded(FrameKind::Started, &Hello { job: self.sender.job });
        self.stopwatch.get_or_init(Stopwatch::start);
        told
    }

    /// Ends the function's time, once: it has returned, or a panic ends it.
    pub(super) fn mark_returned(&self) {
        let Some(took) = self.stopwatch.get().map(|stopwatch| stopwatch.elapsed()) else {
            return;
        };
        if !self.has_returned.swap(true, Ordering::Relaxed) {
            self.milestones.reach(Milestone::Returned);
            // If the parent is gone, the outcome has nowhere to go either.
            let _ = self.sender.send_encoded(FrameKind::Elapsed, &took);
        }
    }

    /// Has the deadlines hold that hold from there on, should the parent be stopped.
    pub(super) fn reach(&self, milestone: Milestone) {
        self.milestones.reach(milestone);
    }

    /// Returns what the caller calls the run.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Returns which attempt it is, from 1.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns when its time is over; never before the function is called.
    pub(crate) fn deadline(&self) -> Deadline {
        self.deadline.get().copied().unwrap_or_else(|| Deadline::after(Duration::MAX))
    }

    /// Returns what an earlier attempt has saved.
    pub(crate) fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref()
    }

    /// Returns how values of the job are encoded.
    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Saves what a checkpoint is sent as.
    pub(crate) fn save(&self, encoded: &[u8]) -> io::Result<()> {
        self.sender.send(FrameKind::Checkpoint, encoded)
    }

    /// Tells how much is done, of how much.
    pub(crate) fn progress(&self, done: u64, total: u64) {
        self.throttle.progress(&self.sender, done, total);
    }

    /// Tells what the job is at.
    pub(crate) fn message(&self, text: &str) {
        self.throttle.message(&self.sender, text);
    }

    /// Tells what was held back, lest there was too much of it.
    pub(super) fn flush(&self) {
        self.throttle.flush(&self.sender);
    }

    /// Returns what hears that the job is asked to end.
    pub(crate) fn cancel_source(&self) -> &CancelSource {
        &self.cancel_source
    }
}
