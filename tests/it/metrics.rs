//! What a recorder of `metrics` receives of jobs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ::metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use scheduler::{Metrics, Scheduler, Status, jobs};
use scheduler_tests::attempts::comes_to;
use scheduler_tests::ending::Ending;
use scheduler_tests::jobs::{fast, hangs, panics};

use crate::{PLENTY, wait_until};

const GAUGES: [&str; 2] = ["scheduler_jobs_waiting{}", "scheduler_jobs_running{}"];

/// Keeps the sums of counters and gauges, and the number of values of each histogram.
#[derive(Clone, Debug, Default)]
struct Sums(Arc<Mutex<BTreeMap<String, Arc<Sum>>>>);

#[derive(Debug, Default)]
struct Sum {
    count: AtomicU64,
    gauge: Mutex<f64>,
}

impl CounterFn for Sum {
    fn increment(&self, value: u64) {
        self.count.fetch_add(value, Ordering::SeqCst);
    }

    fn absolute(&self, _: u64) {}
}

impl GaugeFn for Sum {
    fn increment(&self, value: f64) {
        self.count.fetch_add(1, Ordering::SeqCst);
        *self.gauge.lock().expect("the lock is not poisoned") += value;
    }

    fn decrement(&self, value: f64) {
        GaugeFn::increment(self, -value);
    }

    fn set(&self, _: f64) {}
}

impl HistogramFn for Sum {
    fn record(&self, value: f64) {
        assert!(value >= 0.0, "{value}");
        self.count.fetch_add(1, Ordering::SeqCst);
    }
}

impl Sums {
    fn of(&self, key: &Key) -> Arc<Sum> {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = format!("{}{{{}}}", key.name(), labels.join(","));
        Arc::clone(self.0.lock().expect("the lock is not poisoned").entry(name).or_default())
    }
}

impl Recorder for Sums {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.of(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.of(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.of(key))
    }
}

#[test]
fn jobs_are_counted_and_measured_by_name_and_outcome() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let flaky = comes_to::job(folder.path().join("notes"), "a".to_owned(), vec![Ending::Fails]).retries(1);
    let sums = Sums::default();
    ::metrics::with_local_recorder(&sums, || {
        let list = jobs![("a", { flaky }), ("b", fast), ("c", fast), ("d", panics)];
        Scheduler::new().observer(Metrics::new()).run(list).expect("the input is fine");
    });
    let sums = sums.0.lock().expect("the lock is not poisoned");
    let count = |name: &str| {
        let sum = sums.get(name).unwrap_or_else(|| panic!("{name}: {sums:#?}"));
        sum.count.load(Ordering::SeqCst)
    };
    let [flaky, fast, panics] =
        ["attempts::comes_to", "jobs::fast", "jobs::panics"].map(|job| format!("scheduler_tests::{job}"));
    assert_eq!(count(&format!("scheduler_jobs_queued_total{{job={fast}}}")), 2);
    assert_eq!(count(&format!("scheduler_jobs_total{{job={fast},outcome=ok}}")), 2);
    assert_eq!(count(&format!("scheduler_jobs_total{{job={panics},outcome=error}}")), 1);
    assert_eq!(count(&format!("scheduler_attempts_total{{job={flaky},outcome=error}}")), 1);
    assert_eq!(count(&format!("scheduler_attempts_total{{job={flaky},outcome=ok}}")), 1);
    assert_eq!(count(&format!("scheduler_failures_total{{job={flaky},kind=returned}}")), 1);
    assert_eq!(count(&format!("scheduler_failures_total{{job={panics},kind=panicked}}")), 1);
    assert_eq!(count(&format!("scheduler_retries_total{{job={flaky}}}")), 1);
    assert_eq!(count(&format!("scheduler_flaky_jobs_total{{job={flaky}}}")), 1);
    assert_eq!(count(&format!("scheduler_attempt_duration_seconds{{job={fast},outcome=ok}}")), 2);
    assert_eq!(count(&format!("scheduler_wait_seconds{{job={flaky}}}")), 1);
    assert_eq!(count(&format!("scheduler_peak_memory_bytes{{job={panics}}}")), 1);
    for gauge in GAUGES {
        assert!(count(gauge) > 0);
        let left = *sums[gauge].gauge.lock().expect("the lock is not poisoned");
        assert!(left.abs() < 0.5, "{gauge}: {left}");
    }
}

/// The events after the drop come from another thread, so that this takes the recorder of the whole process.
#[test]
fn after_a_dropped_list_no_job_is_counted_as_waiting_or_running() {
    let sums = Sums::default();
    ::metrics::set_global_recorder(sums.clone()).expect("no other test sets it");
    let gauges = || {
        let sums = sums.0.lock().expect("the lock is not poisoned");
        GAUGES.map(|gauge| sums.get(gauge).map_or(0.0, |sum| *sum.gauge.lock().expect("the lock is not poisoned")))
    };
    let scheduler = Scheduler::new().timeout(PLENTY).observer(Metrics::new());
    let mut running = scheduler.stream(jobs![("a", fast), ("b", hangs), ("c", fast)]).expect("it starts");
    assert!(running.next().is_some_and(|record| record.status() == Status::Ok));
    assert!(gauges().iter().any(|count| *count > 0.5), "the second job waits or runs: {:?}", gauges());
    drop(running);
    wait_until("no job waits or runs", || gauges().iter().all(|count| count.abs() < 0.5));
}
