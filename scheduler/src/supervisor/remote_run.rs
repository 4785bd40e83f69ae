//! `RemoteRun`: one attempt at a job at a slot on another machine. `RemoteSlots`: what an event loop needs of the slots.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use super::job_spec::JobSpec;
use super::mailbox::{LoopCommand, Mailbox};
use super::messages::JobMessages;
use super::remote_event::{RemoteCommand, RemoteEvent, RemoteId};
use super::state_machine::{StopMode, StopReason};
use super::updates::{JobUpdate, LatestUpdates, RunUpdates};
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::launcher::Launcher;
use crate::options::{Containment, StartMethod};
use crate::outcome::Failure;
use crate::record::{RunReport, Site};

/// Copies of the application on other machines, each of which runs one job at a time.
pub(crate) trait RemoteSlots: fmt::Debug + Send + Sync {
    /// Checks what they were made of.
    ///
    /// # Errors
    ///
    /// Fails if none can be opened.
    fn check(&self) -> Result<(), Error>;

    /// Sets what the slots are like that are opened from now on.
    fn configure(&self, config: &SlotsConfig);

    /// Returns for how long a job may run on whose application has died.
    fn longest_life(&self) -> Duration;

    /// Opens slots like these ahead of their first runs. Doesn't wait for them.
    ///
    /// # Errors
    ///
    /// Fails if the thread can't be started that does so.
    fn open(&self, config: &SlotsConfig) -> Result<(), Error>;

    /// Runs a job at the next slot that is free. Its events go to the loop that ordered it, the last of them is
    /// [`RemoteEvent::Finished`].
    fn submit(&self, order: RemoteOrder);

    /// Passes a command on to a run, wherever it is.
    fn command(&self, run: RemoteId, command: RemoteCommand);
}

/// The settings of a scheduler, as far as its slots need them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlotsConfig {
    /// The most slots.
    pub(crate) limit: usize,
    pub(crate) launcher: Launcher,
    pub(crate) start_method: StartMethod,
    pub(crate) standby: usize,
    pub(crate) containment: Containment,
    pub(crate) start_timeout: Duration,
}

/// The slots that the jobs of an event loop run at, and what they are like for it. Each of those jobs keeps the slots.
#[derive(Clone, Debug)]
pub(crate) struct LoopSlots {
    pub(crate) slots: Weak<dyn RemoteSlots>,
    pub(crate) config: SlotsConfig,
}

impl LoopSlots {
    /// Returns the slots, as long as there is a job for them.
    pub(super) fn get(&self) -> Option<Arc<dyn RemoteSlots>> {
        self.slots.upgrade()
    }

    /// Sets what the slots are like.
    pub(super) fn configure(&self) {
        self.get().iter().for_each(|slots| slots.configure(&self.config));
    }

    /// Opens the slots ahead of their first runs.
    pub(crate) fn open(&self) -> Result<(), Error> {
        self.get().map_or(Ok(()), |slots| slots.open(&self.config))
    }
}

/// An attempt that is to be made.
#[derive(Debug)]
pub(crate) struct RemoteOrder {
    pub(crate) id: RemoteId,
    pub(crate) spec: JobSpec,
    /// Whether anybody is notified of what happens before the end.
    pub(crate) is_watched: bool,
    pub(crate) events: RemoteEvents,
}

/// The way of the events of an attempt to its loop.
#[derive(Clone, Debug)]
pub(crate) struct RemoteEvents {
    mailbox: Arc<Mailbox>,
    id: RemoteId,
    number: usize,
}

impl RemoteEvents {
    pub(crate) fn send(&self, event: RemoteEvent) {
        // If the loop has exited, nobody waits for the run.
        let _ = self.mailbox.send(LoopCommand::Remote(self.number, self.id, Box::new(event)));
    }
}

/// One attempt at a job at a slot.
#[derive(Debug)]
pub(super) struct RemoteRun {
    id: RemoteId,
    slots: Arc<dyn RemoteSlots>,
    spec: JobSpec,
    started: Option<RemoteStart>,
    updates: RunUpdates,
    questions: Vec<(u64, Vec<u8>)>,
    report: Option<Box<RunReport>>,
}

#[derive(Debug)]
struct RemoteStart {
    at: SystemTime,
    process: Option<u32>,
    site: Site,
}

