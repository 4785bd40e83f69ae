//! `RunContext`: the run of this process, in a job's process.

use std::io;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::frame_receiver::FrameReceiver;
use super::frame_sender::FrameSender;
use super::throttle::Throttle;
use crate::checkpoint::Checkpoint;
use crate::clock::{Deadline, Stopwatch};
use crate::process::{Milestone, MilestoneTimes};
use crate::registry;
use crate::sync::lock;
use crate::wire::codec;
use crate::wire::frame::FrameKind;
use crate::wire::message::{ExtensionReply, ExtensionRequest, Hello, QUESTION_LIMIT, Request, read_answer};
use crate::wire::value::Encoding;

/// The current run. A process that serves several calls has one after the other, and none is freed: a thread of the job may
/// have a reference to it.
static CONTEXT: AtomicPtr<RunContext> = AtomicPtr::new(ptr::null_mut());

/// The run of this process.
#[derive(Debug)]
pub(crate) struct RunContext {
    id: String,
    attempt: u32,
    is_first_call: bool,
    temp_dir: Option<PathBuf>,
    /// The moment at which the function is called.
    called: OnceLock<Deadline>,
    /// The function's time limit, with its extensions; `Duration::MAX` for none.
    limit: Mutex<Duration>,
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
    receiver: FrameReceiver,
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
        receiver: FrameReceiver,
        milestones: MilestoneTimes,
        is_first_call: bool,
    ) -> &'static Self {
        let context: *mut Self = Box::leak(Box::new(Self {
            id: request.id.clone(),
            attempt: request.attempt,
            is_first_call,
            temp_dir: request.temp_dir.as_ref().map(PathBuf::from),
            called: OnceLock::new(),
            limit: Mutex::new(request.timeout.unwrap_or(Duration::MAX)),
            stopwatch: OnceLock::new(),
            has_returned: AtomicBool::new(false),
            checkpoint,
            encoding: registry::find_exact(&request.job).map_or_else(Encoding::default, |job| job.codec().encoding()),
            sender,
            throttle: Throttle::default(),
            receiver,
            milestones,
        }));
        CONTEXT.store(context, Ordering::Release);
        Self::latest().expect("it was stored")
    }

    #[expect(unsafe_code, reason = "the handler of a signal can't take a lock")]
    fn latest() -> Option<&'static Self> {
        // SAFETY: It is null, or was leaked.
        unsafe { CONTEXT.load(Ordering::Acquire).as_ref() }
    }

    /// Returns the kind of this process.
    pub(crate) fn process_kind() -> ProcessKind {
        match Self::latest() {
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
        self.called.get_or_init(Deadline::now);
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

    /// Notes that this process crashes by this thread. The handler of a signal may call it.
    pub(super) fn report_crash(thread: u32) {
        if let Some(context) = Self::latest() {
            context.milestones.record_crash(thread);
        }
    }

    /// Waits until this process, which crashes, is captured; or for this time. The handler of a signal may call it.
    pub(super) fn wait_for_capture(limit: Duration) {
        if let Some(context) = Self::latest() {
            context.milestones.wait_for_capture(limit);
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

    /// Returns whether this process has served no other call.
    pub(crate) fn is_first_call(&self) -> bool {
        self.is_first_call
    }

    /// Returns the private folder for temporary files.
    pub(crate) fn temp_dir(&self) -> Option<&Path> {
        self.temp_dir.as_deref()
    }

    /// Returns the function's deadline; before the function is called there is none.
    pub(crate) fn deadline(&self) -> Deadline {
        self.called.get().map_or(Deadline::NEVER, |called| called.plus(*lock(&self.limit)))
    }

    /// Asks the parent for more time, and waits for its reply. Returns whether it is granted.
    pub(crate) fn extend(&'static self, by: Duration) -> bool {
        if *lock(&self.limit) == Duration::MAX {
            return true;
        }
        let number = self.receiver.expect_reply();
        let sent = self.sender.send_encoded(FrameKind::Extension, &ExtensionRequest { number, by });
        // Without a parent this process is killed soon.
        let reply = sent.ok().and_then(|()| self.receiver.wait_for_reply(number, Deadline::NEVER));
        let reply: Option<ExtensionReply> = reply.and_then(|reply| codec::decode(&reply).ok());
        let granted = reply.and_then(|reply| reply.timeout);
        if let Some(granted) = granted {
            let mut limit = lock(&self.limit);
            // Several threads may ask.
            *limit = granted.max(*limit);
        }
        granted.is_some()
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

    /// Reports that the job makes progress.
    pub(crate) fn alive(&self) {
        self.throttle.alive(&self.sender);
    }

    /// Sends the progress and the message that were held back.
    pub(super) fn flush(&self) {
        self.throttle.flush(&self.sender);
    }

    /// Asks the parent an encoded question, and waits for the encoded answer. An error is the reason why there is none.
    pub(crate) fn ask(&'static self, question: &[u8]) -> Result<Vec<u8>, String> {
        let number = self.receiver.expect_reply();
        let mut message = codec::encode(&number).expect("numbers always encode");
        message.extend(question);
        if message.len() > QUESTION_LIMIT {
            return Err(format!("the question takes {} bytes, over the limit of {QUESTION_LIMIT}", question.len()));
        }
        let sent = self.sender.send(FrameKind::Question, &message);
        sent.map_err(|error| format!("the question can't be sent: {error}"))?;
        let answer = self.receiver.wait_for_reply(number, Deadline::NEVER);
        read_answer(&answer.ok_or("the application has exited")?)
    }

    /// Reports that the job has received a message.
    pub(crate) fn confirm_message(&self) {
        // Without a parent this process is killed soon.
        let _ = self.sender.send(FrameKind::MessageReceived, &[]);
    }

    /// Ends the reception of what the parent sends, and the thread that reads it.
    pub(super) fn stop_receiving(&self) {
        self.sender.stop_incoming();
        self.receiver.close_stream();
    }

    /// Ends the run, after which this process has none until its next call.
    pub(super) fn end(&self) {
        CONTEXT.store(ptr::null_mut(), Ordering::Release);
        self.sender.close();
    }

    /// Returns the receiver of what the parent sends.
    pub(crate) fn receiver(&self) -> &FrameReceiver {
        &self.receiver
    }
}
