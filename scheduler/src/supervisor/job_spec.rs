//! `JobSpec`: a job with its arguments, options and limits, as the supervisor runs it, and `Sequel`, which makes those that follow it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::load::LoadToken;
use super::messages::JobMessages;
use super::queue::QueueKey;
use super::warden_handle::{CallVariables, WardenAssignment, WardenHandle};
use crate::checkpoint::Checkpoint;
use crate::journal::JournalEntry;
use crate::launcher;
use crate::options::{Input, Options};
use crate::outcome::Attempt;
use crate::process::{self, CgroupHome, ChildStdio, Orphans, TEMP_VARIABLES, TempDir, temp_parent};
use crate::random::random_bytes;
use crate::record::{Continuation, OwedFollowUp, RunReport};
use crate::registry::Entry;
use crate::result_codec::ErasedCodec;
use crate::wire::frame::StreamMark;
use crate::wire::message::{Request, StdinSource};

#[derive(Clone, Debug)]
pub(crate) struct JobSpec {
    /// The caller's name for this job; the registered name if there is none.
    pub(crate) id: Arc<str>,
    /// From 1.
    pub(crate) attempt: u32,
    /// The attempts in earlier runs of the application.
    pub(crate) earlier_attempts: Vec<Attempt>,
    /// The last checkpoint of an earlier attempt.
    pub(crate) checkpoint: Option<Checkpoint>,
    /// The job in a journal.
    pub(crate) journal: Option<JournalEntry>,
    pub(crate) entry: &'static Entry,
    pub(crate) arguments: Arc<Vec<u8>>,
    /// The reason why there are no arguments to send: the job never starts.
    pub(crate) unserializable: Option<Arc<str>>,
    /// The options of the call, the attribute and the scheduler, merged.
    pub(crate) options: Arc<Options>,
    /// The queue's lane for its group: the index of the group's limit plus 1, or 0 for none.
    pub(crate) lane: usize,
    /// The limit of the function.
    pub(crate) timeout: Duration,
    /// The longest limit to which the function may extend its own.
    pub(crate) max_timeout: Duration,
    /// The limit of the whole list.
    pub(crate) total_timeout: Duration,
    /// The limit until the function is called.
    pub(crate) start_timeout: Duration,
    /// The limit from the function's return until its result has arrived.
    pub(crate) delivery_timeout: Duration,
    /// The new parent of orphans, should the warden be lost.
    pub(crate) orphans: Orphans,
    /// The place for its cgroup, if it gets one.
    pub(crate) cgroups: Option<Arc<CgroupHome>>,
    /// Counts the job in the load of its scheduler, until its last copy is dropped.
    pub(crate) load: Option<Arc<LoadToken>>,
    /// Whether observers receive the lines of its output.
    pub(crate) is_observed: bool,
    /// The messages of its handle, if it has one.
    pub(crate) messages: Option<JobMessages>,
    /// The time since the machine's start at which no process of it may be alive any more, unless that is moved.
    pub(crate) last_moment: Option<Duration>,
    /// Keeps the slots that it runs at; `None` if it runs on this machine.
    pub(crate) slots: Option<KeptSlots>,
    /// The slot at which an earlier attempt was lost.
    pub(crate) avoided_slot: Option<usize>,
    /// What follows it in its entry, if anything may.
    pub(crate) sequel: Option<Arc<dyn Sequel>>,
}

/// What keeps slots open.
pub(crate) type KeptSlots = Arc<dyn fmt::Debug + Send + Sync>;

/// Makes the jobs that follow one: its follow-up, and the next part of its chain.
pub(crate) trait Sequel: fmt::Debug + Send + Sync {
    /// Returns whether a follow-up job is owed for this end.
    fn owes_follow_up(&self, report: &RunReport) -> bool;

    /// Returns the follow-up job for this end, or the reason why it can't be called; `None` if there is none.
    fn follow_up(&self, spec: &JobSpec, report: &RunReport, owed: &OwedFollowUp) -> Option<Result<JobSpec, String>>;

    /// Returns what follows this end in its chain, without making a call.
    fn continuation(&self, report: &RunReport) -> Continuation;

    /// Returns the part of the chain that comes next after this end.
    fn next_part(&self, spec: &JobSpec, report: &RunReport) -> NextPart;
}