impl RemoteRun {
    /// Orders a run of the job.
    pub(super) fn start(
        spec: JobSpec,
        number: usize,
        is_watched: bool,
        mailbox: &Arc<Mailbox>,
        slots: &Arc<dyn RemoteSlots>,
    ) -> Self {
        let id = RemoteId::new();
        let events = RemoteEvents { mailbox: Arc::clone(mailbox), id, number };
        // An order keeps no slots: the last holder of those closes them, and waits until that is done.
        let ordered = JobSpec { slots: None, sequel: None, ..spec.clone() };
        slots.submit(RemoteOrder { id, spec: ordered, is_watched, events });
        let mut run = Self {
            id,
            slots: Arc::clone(slots),
            spec,
            started: None,
            updates: RunUpdates::default(),
            questions: Vec::new(),
            report: None,
        };
        run.spec.messages.iter().for_each(JobMessages::restart);
        run.send_messages();
        run
    }

    pub(super) fn id(&self) -> RemoteId {
        self.id
    }

    pub(super) fn has_started(&self) -> bool {
        self.started.is_some()
    }

    pub(super) fn started_at(&self) -> Option<SystemTime> {
        self.started.as_ref().map(|started| started.at)
    }

    pub(super) fn process(&self) -> Option<u32> {
        self.started.as_ref()?.process
    }

    /// Returns where it runs, once that is known.
    pub(super) fn site(&self) -> Option<&Site> {
        let reported = self.report.as_ref().and_then(|report| report.details.site.as_ref());
        reported.or(self.started.as_ref().map(|started| &started.site))
    }

    pub(super) fn is_done(&self) -> bool {
        self.report.is_some()
    }

    pub(super) fn write_checkpoint(&mut self) -> ControlFlow<()> {
        self.updates.write_checkpoint(self.spec.journal.as_ref())
    }

    pub(super) fn take_updates(&mut self) -> Option<LatestUpdates> {
        self.updates.take()
    }

    pub(super) fn take_questions(&mut self) -> Vec<(u64, Vec<u8>)> {
        std::mem::take(&mut self.questions)
    }

    pub(super) fn answer(&mut self, number: u64, answer: Result<Vec<u8>, String>) {
        self.command(RemoteCommand::Answer(number, answer));
    }

    /// Sends the messages of the job's handle that were not sent yet.
    pub(super) fn send_messages(&mut self) {
        for message in self.spec.messages.iter().flat_map(JobMessages::take_unsent) {
            self.command(RemoteCommand::Message(message));
        }
    }

    pub(super) fn request_stop(&mut self, reason: StopReason) {
        self.command(RemoteCommand::Stop(reason, StopMode::Graceful));
    }

    pub(super) fn kill(&mut self, reason: StopReason) {
        self.command(RemoteCommand::Stop(reason, StopMode::Immediate));
    }

    fn command(&self, command: RemoteCommand) {
        if !self.is_done() {
            self.slots.command(self.id, command);
        }
    }

    pub(super) fn handle(&mut self, event: RemoteEvent) {
        match event {
            RemoteEvent::Started { at, process, site } => self.started = Some(RemoteStart { at, process, site }),
            RemoteEvent::Updated(updates) => {
                for update in updates {
                    match update {
                        JobUpdate::Checkpoint(saved) => self.save(saved),
                        update => self.updates.store(update),
                    }
                }
            }
            RemoteEvent::Asked(number, question) => self.questions.push((number, question)),
            RemoteEvent::Received(count) => {
                if let Some(messages) = &self.spec.messages {
                    // An agent that counts more than were sent is none to trust with the others.
                    let _ = (0..count).all(|_| messages.received());
                }
            }
            RemoteEvent::Finished(report) => {
                if let Some(saved) = &report.details.checkpoint {
                    self.spec.checkpoint = Some(saved.clone());
                }
                self.report = Some(report);
            }
        }
    }

    fn save(&mut self, saved: Checkpoint) {
        self.spec.checkpoint = Some(saved.clone());
        self.updates.save(saved, self.spec.journal.as_ref());
    }

    /// Returns the report. Call it once it is done.
    pub(super) fn finish(mut self) -> RunReport {
        let report = self.report.take();
        let mut report = report.map_or_else(
            || RunReport::not_begun(Failure::NeverStarted { reason: "it was given up".to_owned() }),
            |report| *report,
        );
        report.details.checkpoint = self.spec.checkpoint.take();
        report
    }
}
