//! What a running job asks for and is sent: more time, and messages; and the limits on its time beside its timeout.

use std::sync::Arc;
#[cfg(feature = "remote")]
use std::time::Duration;

use super::{JobRun, RELAY_STEPS};
use crate::supervisor::messages::JobMessages;
use crate::supervisor::state_machine::{Action, Event};
use crate::supervisor::updates::JobUpdate;
use crate::wire::codec;
use crate::wire::frame::{self, FrameKind};
use crate::wire::message::{ExtensionReply, ExtensionRequest, answer_message};

/// The most questions of one job that wait for their answers.
const MOST_QUESTIONS: usize = 1024;

/// The most bytes of the questions of one job that wait for their answers: 32 MiB.
const MOST_QUESTION_BYTES: usize = 32 << 20;

/// The most bytes of replies that a job leaves unread: 64 MiB.
const MOST_UNREAD: usize = 64 << 20;

impl JobRun {
    /// Reports a slow job, and stops one that has reported nothing or written no output for too long.
    pub(super) fn check_activity(&mut self) {
        if let Some(after) = self.activity.take_slow() {
            self.updates.store(JobUpdate::Slow(after));
        }
        if self.activity.is_silent() {
            // Output that is in the pipe counts, and so does output that the readers of our own streams hold up.
            let is_held_up = (0..RELAY_STEPS).all(|_| self.relay());
            if is_held_up || !self.output.is_flushed() || !self.warden.worker.stderr().is_flushed() {
                self.activity.wrote();
            }
        }
        if let Some(reason) = self.activity.stop_reason().filter(|_| !self.deadline.is_past()) {
            let has_grace = !self.spec.grace().is_zero();
            self.handle_event(if has_grace { self.terminate_event(reason) } else { Event::Kill(reason) });
        }
    }

    /// Lets the job live until this time since the machine's start.
    #[cfg(feature = "remote")]
    pub(in crate::supervisor) fn renew(&mut self, until: Duration) {
        self.warden.worker.renew(until);
    }

    /// Sends the messages of the job's handle that were not sent yet.
    pub(in crate::supervisor) fn send_messages(&mut self) {
        for message in self.spec.messages.iter().flat_map(JobMessages::take_unsent) {
            self.stream.send(Arc::new(frame::header(self.mark, FrameKind::UserMessage, message.len()).to_vec()));
            self.stream.send(message);
        }
    }

    /// Returns what the job has asked since the last call, with the numbers of its requests.
    pub(in crate::supervisor) fn take_questions(&mut self) -> Vec<(u64, Vec<u8>)> {
        std::mem::take(&mut self.questions)
    }

    /// Keeps a question until it is passed on, unless too many wait.
    pub(super) fn handle_question(&mut self, payload: &[u8]) {
        let mut bytes = payload;
        let Ok(number) = codec::take(&mut bytes) else {
            return self.protocol_violation("on the job's stream: a question without a number".to_owned());
        };
        let waiting: usize = self.unanswered.iter().map(|(_, bytes)| bytes).sum();
        if self.unanswered.len() >= MOST_QUESTIONS || waiting + bytes.len() > MOST_QUESTION_BYTES {
            let problem =
                "too many questions of this job wait for their answers; ask fewer, or shorter ones, at a time";
            return self.answer(number, Err(problem.to_owned()));
        }
        self.unanswered.push((number, bytes.len()));
        self.questions.push((number, bytes.to_vec()));
    }

    /// Sends the answer to a question, or why there is none.
    pub(in crate::supervisor) fn answer(&mut self, number: u64, answer: Result<Vec<u8>, String>) {
        self.unanswered.retain(|(unanswered, _)| *unanswered != number);
        self.reply(FrameKind::Answer, answer_message(number, answer));
    }

    /// Sends a reply, unless the job reads none.
    fn reply(&mut self, kind: FrameKind, payload: Vec<u8>) {
        if self.stream.unsent() > MOST_UNREAD {
            let problem = "on the job's stream: requests whose replies the job doesn't read";
            return self.protocol_violation(problem.to_owned());
        }
        self.stream.send(Arc::new(frame::header(self.mark, kind, payload.len()).to_vec()));
        self.stream.send(Arc::new(payload));
    }

    /// Answers a request for more time.
    pub(super) fn handle_extension(&mut self, request: &ExtensionRequest) {
        let wanted = self.timeout.checked_add(request.by).filter(|wanted| *wanted <= self.spec.max_timeout);
        let (_, action) = self.state.step(Event::ExtensionRequested);
        let timeout = wanted.filter(|_| action == Action::Extend);
        if let (Some(timeout), Some(started)) = (timeout, &mut self.started) {
            started.deadline = started.deadline.plus(request.by);
            self.timeout = timeout;
            self.deadline = self.state_deadline();
            // Before the reply: a warden keeps a deadline of its own, which must not pass meanwhile.
            self.warden.worker.extend(timeout);
        }
        let reply = codec::encode(&ExtensionReply { number: request.number, timeout }).expect("numbers always encode");
        self.reply(FrameKind::ExtensionReply, reply);
    }
}