/// What follows a part of a chain.
#[derive(Debug)]
pub(crate) enum NextPart {
    /// This job, for the result of the part.
    Job(Box<JobSpec>),
    /// This job, as the part failed.
    Fallback(Box<JobSpec>),
    /// This value, as the part failed.
    Value { bytes: Vec<u8>, codec: ErasedCodec },
    /// A part that can't be called, for this reason. It stands for it, with what follows.
    Broken {
        spec: Box<JobSpec>,
        reason: String,
        /// It was to take the place of a result that failed.
        is_fallback: bool,
    },
    /// Nothing.
    End {
        /// The part's result would not be that of the chain.
        is_partial: bool,
    },
}

impl JobSpec {
    /// Returns the request to a warden to start the job with these standard streams.
    pub(super) fn request(
        &self,
        stdio: &ChildStdio,
        temp_dir: Option<&TempDir>,
        warden: &mut WardenHandle,
        variables: &mut CallVariables,
    ) -> Request {
        let WardenAssignment { spawn_mode, after_run, idle_limit, reuse, variables } = warden.assignment(variables);
        let mut environment = self.options.environment.clone();
        if let Some(temp_dir) = temp_dir {
            let path = temp_dir.path().as_os_str();
            let names = TEMP_VARIABLES.map(|name| (name.into(), Some(path.to_owned())));
            environment.changes.extend(names);
        }
        Request {
            id: self.id.to_string(),
            attempt: self.attempt,
            timeout: (self.timeout != Duration::MAX).then_some(self.timeout),
            grace: self.grace(),
            delivery: self.delivery_timeout,
            job: self.entry.name().to_owned(),
            stamp: launcher::stamp(),
            signature: self.entry.signature(),
            mark: StreamMark::from_bytes(random_bytes()),
            spawn_mode,
            after_run,
            idle_limit,
            reuse: reuse.filter(|_| self.must_be_fresh().is_none()),
            variables,
            // The platform's worker sends it.
            has_folder: false,
            limits: self.options.limits.any(),
            environment: environment.any(),
            cgroup: self.cgroups.as_ref().map(|home| home.group(&warden.run_marker)),
            temp_dir: temp_dir.map(|temp_dir| temp_dir.path().as_os_str().to_owned()),
            stdin: match self.options.stdin.as_deref() {
                None | Some(Input::Empty) => StdinSource::Null,
                Some(Input::Bytes(bytes)) => StdinSource::Bytes(bytes.clone()),
                Some(Input::File(path)) => StdinSource::File(path.as_os_str().to_owned()),
            },
            stdout: stdio.stdout.target.clone(),
            stderr: stdio.stderr.target.clone(),
            inherited: stdio.inherited.numbers(),
            stacks: self.wants_stacks(),
            last_moment: self.last_moment,
        }
    }

    /// Returns why its process serves only one call, if it does in any case.
    pub(super) fn must_be_fresh(&self) -> Option<&'static str> {
        let reasons = [
            (self.cgroups.is_some(), "it has a cgroup of its own"),
            (self.options.temp_dir == Some(true), "it has a folder for temporary files of its own"),
            // A part of it may be left in a buffer of the process, such as that of the standard library.
            (self.options.stdin.is_some(), "it has a standard input of its own"),
            (!self.options.inherited.is_empty(), "it has inherited descriptors"),
        ];
        reasons.into_iter().find_map(|(is_so, reason)| is_so.then_some(reason))
    }

    /// Makes the job's private folder, if it is to have one.
    pub(super) fn create_temp_dir(&self) -> io::Result<Option<TempDir>> {
        if self.options.temp_dir != Some(true) {
            return Ok(None);
        }
        let changes = self.options.environment.changes.iter();
        let parent = temp_parent(changes.map(|(name, value)| (name.as_os_str(), value.as_deref())));
        TempDir::create(&parent).map(Some)
    }

    /// Returns how long the job may run after it was asked to stop; zero if it isn't asked.
    pub(super) fn grace(&self) -> Duration {
        self.options.grace.unwrap_or_default()
    }

    /// Returns whether the job's processes are captured when it is stopped.
    pub(super) fn wants_stacks(&self) -> bool {
        process::CAN_CAPTURE && self.options.stacks.unwrap_or_default()
    }

    /// Returns whether it runs on another machine.
    pub(super) fn is_remote(&self) -> bool {
        self.slots.is_some()
    }

    /// Returns the identity of the job while it waits.
    pub(crate) fn key(&self, number: usize) -> QueueKey {
        QueueKey { priority: self.options.priority.unwrap_or_default(), number, lane: self.lane }
    }
}
