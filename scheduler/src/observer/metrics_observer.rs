//! `Metrics`: an observer that counts and measures with the facade `metrics`.

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;
use std::time::SystemTime;

use ::metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::observer::{AttemptEnded, Observer, Queued, Recorded, Started, Swept};
use crate::outcome::Sweep;
use crate::sync::lock;

/// An [`Observer`] that counts and measures jobs with the facade [`metrics`](https://docs.rs/metrics), for Prometheus
/// and other systems that have an exporter for it. Needs the feature `metrics`.
///
/// | name | kind | labels | value |
/// |---|---|---|---|
/// | `scheduler_jobs_queued_total` | counter | `job` | jobs that were queued |
/// | `scheduler_jobs_total` | counter | `job`, `outcome` | jobs that are over |
/// | `scheduler_attempts_total` | counter | `job`, `outcome` | attempts that are over |
/// | `scheduler_failures_total` | counter | `job`, `kind` | attempts without a result, by the [kind](crate::Failure::kind) of their failure |
/// | `scheduler_retries_total` | counter | `job` | attempts that another one follows |
/// | `scheduler_flaky_jobs_total` | counter | `job` | jobs that gave a result after an attempt that had not |
/// | `scheduler_leftover_processes_total` | counter | `job` | processes that jobs left running, which were killed |
/// | `scheduler_jobs_waiting` | gauge | | jobs that wait for their turn or for their next attempt |
/// | `scheduler_jobs_running` | gauge | | jobs that run |
/// | `scheduler_attempt_duration_seconds` | histogram | `job`, `outcome` | how long the function ran |
/// | `scheduler_wait_seconds` | histogram | `job` | how long a job waited for its first attempt |
/// | `scheduler_cpu_seconds` | histogram | `job` | the processor time of an attempt |
/// | `scheduler_peak_memory_bytes` | histogram | `job` | the largest memory of an attempt |
///
/// `job` is the registered name, and `outcome` is `ok`, `error` or `timeout`: the number of series depends on the
/// program, not on the ids or errors of its jobs.
///
/// This crate installs no recorder. Install yours before the first job runs.
///
/// # Examples
///
/// ```
/// use scheduler::{job, jobs, Metrics, Scheduler};
///
/// #[job]
/// fn quick() -> u8 { 1 }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     // metrics_exporter_prometheus::PrometheusBuilder::new().install()?;
///     let records = Scheduler::new().observer(Metrics::new()).run(jobs![("a", quick)])?;
///     assert_eq!(records[0].result::<u8>()?, 1);
///     Ok(())
/// }
/// ```
#[derive(Default)]
#[doc(alias = "prometheus")]
pub struct Metrics {
    jobs: Mutex<HashMap<u64, Phase>>,
}

/// What a job that is not over does.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Queued(SystemTime),
    Running,
    Retried,
}

impl Metrics {
    /// Returns an observer for [`Scheduler::observer`](crate::Scheduler::observer), and describes the metrics to the
    /// recorder that is installed. It may serve any number of schedulers.
    #[must_use]
    pub fn new() -> Self {
        describe_counter!("scheduler_jobs_queued_total", "Jobs that were queued.");
        describe_counter!("scheduler_jobs_total", "Jobs that are over.");
        describe_counter!("scheduler_attempts_total", "Attempts that are over.");
        describe_counter!("scheduler_failures_total", "Attempts without a result, by the kind of their failure.");
        describe_counter!("scheduler_retries_total", "Attempts that another one follows.");
        describe_counter!("scheduler_flaky_jobs_total", "Jobs that gave a result after an attempt that had not.");
        describe_counter!("scheduler_leftover_processes_total", "Processes that jobs left running, which were killed.");
        describe_gauge!("scheduler_jobs_waiting", "Jobs that wait for their turn or for their next attempt.");
        describe_gauge!("scheduler_jobs_running", "Jobs that run.");
        describe_histogram!("scheduler_attempt_duration_seconds", Unit::Seconds, "How long the function ran.");
        describe_histogram!("scheduler_wait_seconds", Unit::Seconds, "How long a job waited for its first attempt.");
        describe_histogram!("scheduler_cpu_seconds", Unit::Seconds, "The processor time of an attempt.");
        describe_histogram!("scheduler_peak_memory_bytes", Unit::Bytes, "The largest memory of an attempt.");
        Self::default()
    }

    /// Sets the phase of a job, and returns the one before.
    fn enter(&self, key: u64, phase: Option<Phase>) -> Option<Phase> {
        let mut jobs = lock(&self.jobs);
        let before = match phase {
            Some(phase) => jobs.insert(key, phase),
            None => jobs.remove(&key),
        };
        drop(jobs);
        for (phase, change) in [(before, -1.0), (phase, 1.0)] {
            match phase {
                None => {}
                Some(Phase::Running) => gauge!("scheduler_jobs_running").increment(change),
                Some(Phase::Queued(_) | Phase::Retried) => gauge!("scheduler_jobs_waiting").increment(change),
            }
        }
        before
    }
}

impl Observer for Metrics {
    fn queued(&self, event: &Queued<'_>) {
        counter!("scheduler_jobs_queued_total", "job" => event.job).increment(1);
        self.enter(event.key, Some(Phase::Queued(event.at)));
    }

    fn started(&self, event: &Started<'_>) {
        if let Some(Phase::Queued(at)) = self.enter(event.key, Some(Phase::Running)) {
            let waited = event.at.duration_since(at).unwrap_or_default();
            histogram!("scheduler_wait_seconds", "job" => event.job).record(waited);
        }
    }

    fn attempt_ended(&self, event: &AttemptEnded<'_>) {
        let (job, outcome) = (event.job, event.attempt.status().as_str());
        counter!("scheduler_attempts_total", "job" => job, "outcome" => outcome).increment(1);
        let usage = event.attempt.usage();
        histogram!("scheduler_attempt_duration_seconds", "job" => job, "outcome" => outcome)
            .record(event.attempt.duration());
        histogram!("scheduler_cpu_seconds", "job" => job).record(usage.user + usage.system);
        #[expect(clippy::cast_precision_loss, reason = "the facade takes this type")]
        histogram!("scheduler_peak_memory_bytes", "job" => job).record(usage.peak_memory as f64);
        if let Some(kind) = event.attempt.outcome.failure_kind() {
            counter!("scheduler_failures_total", "job" => job, "kind" => kind).increment(1);
        }
        if event.retry_in.is_some() {
            counter!("scheduler_retries_total", "job" => job).increment(1);
            self.enter(event.key, Some(Phase::Retried));
        }
    }

    fn swept(&self, event: &Swept<'_>) {
        let killed = match event.sweep {
            Sweep::Clean => 0,
            Sweep::Killed { count } => *count,
            Sweep::Escaped { pids } => pids.len(),
            Sweep::Unproved { killed } => *killed,
        };
        if killed > 0 {
            counter!("scheduler_leftover_processes_total", "job" => event.job).increment(killed as u64);
        }
    }

    fn recorded(&self, event: &Recorded<'_>) {
        let (job, record) = (event.job, event.record);
        counter!("scheduler_jobs_total", "job" => job, "outcome" => record.status().as_str()).increment(1);
        if record.is_flaky() {
            counter!("scheduler_flaky_jobs_total", "job" => job).increment(1);
        }
        self.enter(event.key, None);
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
