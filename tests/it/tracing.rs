//! What a subscriber of `tracing` receives of jobs.

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ::tracing::field::{Field, Visit};
use ::tracing::span::{Attributes, Id, Record};
use ::tracing::{Event, Metadata, Subscriber};
use scheduler::{Scheduler, Tracing, jobs, this_job};
use scheduler_tests::attempts::comes_to;
use scheduler_tests::ending::Ending;
use scheduler_tests::platform::PROVES_SWEEPS;

/// Records every span and event, each with its parent span.
#[derive(Clone, Default)]
struct Book(Arc<Pages>);

#[derive(Default)]
struct Pages {
    lines: Mutex<Vec<String>>,
    spans: AtomicU64,
}

impl Book {
    fn write(&self, line: String) {
        self.0.lines.lock().expect("the lock is not poisoned").push(line);
    }
}

/// Writes fields, but for those that are never the same.
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if !["duration_sec", "process.pid"].contains(&field.name()) {
            write!(self.0, " {}={value:?}", field.name()).expect("text can be written");
        }
    }
}

impl Subscriber for Book {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "scheduler"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = self.0.spans.fetch_add(1, Ordering::SeqCst) + 1;
        let mut fields = Fields(String::new());
        span.record(&mut fields);
        let parent = span.parent().map_or(0, Id::into_u64);
        self.write(format!("{parent}: {} {id}{}", span.metadata().name(), fields.0));
        Id::from_u64(id)
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        let parent = event.parent().map_or(0, Id::into_u64);
        self.write(format!("{parent}: {}{}", event.metadata().level(), fields.0));
    }

    fn try_close(&self, id: Id) -> bool {
        self.write(format!("{} closed", id.into_u64()));
        true
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        let mut fields = Fields(String::new());
        values.record(&mut fields);
        self.write(format!("{}: recorded{}", id.into_u64(), fields.0));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Without what a span's clones say when they are dropped, of which there may be any number.
fn reported(book: &Book) -> Vec<String> {
    let lines = book.0.lines.lock().expect("the lock is not poisoned");
    let mut reported: Vec<String> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let is_last = !lines[index + 1..].contains(line);
        if !line.ends_with(" closed") || is_last {
            reported.push(line.clone());
        }
    }
    reported
}

/// Reports progress, and waits until it is cancelled.
#[scheduler::job(timeout = "300ms", grace = "30s")]
fn talks() {
    this_job::message("at work");
    this_job::progress(1, 2);
    this_job::checkpoint(&1_u8).expect("a number can be saved");
    this_job::cancelled().wait();
}

#[test]
fn progress_is_logged_in_the_span_of_its_attempt() {
    let book = Book::default();
    ::tracing::subscriber::with_default(book.clone(), || {
        Scheduler::new().observer(Tracing::new()).run(jobs![("J1", talks)]).expect("the input is fine");
    });
    let reported = reported(&book);
    for line in [
        "2: DEBUG message=message text=\"at work\"",
        "2: DEBUG message=progress done=1 total=2",
        "2: DEBUG message=checkpoint saved bytes=",
        "2: WARN message=terminating reason=\"timeout\"",
    ] {
        assert!(reported.iter().any(|reported| reported.starts_with(line)), "{line}: {reported:#?}");
    }
}

#[cfg(all(feature = "stacks", wardens))]
#[test]
fn the_stacks_of_a_timeout_are_one_event_in_the_span_of_its_attempt() {
    let book = Book::default();
    let hangs = scheduler_tests::jobs::hangs::job().timeout(std::time::Duration::from_millis(300));
    ::tracing::subscriber::with_default(book.clone(), || {
        let scheduler = Scheduler::new().stacks(true).observer(Tracing::new());
        scheduler.run(jobs![("J1", { hangs })]).expect("the input is fine");
    });
    let reported = reported(&book);
    let events: Vec<_> = reported.iter().filter(|line| line.contains("message=stacks")).collect();
    let [event] = &events[..] else { panic!("{reported:#?}") };
    assert!(event.starts_with("2: WARN message=stacks stacks=process "), "{event}");
}

#[test]
fn a_job_has_a_span_and_each_attempt_has_one_in_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let job = comes_to::job(folder.path().join("notes"), "a".to_owned(), vec![Ending::Fails]).retries(1);
    let book = Book::default();
    ::tracing::subscriber::with_default(book.clone(), || {
        Scheduler::new().observer(Tracing::new()).run(jobs![("J1", { job })]).expect("the input is fine");
    });
    let swept = if PROVES_SWEEPS {
        "2: DEBUG message=swept sweep=nothing was left behind"
    } else {
        "2: DEBUG message=swept sweep=it can't be verified that nothing was left behind"
    };
    let name = "scheduler_tests::attempts::comes_to";
    let expected = [
        &format!(r#"0: job 1 job_id="J1" job="{name}" code.function.name="{name}" otel.name="{name}""#),
        "1: DEBUG message=queued",
        "1: attempt 2 attempt=1 slot=1 otel.name=attempt 1",
        "2: INFO message=started",
        r#"2: recorded outcome="error""#,
        r#"2: recorded error.type="returned""#,
        r#"2: recorded otel.status_code="ERROR""#,
        r#"2: recorded otel.status_description="returned an error: as requested""#,
        r#"2: WARN message=attempt ended status="error" error="returned an error: as requested" retry_in_sec=0.0"#,
        swept,
        "2 closed",
        "1: attempt 3 attempt=2 slot=1 otel.name=attempt 2",
        "3: INFO message=started",
        r#"3: recorded outcome="ok""#,
        r#"3: recorded otel.status_code="OK""#,
        r#"3: INFO message=attempt ended status="ok""#,
        &swept.replace('2', "3"),
        "3 closed",
        r#"1: recorded outcome="ok""#,
        r#"1: recorded otel.status_code="OK""#,
        r#"1: INFO message=recorded status="ok" attempts=2"#,
        "1 closed",
    ];
    let reported = reported(&book);
    assert_eq!(reported, expected, "{reported:#?}");
}

/// Reports everything that a job can, and returns when it is cancelled.
#[scheduler::job(timeout = "300ms", grace = "1m")]
fn tells_all() {
    this_job::progress(1, 2);
    this_job::message("at work");
    this_job::checkpoint(&7_u8).expect("the parent is there");
    this_job::cancelled().wait();
}

#[test]
fn what_a_job_tells_is_told_in_the_span_of_its_attempt() {
    let book = Book::default();
    ::tracing::subscriber::with_default(book.clone(), || {
        Scheduler::new().observer(Tracing::new()).run(jobs![("J1", tells_all)]).expect("the input is fine");
    });
    let reported = reported(&book);
    for line in [
        "2: DEBUG message=progress done=1 total=2",
        r#"2: DEBUG message=message text="at work""#,
        "2: DEBUG message=checkpoint saved bytes=14",
        r#"2: WARN message=terminating reason="timeout""#,
    ] {
        assert!(reported.iter().any(|other| other == line), "{line}: {reported:#?}");
    }
}
