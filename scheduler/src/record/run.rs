//! `Run`: one finished run of a job, with its value.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::checkpoint::{Checkpoint, HoldsCheckpoint};
use crate::clock::Deadline;
use crate::outcome::{
    Attempt, Captured, Failure, Late, Outcome, Panic, ProcessReuse, ProcessSnapshot, StandardStream, Status, Sweep,
    SweptBy, Usage,
};
use crate::record::{Record, RunSequence, Site};
use crate::result_codec::undecodable;
use crate::wire::codec::CodecError;

/// One finished run of a job whose result is a `T`.
///
/// Its accessors are those of a [`Record`], by the same names.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, run_job_with_timeout, Outcome};
///
/// #[job(stdout = "capture")]
/// fn add(a: u32, b: u32) -> u32 {
///     println!("{a} + {b}");
///     a + b
/// }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let run = run_job_with_timeout(add::job(1, 2), Duration::from_secs(10))?;
///     assert_eq!(run.outcome, Outcome::Ok(3));
///     assert_eq!(run.stdout().as_deref(), Some("1 + 2\n"));
///     assert!(run.duration < Duration::from_secs(10) && run.started_at().is_some());
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Run<T> {
    /// How it ended.
    pub outcome: Outcome<T>,
    /// How long the function ran, by the parent's monotonic clock; zero if it was not called.
    #[doc(alias = "elapsed")]
    pub duration: Duration,
    /// The end of the function in its grace period, if it was cancelled.
    pub(crate) late: Option<Late<T>>,
    pub(crate) details: RunDetails,
}

/// A finished run, before its result is decoded.
pub(crate) type RunReport = Run<Vec<u8>>;

/// What is known about a finished run apart from its outcome.
#[derive(Clone, Debug)]
pub(crate) struct RunDetails {
    /// When the function was called, by the wall clock.
    pub(crate) started_at: Option<SystemTime>,
    /// When the function had returned or was stopped, by the wall clock.
    pub(crate) ended_at: Option<SystemTime>,
    /// The id of the job's process.
    pub(crate) process: Option<u32>,
    pub(crate) usage: Usage,
    pub(crate) sweep: Sweep,
    /// `None` if no process was made.
    pub(crate) swept_by: Option<SweptBy>,
    pub(crate) stderr_tail: String,
    /// How the process failed after the outcome was complete, if it did.
    pub(crate) exit_failure: Option<Box<Failure>>,
    /// The first panics of any thread, without the one that is the outcome.
    pub(crate) panics: Box<[Panic]>,
    pub(crate) captured: Option<Captured>,
    /// Every attempt, if there was more than one.
    pub(crate) attempts: Box<[Attempt]>,
    /// The last checkpoint of this attempt or of an earlier one.
    pub(crate) checkpoint: Option<Checkpoint>,
    /// The processes of the job when it was stopped, if the option `stacks` asks for them.
    pub(crate) stacks: Arc<[ProcessSnapshot]>,
    /// What could not be removed.
    pub(crate) leftover: Option<Box<str>>,
    /// What became of a process that may serve several calls.
    pub(crate) reuse: Option<ProcessReuse>,
    /// It is of an earlier run of the application, from a journal.
    pub(crate) is_replayed: bool,
    /// A stop has dropped what was left to try: its retries, or its fallback.
    pub(crate) is_cut_short: bool,
    /// Where it ran, if not on the application's own machine.
    pub(crate) site: Option<Site>,
    /// The time at which no process of a lost job can be alive any more.
    pub(crate) gone_by: Option<Deadline>,
    /// The other runs in the same entry of a list, if there were any.
    pub(crate) sequence: Option<Box<RunSequence>>,
}

impl<T> Run<T> {
    /// Returns the kind of the outcome.
    #[must_use]
    pub fn status(&self) -> Status {
        self.outcome.status()
    }

    /// Returns how long the function ran: the field `duration`, under the name that a [`Record`](crate::Record::duration) has for it.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Returns how long the function ran in all [attempts](Self::attempts) together, without the times between them.
    #[must_use]
    pub fn total_duration(&self) -> Duration {
        match self.attempts() {
            [] => self.duration,
            attempts => attempts.iter().fold(Duration::ZERO, |sum, attempt| sum.saturating_add(attempt.duration)),
        }
    }

