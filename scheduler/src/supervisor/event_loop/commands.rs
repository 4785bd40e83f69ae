//! What other threads send to an event loop, and what its jobs ask.

use std::collections::BTreeSet;

use super::EventLoop;
use crate::process::WaitKey;
#[cfg(feature = "remote")]
use crate::supervisor::execution::Execution;
use crate::supervisor::job_event::{EventDetail, EventHandler, JobEvent};
use crate::supervisor::mailbox::{Asking, LoopCommand};
use crate::supervisor::question::{Question, UNANSWERED};
#[cfg(feature = "remote")]
use crate::supervisor::queue::QueueKey;
#[cfg(feature = "remote")]
use crate::supervisor::remote_event::{RemoteEvent, RemoteId};
use crate::supervisor::state_machine::StopMode;
#[cfg(feature = "remote")]
use crate::supervisor::state_machine::StopReason;

impl EventLoop<'_> {
    /// Handles what other threads have sent.
    pub(super) fn handle_commands(&mut self, listener: &mut EventHandler<'_>) {
        let pending = self.mailbox.filter(|mailbox| mailbox.has_pending());
        for command in pending.map(|mailbox| mailbox.take()).unwrap_or_default() {
            match command {
                LoopCommand::Submit(key, spec) => self.submit(key, *spec, listener),
                LoopCommand::Cancel(key, mode) => self.cancel(key, mode, listener),
                LoopCommand::Answer(asking, answer) => {
                    if let Some(run_key) = self.runs.key_of(asking.key.number) {
                        self.runs.change(run_key, |active| {
                            if active.pending.spec.attempt == asking.attempt {
                                active.run.answer(asking.number, answer);
                            }
                        });
                    }
                }
                LoopCommand::SendMessages(key) => {
                    if let Some(run_key) = self.runs.key_of(key.number) {
                        self.runs.change(run_key, |active| active.run.send_messages());
                    }
                }
                #[cfg(feature = "remote")]
                LoopCommand::Remote(number, id, event) => self.handle_remote(number, id, *event),
                #[cfg(feature = "remote")]
                LoopCommand::StopRun(key, reason, mode) => self.stop_run(key, reason, mode, listener),
                #[cfg(feature = "remote")]
                LoopCommand::Renew(until) => self.runs.command_all(|active| active.run.renew(until)),
                LoopCommand::Close => self.is_open = false,
                LoopCommand::Stop => self.is_stopped = true,
                LoopCommand::CancelAll(mode) => {
                    self.is_stopped = true;
                    self.is_killed |= mode == StopMode::Immediate;
                    self.runs.command_all(|active| active.cancel(mode));
                }
            }
        }
    }

    /// Handles what has happened to a run on another machine, unless it is one that has ended.
    #[cfg(feature = "remote")]
    fn handle_remote(&mut self, number: usize, id: RemoteId, event: RemoteEvent) {
        if let Some(run_key) = self.runs.key_of(number) {
            self.has_news = true;
            self.runs.change(run_key, |active| {
                if let Execution::Remote(run) = &mut active.run
                    && run.id() == id
                {
                    run.handle(event);
                }
            });
        }
    }

    /// Stops a job as the application demands it that this agent runs it for.
    #[cfg(feature = "remote")]
    fn stop_run(&mut self, key: QueueKey, reason: StopReason, mode: StopMode, listener: &mut EventHandler<'_>) {
        let Some(run_key) = self.runs.key_of(key.number) else {
            return self.cancel(key, mode, listener);
        };
        self.runs.command(run_key, |active| match mode {
            StopMode::Graceful => active.run.request_stop(reason),
            StopMode::Immediate => active.run.kill(reason),
        });
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
