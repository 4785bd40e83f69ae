//! Lists that are dropped or fail: the observers still receive every event of each job that was queued, up to its record.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use scheduler::observer::{AttemptEnded, Queued, Recorded, Started};
use scheduler::{AnyJob, Failure, Observer, Scheduler, Status, jobs};
use scheduler_tests::jobs::{fast, hangs};

use crate::{PLENTY, wait_until};

const SHORT: Duration = Duration::from_millis(300);

/// The events of each job, by its key, and the threads that reported them.
#[derive(Default)]
struct Events {
    jobs: Mutex<BTreeMap<u64, Vec<String>>>,
    threads: Mutex<Vec<ThreadId>>,
}

impl Events {
    fn note(&self, key: u64, event: &str) {
        self.jobs.lock().expect("no thread panics with it").entry(key).or_default().push(event.to_owned());
        self.threads.lock().expect("no thread panics with it").push(thread::current().id());
    }

    fn all(&self) -> Vec<Vec<String>> {
        self.jobs.lock().expect("no thread panics with it").values().cloned().collect()
    }

    fn count(&self, event: &str) -> usize {
        self.all().iter().flatten().filter(|noted| noted.starts_with(event)).count()
    }

    /// Waits until every job that was queued is recorded, and at least as many, and returns the events of each job.
    fn complete(&self, least: usize) -> Vec<Vec<String>> {
        wait_until("every job is recorded", || self.count("recorded") >= self.count("queued").max(least));
        self.all()
    }
}

impl Observer for Events {
    fn queued(&self, event: &Queued<'_>) {
        self.note(event.key, "queued");
    }

    fn started(&self, event: &Started<'_>) {
        self.note(event.key, "started");
    }

    fn attempt_ended(&self, event: &AttemptEnded<'_>) {
        self.note(event.key, "ended");
    }

    fn recorded(&self, event: &Recorded<'_>) {
        let how = match event.record.failure() {
            Some(Failure::Cancelled { begun: true, .. }) => "cancelled while it ran",
            Some(Failure::Cancelled { begun: false, .. }) => "cancelled before it began",
            _ => event.record.status().as_str(),
        };
        self.note(event.key, &format!("recorded: {how}"));
    }
}

const STOPPED: [&str; 4] = ["queued", "started", "ended", "recorded: cancelled while it ran"];
const UNSTARTED: [&str; 2] = ["queued", "recorded: cancelled before it began"];

/// Whether a task was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn poll<F: Future + Unpin>(future: &mut F) {
    assert!(std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[test]
fn every_job_of_a_dropped_future_is_recorded_on_another_thread() {
    for concurrency in [1, 2] {
        let events = Arc::new(Events::default());
        let scheduler = Scheduler::new().concurrency(concurrency).timeout(PLENTY).observer(Arc::clone(&events));
        let mut running = scheduler.run_async(jobs![("a", fast), ("b", hangs), ("c", hangs), ("d", fast)]);
        wait_until("those that can run do", || {
            poll(&mut running);
            events.count("started") == concurrency + 1
        });
        let clock = Instant::now();
        drop(running);
        assert!(clock.elapsed() < Duration::from_secs(1), "{:?}", clock.elapsed());
        let all = events.complete(4);
        assert_eq!(all[0], ["queued", "started", "ended", "recorded: ok"]);
        assert_eq!(all[1], STOPPED, "{all:?}");
        if concurrency == 2 {
            assert_eq!(all[2], STOPPED, "{all:?}");
        } else {
            assert_eq!(all[2], UNSTARTED, "{all:?}");
        }
        assert_eq!(all[3], UNSTARTED, "{all:?}");
        let threads = events.threads.lock().expect("no thread panics with it");
        assert_ne!(threads.last(), Some(&thread::current().id()), "the thread that drops it is not held up");
    }
}

#[test]
fn a_future_that_is_dropped_after_its_first_poll_has_a_record_of_each_job() {
    for _ in 0..5 {
        let events = Arc::new(Events::default());
        let scheduler = Scheduler::new().concurrency(2).timeout(PLENTY).observer(Arc::clone(&events));
        let mut running = scheduler.run_async((0..20).map(|index| (index.to_string(), hangs::job())));
        poll(&mut running);
        drop(running);
        // It has not been notified of all that were queued yet.
        wait_until("all are recorded", || events.count("recorded") == 20);
        assert!(
            events.all().iter().all(|job| job.first().is_some_and(|first| first == "queued")),
            "{:?}",
            events.all()
        );
    }
}

#[test]
fn every_job_that_a_dropped_stream_has_drawn_is_recorded_once() {
    let events = Arc::new(Events::default());
    let scheduler = Scheduler::new().concurrency(2).timeout(PLENTY).observer(Arc::clone(&events));
    let job = |index| -> AnyJob { if index < 3 { fast::job().into() } else { hangs::job().into() } };
    let mut records = scheduler.stream((0..).map(|index| (index.to_string(), job(index)))).expect("the first are fine");
    assert!(records.by_ref().take(3).all(|record| record.status() == Status::Ok));
    drop(records);
    for job in events.complete(5) {
        assert_eq!(job.iter().filter(|event| event.starts_with("recorded")).count(), 1, "{job:?}");
        assert!(job.last().is_some_and(|last| last.starts_with("recorded")), "{job:?}");
    }
    assert_eq!(events.count("recorded: ok"), 3);
    assert!(events.count("recorded: cancelled") >= 2);
}

#[test]
fn a_list_that_is_dropped_by_a_panic_is_recorded() {
    let events = Arc::new(Events::default());
    let scheduler = Scheduler::new().timeout(PLENTY).observer(Arc::clone(&events));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut running = scheduler.run_async(jobs![("a", hangs), ("b", hangs)]);
        wait_until("it runs", || {
            poll(&mut running);
            events.count("started") == 1
        });
        resume_unwind(Box::new("the task fails"));
    }));
    assert!(panicked.is_err());
    let all = events.complete(2);
    assert_eq!(all[0], STOPPED);
    assert_eq!(all[1], UNSTARTED);
}

