//! What other threads send to an event loop, and what its jobs ask.

use std::collections::BTreeSet;

use super::EventLoop;
use crate::process::WaitKey;
use crate::supervisor::job_event::{EventDetail, EventHandler, JobEvent};
use crate::supervisor::mailbox::{Asking, Command, StopMode};
use crate::supervisor::question::{Question, UNANSWERED};

impl EventLoop<'_> {
    /// Handles what other threads have sent.
    pub(super) fn handle_commands(&mut self, listener: &mut EventHandler<'_>) {
        let pending = self.mailbox.filter(|mailbox| mailbox.has_pending());
        for command in pending.map(|mailbox| mailbox.take()).unwrap_or_default() {
            match command {
                Command::Submit(key, spec) => self.submit(key, *spec, listener),
                Command::Cancel(key, mode) => self.cancel(key, mode, listener),
                Command::Answer(asking, answer) => {
                    if let Some(run_key) = self.runs.key_of(asking.key.number) {
                        self.runs.change(run_key, |active| {
                            if active.pending.spec.attempt == asking.attempt {
                                active.run.answer(asking.number, answer);
                            }
                        });
                    }
                }
                Command::SendMessages(key) => {
                    if let Some(run_key) = self.runs.key_of(key.number) {
                        self.runs.change(run_key, |active| active.run.send_messages());
                    }
                }
                Command::Close => self.is_open = false,
                Command::Stop => self.is_stopped = true,
                Command::CancelAll(mode) => {
                    self.is_stopped = true;
                    self.is_killed |= mode == StopMode::Immediate;
                    self.runs.command_all(|active| active.cancel(mode));
                }
            }
        }
    }

    /// Passes on what the jobs ask for which something has happened.
    pub(super) fn pass_questions(&mut self, changed: &BTreeSet<WaitKey>, listener: &mut EventHandler<'_>) {
        for run_key in changed {
            let Some(active) = self.runs.get_mut(*run_key) else {
                continue;
            };
            let (key, attempt) = (active.key, active.pending.spec.attempt);
            let questions = active.run.take_questions();
            for (number, bytes) in questions {
                if let Some(mailbox) = self.mailbox.filter(|_| self.config.detail == EventDetail::All) {
                    let question = Question::new(mailbox, Asking { key, attempt, number }, bytes);
                    let Some(active) = self.runs.get(*run_key) else {
                        continue;
                    };
                    let event = active.pending.event(JobEvent::Asked(question));
                    self.is_stopped |= listener(key.number, event).is_break();
                } else {
                    self.runs.change(*run_key, |active| active.run.answer(number, Err(UNANSWERED.to_owned())));
                }
            }
        }
    }
}
