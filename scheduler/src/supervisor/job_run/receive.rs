//! The events that a run receives: from the job, on its data stream, and from its warden.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::{CallStart, FINAL_READS, JobRun, LATE_TOLERANCE};
use crate::checkpoint::{self, Checkpoint};
use crate::clock::{self, Deadline, Stopwatch};
use crate::process::{self, Received, WorkerEvent};
use crate::supervisor::diagnosis::FunctionResult;
use crate::supervisor::messages::JobMessages;
use crate::supervisor::state_machine::{Event, RunState};
use crate::supervisor::updates::JobUpdate;
use crate::wire::codec;
use crate::wire::frame::{Frame, FrameError, FrameKind, ReadStep};
use crate::wire::message::{PANIC_LIMIT, PanicMessage, QUESTION_LIMIT, TEXT_LIMIT};

impl JobRun {
    /// Reads the job's frames, until `steps` reads have left no buffered one.
    pub(super) fn read_data(&mut self, mut steps: usize) {
        while steps > 0 {
            match self.stream.read(&mut self.frames) {
                Ok(ReadStep::Frame(frame)) => {
                    self.handle_frame(frame);
                    // A frame that is buffered already must not wait for the stream to become readable.
                    steps -= usize::from(!self.frames.has_buffered());
                }
                Ok(ReadStep::Partial) => {
                    steps -= 1;
                    self.extend_delivery();
                }
                Ok(ReadStep::WouldBlock) => return,
                // Also in the middle of a frame: the warden will report how the job died.
                Ok(ReadStep::End) | Err(FrameError::Truncated) => return self.handle_event(Event::DataClosed),
                Err(error) => return self.protocol_violation(format!("on the job's stream: {error}")),
            }
        }
    }

    /// Restarts the delivery limit while an outcome keeps arriving: a large one may take long, but may not stall.
    fn extend_delivery(&mut self) {
        let is_outcome = matches!(self.frames.open_kind(), Some(FrameKind::Value | FrameKind::Failed));
        if is_outcome && matches!(self.state, RunState::Delivering(_)) {
            self.deadline = self.state_deadline();
        }
    }

    fn handle_frame(&mut self, Frame { kind, payload }: Frame) {
        if kind == FrameKind::Checkpoint && payload.len() <= checkpoint::LIMIT {
            // It counts even while the job is being killed, if it arrived in full.
            self.activity.reported();
            let saved = Checkpoint::from_bytes(payload);
            self.spec.checkpoint = Some(saved.clone());
            return self.updates.save(saved, self.spec.journal.as_ref());
        }
        if kind == FrameKind::CallEnded {
            self.observations.call_ended = self.decode(kind, &payload);
            return;
        }
        if matches!(kind, FrameKind::Panicking | FrameKind::Fatal) {
            // Also after the outcome: it may be why the process dies.
            return self.record_panic(kind, &payload);
        }
        if self.state.verdict().is_some() {
            // It arrived too late to count.
            return;
        }
        match kind {
            // Without a warden the job itself sends it.
            FrameKind::Hello => {
                if let Some(hello) = self.decode(kind, &payload) {
                    self.observations.hello = Some(hello);
                }
            }
            FrameKind::Started => {
                // The job may be faster than its warden, or may have killed it before that sent its Hello.
                if let Ok(hello) = codec::decode(&payload) {
                    self.observations.hello.get_or_insert(hello);
                }
                self.observations.begun = true;
                let (stopwatch, deadline) = (Stopwatch::start(), Deadline::after(self.timeout));
                self.started = Some(CallStart { stopwatch, at: clock::wall(), deadline });
                self.activity.start();
                self.handle_event(Event::Started);
            }
            FrameKind::Refused => self.handle_refusal(String::from_utf8_lossy(&payload).into_owned()),
            FrameKind::Elapsed => {
                if let Some(elapsed) = self.decode(kind, &payload) {
                    self.function_time.get_or_insert(elapsed);
                    self.handle_event(if self.is_late(elapsed) { Event::ReturnedLate } else { Event::Returned });
                }
            }
            FrameKind::Value => {
                self.observations.result = Some(FunctionResult::Value(payload));
                self.handle_event(Event::Outcome);
            }
            FrameKind::Failed => {
                if let Some(report) = self.decode(kind, &payload) {
                    self.observations.result = Some(FunctionResult::Failed(report));
                    self.handle_event(Event::Outcome);
                }
            }
            FrameKind::Progress => {
                if let Some((done, total)) = self.decode(kind, &payload) {
                    self.activity.reported();
                    self.updates.store(JobUpdate::Progress { done, total });
                }
            }
            FrameKind::Message if payload.len() <= TEXT_LIMIT => {
                self.activity.reported();
                self.updates.store(JobUpdate::Message(String::from_utf8_lossy(&payload).into_owned()));
            }
            FrameKind::Alive => self.activity.reported(),
            FrameKind::Question if payload.len() <= QUESTION_LIMIT => self.handle_question(&payload),
            FrameKind::MessageReceived => {
                if !self.spec.messages.as_ref().is_some_and(JobMessages::received) {
                    self.protocol_violation("on the job's stream: a message was received that was not sent".to_owned());
                }
            }
            FrameKind::Extension => {
                if let Some(request) = self.decode(kind, &payload) {
                    self.handle_extension(&request);
                }
            }
            kind => self.protocol_violation(format!("on the job's stream: a frame of kind {kind:?}")),
        }
    }

