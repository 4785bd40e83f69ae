//! `Tracing`: an observer that forwards events to `tracing`.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard};

use ::tracing::field::Empty;
use ::tracing::{Span, debug, info, info_span, warn};

use crate::observer::{
    AttemptEnded, CheckpointSaved, Message, Observer, Postponed, Progress, Queued, Recorded, Slow, Started, Swept,
    Terminating,
};
use crate::outcome::{Outcome, ProcessSnapshot, Sweep};
use crate::sync::lock;

/// An [`Observer`] that forwards the events of jobs to [`tracing`](https://docs.rs/tracing), with the target `scheduler`. Needs the
/// feature `tracing`.
///
/// Each job has a span `job`, from when it is queued until it is recorded, within the span that is current where the list is run.
/// In it, each attempt has a span `attempt`. The events are those of the observer: successes at the level `info`, failures at
/// `warn`, details at `debug`. If [stacks](macro@crate::job#stacks) were taken, an event `stacks` at `warn` has them as text, in the
/// field `stacks`.
///
/// | field | span | value |
/// |---|---|---|
/// | `job_id`, `job` | `job` | the caller's id, and the registered name |
/// | `group` | `job` | the job's group, if it has one |
/// | `attempt`, `slot` | `attempt` | their numbers, from 1 |
/// | `process.pid` | `attempt` | the id of the job's process |
/// | `outcome` | both, at the end | `ok`, `error` or `timeout` |
/// | `error.type` | both, at the end | the [kind](crate::Failure::kind) of the failure, if there is one |
/// | `code.function.name` | `job` | the registered name |
/// | `otel.name`, `otel.status_code`, `otel.status_description` | both | what `tracing-opentelemetry` takes a span's name and status from |
///
/// Names with a dot are those of OpenTelemetry's [semantic conventions](https://opentelemetry.io/docs/specs/semconv/).
///
/// This crate installs no subscriber.
///
/// # Examples
///
/// ```
/// use scheduler::{job, jobs, Scheduler, Tracing};
///
/// #[job]
/// fn quick() -> u8 { 1 }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     // tracing_subscriber::fmt::init();
///     let records = Scheduler::new().observer(Tracing::new()).run(jobs![("a", quick)])?;
///     assert_eq!(records[0].result::<u8>()?, 1);
///     Ok(())
/// }
/// ```
#[derive(Default)]
pub struct Tracing {
    spans: Mutex<HashMap<u64, Spans>>,
}

/// The spans of a job that is not over.
struct Spans {
    job: Span,
    attempt: Option<Span>,
}

impl Tracing {
    /// Returns an observer for [`Scheduler::observer`](crate::Scheduler::observer). It may serve any number of schedulers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn spans(&self) -> MutexGuard<'_, HashMap<u64, Spans>> {
        lock(&self.spans)
    }

    /// Returns the span of the job's current attempt or, between attempts, that of the job.
    fn innermost(&self, key: u64) -> Span {
        let spans = self.spans();
        spans.get(&key).map_or_else(Span::none, |of| of.attempt.as_ref().unwrap_or(&of.job).clone())
    }
}

impl Observer for Tracing {
    fn queued(&self, event: &Queued<'_>) {
        let (job_id, job, group) = (event.job_id, event.job, event.group);
        let job = info_span!(
            target: "scheduler",
            "job",
            job_id,
            job,
            group,
            outcome = Empty,
            code.function.name = job,
            "error.type" = Empty,
            otel.name = job,
            otel.status_code = Empty,
            otel.status_description = Empty,
        );
        debug!(target: "scheduler", parent: &job, "queued");
        self.spans().insert(event.key, Spans { job, attempt: None });
    }

    fn postponed(&self, event: &Postponed<'_>) {
        let Postponed { running, reason, .. } = *event;
        warn!(target: "scheduler", parent: &self.innermost(event.key), running, reason, "postponed");
    }

