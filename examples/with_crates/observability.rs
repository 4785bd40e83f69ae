//! Metrics and spans of jobs: `cargo run -p with-crates --example observability`.
//!
//! A service would install `metrics_exporter_prometheus` as the recorder, and export the spans with
//! `tracing-opentelemetry`, which takes their names and statuses from their fields. Here both are printed.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit};
use scheduler::{Metrics, Scheduler, Tracing, job, jobs, this_job};
use tracing_subscriber::fmt::format::FmtSpan;

/// Succeeds at the second attempt.
#[job(retries = 2)]
fn fetch(page: u32) -> Result<u32, String> {
    if this_job::attempt() == 1 {
        return Err("connection reset".to_owned());
    }
    Ok(page * 2)
}

#[job]
fn render(page: u32) -> String {
    format!("page {page}")
}

/// Never returns.
#[job(timeout = "100ms")]
fn hang() {
    loop {
        std::thread::park();
    }
}

#[scheduler::main]
fn main() -> Result<(), Box<dyn Error>> {
    // The recorder comes first: what is counted before it is lost.
    let counters = Counters::default();
    metrics::set_global_recorder(counters.clone())?;
    // The end of each span is printed with all of its fields, such as `outcome` and `process.pid`.
    tracing_subscriber::fmt().with_ansi(false).with_span_events(FmtSpan::CLOSE).init();

    Scheduler::new()
        .concurrency(2)
        .timeout(Duration::from_secs(10))
        .observer(Metrics::new())
        .observer(Tracing::new())
        .run(jobs![("fetch 1", fetch(1)), ("render 1", render(1)), ("render 2", render(2)), ("hang", hang)])?;

    for (name, count) in &*counters.0.lock().unwrap_or_else(PoisonError::into_inner) {
        println!("{name} {}", count.load(Ordering::Relaxed));
    }
    Ok(())
}

/// The smallest recorder: it keeps the counters, in the form that Prometheus shows.
#[derive(Clone, Debug, Default)]
struct Counters(Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>);

impl metrics::Recorder for Counters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={:?}", label.key(), label.value())).collect();
        let name = format!("{}{{{}}}", key.name(), labels.join(", "));
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Counter::from_arc(Arc::clone(counters.entry(name).or_default()))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