    /// Decodes the payload of a frame; `None` after a violation of the protocol.
    fn decode<T: DeserializeOwned>(&mut self, kind: FrameKind, payload: &[u8]) -> Option<T> {
        let decoded = codec::decode(payload);
        decoded
            .map_err(|error| {
                self.protocol_violation(format!(
                    "on the job's stream: a frame of kind {kind:?} can't be read: {error}"
                ));
            })
            .ok()
    }

    fn record_panic(&mut self, kind: FrameKind, payload: &[u8]) {
        match self.decode(kind, payload) {
            Some(PanicMessage(panic)) if kind == FrameKind::Fatal => self.observations.fatal = Some(panic),
            Some(PanicMessage(panic)) if self.observations.panics.len() < PANIC_LIMIT => {
                self.observations.panics.push(panic);
            }
            _ => {}
        }
    }

    pub(super) fn read_control(&mut self) {
        loop {
            match self.warden.listen() {
                Received::Event(event) => self.handle_worker_event(event),
                Received::Partial => {}
                Received::WouldBlock => return,
                Received::Closed => {
                    // The warden is lost. What the job wrote before is in the pipe, and counts.
                    self.read_data(FINAL_READS);
                    return self.handle_event(Event::ControlClosed);
                }
            }
        }
    }

    fn handle_worker_event(&mut self, event: WorkerEvent) {
        match event {
            WorkerEvent::Hello(hello) => self.observations.hello = Some(hello),
            WorkerEvent::Refused(reason) => self.handle_refusal(reason),
            WorkerEvent::NoRoom(reason) => {
                self.observations.no_room = true;
                self.handle_refusal(reason);
            }
            WorkerEvent::Snapshots(message) => {
                // Those of its timeout stay if it crashes in its grace period.
                if self.stacks.is_empty() {
                    self.stacks = message.into_snapshots(process::system_call_name).into();
                }
                self.handle_event(Event::Captured);
            }
            WorkerEvent::Exit(report) => {
                self.observations.exit_report = report;
                // All that the job wrote before it died is in the pipe, and counts.
                self.read_data(usize::MAX);
                self.handle_exit();
            }
            // The platform's worker puts it into its report.
            WorkerEvent::Expired(ran) => {
                self.protocol_violation(format!("on the warden's stream: an expiry after {ran:?} without a report"));
            }
            // It came up after its time was over, when the job had been given to it to fail.
            WorkerEvent::Ready(_) => {}
            WorkerEvent::Unexpected(kind) => {
                self.protocol_violation(format!("on the warden's stream: a frame of kind {kind:?}"));
            }
        }
    }

    /// Handles the report that all processes are gone.
    fn handle_exit(&mut self) {
        let report = self.observations.exit_report.as_ref();
        let (ran, expired) = report.map_or((None, false), |report| (report.ran, report.expired));
        if expired {
            // After the application was stopped, it may have enforced the same deadline, late, and measured a longer time.
            self.duration = ran.map_or(self.duration, |ran| self.duration.min(ran));
            self.observations.kill_requested = true;
            self.observations.lingered = self.observations.lingered.or(self.since_outcome.map(Stopwatch::elapsed));
        }
        self.function_time = self.function_time.or(ran);
        let is_late = expired || ran.is_some_and(|ran| self.is_late(ran));
        self.handle_event(if is_late { Event::Expired } else { Event::Exit });
    }

    /// Returns whether a function that ran for `ran` has overrun its limit by more than the parent's own delay in enforcing
    /// it.
    fn is_late(&self, ran: Duration) -> bool {
        self.timeout.checked_add(LATE_TOLERANCE).is_some_and(|limit| ran > limit)
    }

    fn handle_refusal(&mut self, reason: String) {
        self.observations.refusal = Some(reason);
        self.handle_event(Event::Refused);
    }

    pub(super) fn protocol_violation(&mut self, message: String) {
        self.observations.protocol_error.get_or_insert(message);
        self.handle_event(Event::ProtocolBroken);
    }
}