    /// Returns when the function was called, by the wall clock, in the last attempt; `None` if it was not called.
    #[must_use]
    pub fn started_at(&self) -> Option<SystemTime> {
        self.details.started_at
    }

    /// Returns when the function had returned or was stopped, as [`Record::ended_at`](crate::Record::ended_at) does.
    #[must_use]
    pub fn ended_at(&self) -> Option<SystemTime> {
        self.details.ended_at
    }

    /// Returns the id of the job's process, as [`Record::process`](crate::Record::process) does.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.details.process
    }

    /// Returns the reason for the status [`Error`](Status::Error), and `None` for every other status.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.outcome.failure()
    }

    /// Returns one line with the reason why there is no value, and `None` if there is one.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        self.outcome.error()
    }

    /// Returns the processor time and memory that the job used.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.details.usage
    }

    /// Returns the processes that the job left running.
    #[must_use]
    pub fn sweep(&self) -> &Sweep {
        &self.details.sweep
    }

    /// Returns the means by which those were found and killed, in the last attempt; `None` if no process was made.
    #[must_use]
    pub fn swept_by(&self) -> Option<SweptBy> {
        self.details.swept_by
    }

    /// Returns the last text, up to 8 KiB, that a job without a result, or with an [`exit_failure`](Self::exit_failure), wrote to its
    /// standard error.
    #[must_use]
    pub fn stderr_tail(&self) -> &str {
        &self.details.stderr_tail
    }

    /// Returns how the job's process failed after its outcome was complete, if it did. The outcome doesn't change.
    #[must_use]
    pub fn exit_failure(&self) -> Option<&Failure> {
        self.details.exit_failure.as_deref()
    }

    /// Returns the first panics of the job's threads and tasks, up to 8, as [`Record::panics`](crate::Record::panics) does.
    #[must_use]
    pub fn panics(&self) -> &[Panic] {
        &self.details.panics
    }

    /// Returns one line if the job's [temporary folder](macro@crate::job#temp_dir) could not be removed, as
    /// [`Record::temp_dir_error`](crate::Record::temp_dir_error) does.
    #[must_use]
    pub fn temp_dir_error(&self) -> Option<&str> {
        self.details.leftover.as_deref()
    }

    /// Returns the [captured](macro@crate::job#stdout-and-stderr) output of the last attempt; `None` if nothing was captured.
    #[must_use]
    pub fn output(&self) -> Option<&Captured> {
        self.details.captured.as_ref()
    }

    /// Returns the captured standard output as text, as [`Captured::text`] does.
    #[must_use]
    pub fn stdout(&self) -> Option<Cow<'_, str>> {
        self.output()?.text(StandardStream::Stdout)
    }

    /// Returns the captured standard error as text, as [`Captured::text`] does.
    #[must_use]
    pub fn stderr(&self) -> Option<Cow<'_, str>> {
        self.output()?.text(StandardStream::Stderr)
    }

    /// Returns every attempt at a job that was [tried more than once](macro@crate::job#retries), and nothing for a job that ran
    /// once. The rest of the run is about the last of them.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        &self.details.attempts
    }

    /// Returns the stacks of the job's processes when it was stopped, as [`Record::stacks`](crate::Record::stacks) does.
    #[must_use]
    pub fn stacks(&self) -> &[ProcessSnapshot] {
        &self.details.stacks
    }

    /// Returns `true` if the job gave a result after an attempt that had not. An attempt that was stopped for another reason than
    /// its own doesn't count.
    #[must_use]
    pub fn is_flaky(&self) -> bool {
        let failed = |attempt: &Attempt| {
            !matches!(attempt.failure(), None | Some(Failure::Cancelled { .. })) || attempt.status() == Status::Timeout
        };
        self.status().is_ok() && self.attempts().iter().any(failed)
    }

    /// Returns what became of the process, if it may serve several calls, as [`Record::reuse`](crate::Record::reuse) does.
    #[must_use]
    pub fn reuse(&self) -> Option<&ProcessReuse> {
        self.details.reuse.as_ref()
    }

    /// Returns `true` if it is of an earlier run of the application, as [`Record::is_replayed`](crate::Record::is_replayed) does.
    #[must_use]
    pub fn is_replayed(&self) -> bool {
        self.details.is_replayed
    }

    /// Returns `true` if a stop kept it from finishing, as [`Record::is_interrupted`](crate::Record::is_interrupted) does.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        match &self.outcome {
            Outcome::Ok(_) => false,
            Outcome::Error(Failure::Cancelled { .. }) => true,
            Outcome::Timeout(overrun) if overrun.is_of_list() => true,
            Outcome::Error(_) | Outcome::Timeout(_) => self.details.is_cut_short,
        }
    }

    /// Returns whether its function was never called, for a reason that may be gone when the job is started again.
    pub(crate) fn never_started(&self) -> bool {
        matches!(self.outcome, Outcome::Error(Failure::NeverStarted { .. }))
    }

    /// Returns whether a journal keeps it, so that the job doesn't run again: it was not interrupted, and its function was called.
    #[cfg(feature = "journal")]
    pub(crate) fn is_final(&self) -> bool {
        !self.is_interrupted() && !self.never_started()
    }

    /// Returns the value that the function returned in its grace period, after it was asked to stop: at its timeout
    /// ([`Overrun::value`](crate::Overrun::value)), or because it was [cancelled](crate::Failure::Cancelled).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduler::{job, observer, this_job, CancelToken, Failure, Observer, Outcome, Scheduler};
    ///
    /// #[job(grace = "10s")]
    /// fn wait_for_the_end() -> String {
    ///     this_job::cancelled().wait();
    ///     "put away".to_owned()
    /// }
    ///
    /// /// Cancels each job that starts.
    /// struct Impatient(CancelToken);
    ///
    /// impl Observer for Impatient {
    ///     fn started(&self, _: &observer::Started<'_>) {
    ///         self.0.cancel();
    ///     }
    /// }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let token = CancelToken::new();
    ///     let scheduler = Scheduler::new().cancel_token(&token).observer(Impatient(token.clone()));
    ///     let run = scheduler.spawn(wait_for_the_end::job())?.wait()?;
    ///     assert!(matches!(run.outcome, Outcome::Error(Failure::Cancelled { begun: true, .. })));
    ///     assert_eq!(run.late_result().map(String::as_str), Some("put away"));
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn late_result(&self) -> Option<&T> {
        let late = self.late.as_ref().and_then(Late::value);
        late.or_else(|| self.outcome.overrun()?.value())
    }

    /// Returns the value that the function returned in its grace period, as [`late_result`](Self::late_result) does.
    #[must_use]
    pub fn into_late_result(self) -> Option<T> {
        match self.outcome {
            Outcome::Timeout(overrun) => overrun.into_value(),
            _ => self.late?.into_value(),
        }
    }

    /// Returns how the function failed in its grace period, if it did: it returned `Err`, it panicked, or its process exited.
    #[must_use]
    pub fn late_failure(&self) -> Option<&Failure> {
        let late = self.late.as_ref().and_then(Late::failure);
        late.or_else(|| self.outcome.overrun()?.failure())
    }

    /// Returns the records of its [follow-up jobs](macro@crate::job#follow_up), as [`Record::follow_ups`](crate::Record::follow_ups) does.
    #[must_use]
    pub fn follow_ups(&self) -> &[Record] {
        self.details.sequence.as_ref().map_or(&[], |sequence| &sequence.follow_ups)
    }

    /// Returns the records of the parts of a [chain](crate::Job::and_then) before the one that this run is of, as
    /// [`Record::steps`](crate::Record::steps) does.
    #[must_use]
    pub fn steps(&self) -> &[Record] {
        self.details.sequence.as_ref().map_or(&[], |sequence| &sequence.steps)
    }

    /// Returns `true` if this is the run of a [fallback](crate::Job::or_else), as
    /// [`Record::is_fallback`](crate::Record::is_fallback) does.
    #[must_use]
    pub fn is_fallback(&self) -> bool {
        self.details.sequence.as_ref().is_some_and(|sequence| sequence.is_fallback)
    }

    /// Decodes the value of a report.
    pub(crate) fn of(report: RunReport, decode: fn(&[u8]) -> Result<T, CodecError>) -> Self {
        report.with_own_type().and_then(|bytes| decode(&bytes).map_err(|error| undecodable(&error)))
    }

    /// Decodes the value of a report that is kept, so that it can be decoded again.
    pub(crate) fn of_kept(report: &RunReport, decode: fn(&[u8]) -> Result<T, CodecError>) -> Self {
        let Run { outcome, duration, late, details } = report;
        let late = late.as_ref().map(Late::borrowed);
        let run = Run { outcome: outcome.borrowed(), duration: *duration, late, details: details.clone() };
        run.with_own_type().and_then(|bytes| decode(bytes).map_err(|error| undecodable(&error)))
    }

    /// Drops a late value of a chain that ended early: it has the type of another part.
    fn with_own_type(mut self) -> Self {
        if self.details.sequence.as_ref().is_some_and(|sequence| sequence.is_partial) {
            self.late = self.late.and_then(Late::without_value);
            self.outcome = self.outcome.without_late_value();
        }
        self
    }

    /// Returns whether it was cancelled before it began, and before any part of its chain.
    pub(crate) fn never_began(&self) -> bool {
        matches!(self.outcome, Outcome::Error(Failure::Cancelled { begun: false })) && self.steps().is_empty()
    }

    /// Returns whether this run, or a part before it, was stopped at its timeout.
    pub(crate) fn has_timed_out(&self) -> bool {
        let is_timeout = |outcome: &Outcome<Vec<u8>>| matches!(outcome, Outcome::Timeout(_));
        matches!(self.outcome, Outcome::Timeout(_)) || self.steps().iter().any(|step| is_timeout(&step.run.outcome))
    }

    /// Converts the value, in time or late.
    pub(crate) fn and_then<U>(self, convert: impl Fn(T) -> Result<U, Failure>) -> Run<U> {
        let Self { outcome, duration, late, details } = self;
        Run { outcome: outcome.and_then(&convert), duration, late: late.map(|late| late.and_then(&convert)), details }
    }
}