    fn started(&self, event: &Started<'_>) {
        let Started { attempt, slot, process, .. } = *event;
        let job = self.innermost(event.key);
        let span = info_span!(
            target: "scheduler",
            parent: &job,
            "attempt",
            attempt,
            slot,
            process.pid = process,
            outcome = Empty,
            "error.type" = Empty,
            otel.name = %format_args!("attempt {attempt}"),
            otel.status_code = Empty,
            otel.status_description = Empty,
        );
        info!(target: "scheduler", parent: &span, "started");
        if let Some(spans) = self.spans().get_mut(&event.key) {
            spans.attempt = Some(span);
        }
    }

    fn progress(&self, event: &Progress<'_>) {
        let Progress { done, total, .. } = *event;
        debug!(target: "scheduler", parent: &self.innermost(event.key), done, total, "progress");
    }

    fn message(&self, event: &Message<'_>) {
        debug!(target: "scheduler", parent: &self.innermost(event.key), text = event.text, "message");
    }

    fn checkpoint_saved(&self, event: &CheckpointSaved<'_>) {
        debug!(target: "scheduler", parent: &self.innermost(event.key), bytes = event.checkpoint.len(), "checkpoint saved");
    }

    fn slow(&self, event: &Slow<'_>) {
        let after_sec = event.after.as_secs_f64();
        warn!(target: "scheduler", parent: &self.innermost(event.key), after_sec, "slow");
    }

    fn terminating(&self, event: &Terminating<'_>) {
        warn!(target: "scheduler", parent: &self.innermost(event.key), reason = event.reason, "terminating");
    }

    fn attempt_ended(&self, event: &AttemptEnded<'_>) {
        let span = self.innermost(event.key);
        let status = event.attempt.status().as_str();
        let duration_sec = event.attempt.duration().as_secs_f64();
        let retry_in_sec = event.retry_in.map(|time| time.as_secs_f64());
        if !event.attempt.stacks().is_empty() {
            let stacks = ProcessSnapshot::tree(event.attempt.stacks());
            warn!(target: "scheduler", parent: &span, %stacks, "stacks");
        }
        close(&span, &event.attempt.outcome);
        match event.attempt.error() {
            None => info!(target: "scheduler", parent: &span, status, duration_sec, "attempt ended"),
            Some(error) => {
                warn!(target: "scheduler", parent: &span, status, duration_sec, error, retry_in_sec, "attempt ended");
            }
        }
    }

    fn swept(&self, event: &Swept<'_>) {
        let span = self.innermost(event.key);
        match event.sweep {
            // Not every platform can verify that nothing is left. Where it can, and a sweep failed to, the record has that.
            Sweep::Clean | Sweep::Unproved { killed: 0 } => {
                debug!(target: "scheduler", parent: &span, sweep = %event.sweep, "swept");
            }
            found => warn!(target: "scheduler", parent: &span, sweep = %found, "swept"),
        }
        drop(span);
        // The sweep is the last event of an attempt.
        let attempt = self.spans().get_mut(&event.key).and_then(|spans| spans.attempt.take());
        drop(attempt);
    }

    fn recorded(&self, event: &Recorded<'_>) {
        let spans = self.spans().remove(&event.key);
        let span = spans.map_or_else(Span::none, |spans| spans.job);
        let record = event.record;
        close(&span, &record.run.outcome);
        let (status, attempts) = (record.status().as_str(), record.attempts().len().max(1));
        let duration_sec = record.duration().as_secs_f64();
        if record.status().is_ok() {
            info!(target: "scheduler", parent: &span, status, duration_sec, attempts, "recorded");
        } else {
            let error = record.error().unwrap_or_default();
            warn!(target: "scheduler", parent: &span, status, duration_sec, attempts, error, "recorded");
        }
    }
}

/// Records how a job or an attempt ended.
fn close<T>(span: &Span, outcome: &Outcome<T>) {
    span.record("outcome", outcome.status().as_str());
    let Some((kind, error)) = outcome.failure_kind().zip(outcome.error()) else {
        span.record("otel.status_code", "OK");
        return;
    };
    span.record("error.type", kind);
    span.record("otel.status_code", "ERROR").record("otel.status_description", error);
}

impl fmt::Debug for Tracing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracing").field("jobs", &self.spans().len()).finish()
    }
}
