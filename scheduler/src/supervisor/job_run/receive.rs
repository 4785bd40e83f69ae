//! What a run hears: of the job, on its stream, and of whoever watches over its process.

use std::time::Duration;

use super::{LAST_LOOK, LATE, Run, Started};
use crate::checkpoint::{self, Checkpoint};
use crate::clock::{self, Deadline, Stopwatch};
use crate::process::{Received, WorkerEvent};
use crate::supervisor::diagnosis::Answer;
use crate::supervisor::state_machine::{Event, State};
use crate::supervisor::updates::JobUpdate;
use crate::wire::codec;
use crate::wire::frame::{Frame, FrameError, FrameKind, ReadStep};
use crate::wire::message::{PANIC_LIMIT, TEXT_LIMIT};

impl Run {
    /// Reads what the job says, in up to so many steps that give no frame.
    pub(super) fn read_data(&mut self, mut steps: usize) {
        while steps > 0 {
            match self.stream.read(&mut self.frames) {
                Ok(ReadStep::Frame(frame)) => {
                    self.take_data(frame);
                    // What has been read already must not wait for more to come.
                    steps -= usize::from(!self.frames.has_buffered());
                }
                Ok(ReadStep::Partial) => {
                    steps -= 1;
                    self.note_what_comes();
                }
                Ok(ReadStep::WouldBlock) => return,
                // Also in the middle of a frame: how the job died, the warden will say.
                Ok(ReadStep::End) | Err(FrameError::Truncated) => return self.feed(Event::DataEnd),
                Err(error) => return self.broken(format!("on the job's stream: {error}")),
            }
        }
    }

    /// Gives an outcome that keeps coming more time: a large one may take its time, and one that stops has a limit.
    fn note_what_comes(&mut self) {
        let is_outcome = matches!(self.frames.open_kind(), Some(FrameKind::Value | FrameKind::Failed));
        if is_outcome && matches!(self.state, State::Delivering(_)) {
            self.deadline = self.limit();
        }
    }

    fn take_data(&mut self, Frame { kind, payload }: Frame) {
        if kind == FrameKind::Checkpoint && payload.len() <= checkpoint::LIMIT {
            // Also that of a job which is being killed: what arrived whole is saved.
            let saved = Checkpoint::from_bytes(payload);
            self.spec.checkpoint = Some(saved.clone());
            return self.post(JobUpdate::Checkpoint(saved));
        }
        if matches!(kind, FrameKind::Panicking | FrameKind::Fatal) {
            // Also after the outcome: it may be how the process ends.
            return self.take_panic(kind, &payload);
        }
        if self.state.verdict().is_some() {
            // It came too late to count.
            return;
        }
        match kind {
            // Where no warden says it, the job itself does.
            FrameKind::Hello => match codec::decode(&payload) {
                Ok(hello) => self.observations.hello = Some(hello),
                Err(error) => self.broken(format!("on the job's stream: a greeting can't be read: {error}")),
            },
            FrameKind::Started => {
                // The job may be quicker than its warden, and may have killed it before that could say so.
                if let Ok(hello) = codec::decode(&payload) {
                    self.observations.hello.get_or_insert(hello);
                }
                self.observations.begun = true;
                let (stopwatch, deadline) = (Stopwatch::start(), Deadline::after(self.spec.limit));
                self.started = Some(Started { stopwatch, at: clock::wall(), deadline });
                self.feed(Event::Started);
            }
            FrameKind::Refused => self.refused(String::from_utf8_lossy(&payload).into_owned()),
            FrameKind::Elapsed => match codec::decode(&payload) {
                Ok(took) => {
                    self.took.get_or_insert(took);
                    self.feed(if self.is_late(took) { Event::ReturnedLate } else { Event::Returned });
                }
                Err(error) => self.broken(format!("on the job's stream: a duration can't be read: {error}")),
            },
            FrameKind::Value => {
                self.observations.answer = Some(Answer::Value(payload));
                self.feed(Event::Outcome);
            }
            FrameKind::Failed => match codec::decode(&payload) {
                Ok(report) => {
                    self.observations.answer = Some(Answer::Failed(report));
                    self.feed(Event::Outcome);
                }
                Err(error) => self.broken(format!("on the job's stream: a failure can't be read: {error}")),
            },
            FrameKind::Progress => match codec::decode(&payload) {
                Ok((done, total)) => self.post(JobUpdate::Progress { done, total }),
                Err(error) => self.broken(format!("on the job's stream: its progress can't be read: {error}")),
            },
            FrameKind::Message if payload.len() <= TEXT_LIMIT => {
                self.post(JobUpdate::Message(String::from_utf8_lossy(&payload).into_owned()));
            }
            kind => self.broken(format!("on the job's stream: a frame of kind {kind:?}")),
        }
    }