impl RunReport {
    /// Returns the report of a job whose process could not be made.
    pub(crate) fn without_a_process(error: &io::Error) -> Self {
        let reason = format!("its process could not be made: {error}");
        Self::not_begun(Failure::NeverStarted { reason })
    }

    /// Returns the report of a job whose arguments can't be sent.
    pub(crate) fn without_arguments(reason: &str) -> Self {
        Self::not_begun(Failure::NeverStarted { reason: reason.to_owned() })
    }

    /// Returns the report of a value that takes the place of a result.
    pub(crate) fn of_value(bytes: Vec<u8>) -> Self {
        Self { outcome: Outcome::Ok(bytes), ..Self::not_begun(Failure::Cancelled { begun: false }) }
    }

    /// Returns the report of a job for which no process was made, for this reason.
    pub(crate) fn not_begun(failure: Failure) -> Self {
        let details = RunDetails {
            started_at: None,
            ended_at: None,
            process: None,
            usage: Usage::default(),
            sweep: Sweep::Clean,
            swept_by: None,
            stderr_tail: String::new(),
            exit_failure: None,
            panics: Box::default(),
            captured: None,
            attempts: Box::default(),
            checkpoint: None,
            stacks: Arc::default(),
            leftover: None,
            reuse: None,
            is_replayed: false,
            is_cut_short: false,
            site: None,
            gone_by: None,
            sequence: None,
        };
        Self { outcome: Outcome::Error(failure), duration: Duration::ZERO, late: None, details }
    }
}

impl<T> HoldsCheckpoint for Run<T> {
    fn held(&self) -> Option<&Checkpoint> {
        self.details.checkpoint.as_ref()
    }
}