/// Panics at a record, without a message that would stand among the tests' own.
struct PanicsAtRecords;

impl Observer for PanicsAtRecords {
    fn recorded(&self, _: &Recorded<'_>) {
        resume_unwind(Box::new("recorded"));
    }
}

#[test]
fn an_observer_that_panics_keeps_no_other_from_the_records_of_a_dropped_list() {
    let events = Arc::new(Events::default());
    let scheduler = Scheduler::new().timeout(PLENTY).observer(PanicsAtRecords).observer(Arc::clone(&events));
    let mut running = scheduler.run_async(jobs![("a", hangs), ("b", hangs)]);
    poll(&mut running);
    drop(running);
    wait_until("both are recorded", || events.count("recorded") == 2);
}

#[test]
fn a_timeout_before_the_drop_is_recorded_and_not_followed_up() {
    let events = Arc::new(Events::default());
    let followed = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&followed);
    let scheduler = Scheduler::new().timeout(SHORT).observer(Arc::clone(&events)).on_timeout(
        move |_| -> Result<(), &'static str> {
            *counted.lock().expect("no thread panics with it") += 1;
            Ok(())
        },
    );
    let mut running = scheduler.run_async(jobs![("a", hangs), ("b", hangs)]);
    poll(&mut running);
    wait_until("it runs", || {
        poll(&mut running);
        events.count("started") == 1
    });
    // The event of the timeout waits to be received: the next job starts after that.
    let woken = Arc::new(Woken::default());
    assert!(std::pin::Pin::new(&mut running).poll(&mut Context::from_waker(&Arc::clone(&woken).into())).is_pending());
    wait_until("the timeout is reported", || woken.0.load(Ordering::SeqCst));
    let clock = Instant::now();
    drop(running);
    let all = events.complete(2);
    assert!(clock.elapsed() < Duration::from_secs(15), "no turn is waited for: {:?}", clock.elapsed());
    assert_eq!(all[0].last().map(String::as_str), Some("recorded: timeout"), "{all:?}");
    assert_eq!(all[1], UNSTARTED, "{all:?}");
    assert_eq!(*followed.lock().expect("no thread panics with it"), 0);
}

#[test]
fn jobs_that_never_start_because_a_follow_up_fails_are_recorded_for_observers() {
    for is_stream in [false, true] {
        let events = Arc::new(Events::default());
        let scheduler = Scheduler::new().timeout(SHORT).observer(Arc::clone(&events)).on_timeout(|_| Err("no"));
        let list = jobs![("a", hangs), ("b", fast), ("c", fast)];
        let returned = if is_stream {
            scheduler.stream(list).expect("it starts").count()
        } else {
            scheduler.run(list).expect_err("the follow-up fails").into_records().len()
        };
        assert_eq!(returned, 1, "the caller gets the record of the timeout only");
        let all = events.all();
        assert_eq!(all[0].last().map(String::as_str), Some("recorded: timeout"));
        // A stream has drawn one more job only.
        assert!(all.len() == if is_stream { 2 } else { 3 } && all[1..].iter().all(|job| *job == UNSTARTED), "{all:?}");
    }
}