    fn take_panic(&mut self, kind: FrameKind, payload: &[u8]) {
        match codec::decode(payload) {
            Ok(panic) if kind == FrameKind::Fatal => self.observations.fatal = Some(panic),
            Ok(panic) if self.observations.panics.len() < PANIC_LIMIT => self.observations.panics.push(panic),
            Ok(_) => {}
            Err(error) => self.broken(format!("on the job's stream: a panic can't be read: {error}")),
        }
    }

    pub(super) fn read_control(&mut self) {
        loop {
            match self.warden.listen() {
                Received::Event(word) => self.take_word(word),
                Received::Partial => {}
                Received::WouldBlock => return,
                Received::Closed => {
                    // The warden is lost. What the job wrote by then is in the pipe, and counts.
                    self.read_data(LAST_LOOK);
                    return self.feed(Event::ControlEnd);
                }
            }
        }
    }

    fn take_word(&mut self, word: WorkerEvent) {
        match word {
            WorkerEvent::Hello(hello) => self.observations.hello = Some(hello),
            WorkerEvent::Refused(reason) => self.refused(reason),
            WorkerEvent::NoRoom(reason) => {
                self.observations.lacked_room = true;
                self.refused(reason);
            }
            WorkerEvent::Exit(report) => {
                let (ran, expired) = report.as_ref().map_or((None, false), |report| (report.ran, report.expired));
                self.observations.report = report;
                // The job wrote what it wrote before it died: all of that is in the pipe, and counts.
                self.read_data(usize::MAX);
                self.take_exit(ran, expired);
            }
            // The platform's worker has it in its report.
            WorkerEvent::Expired(ran) => {
                self.broken(format!("on the warden's stream: an end after {ran:?} without a report"));
            }
            WorkerEvent::Ready(_) => self.broken("on the warden's stream: a frame of kind Ready".to_owned()),
            WorkerEvent::Unexpected(kind) => self.broken(format!("on the warden's stream: a frame of kind {kind:?}")),
        }
    }

    /// Takes note that all is over, of a function that ran that long by its warden's account.
    fn take_exit(&mut self, ran: Option<Duration>, expired: bool) {
        if expired {
            // An application that was stopped may have decided the same since it goes on, and be wrong about the time.
            self.duration = ran.map_or(self.duration, |ran| self.duration.min(ran));
            self.observations.kill_sent = true;
            self.observations.lingered = self.observations.lingered.or(self.left.map(Stopwatch::elapsed));
        }
        self.took = self.took.or(ran);
        let is_late = expired || ran.is_some_and(|ran| self.is_late(ran));
        self.feed(if is_late { Event::Expired } else { Event::Exit });
    }

    /// Returns whether a function that ran that long has overrun its limit: by more than the parent, which acts a moment after
    /// the limit has passed, would let it.
    fn is_late(&self, ran: Duration) -> bool {
        self.spec.limit.checked_add(LATE).is_some_and(|limit| ran > limit)
    }

    fn refused(&mut self, reason: String) {
        self.observations.refusal = Some(reason);
        self.feed(Event::Refused);
    }

    fn broken(&mut self, message: String) {
        self.observations.broken.get_or_insert(message);
        self.feed(Event::ProtocolBroken);
    }
}
