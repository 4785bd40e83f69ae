//! User code that the library calls in the application: a panic there affects only its own record or call.

use std::error::Error as _;
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use scheduler::observer::Recorded;
use scheduler::{
    Error, Failure, Job, Observer, Outcome, Record, Scheduler, Status, jobs, run_job_async, run_job_with_timeout,
};
use scheduler_tests::jobs::{fast, hangs};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{PLENTY, WAIT_LIMIT, at_once, wait_until};

const SHORT: Duration = Duration::from_millis(300);

/// Returns whether this process is the application, by a variable that its jobs have.
fn is_application() -> bool {
    std::env::var_os("SCHEDULER_RUN").is_none()
}

/// What panics in the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Trap {
    Nothing,
    Drop,
    Deserialize,
    Serialize,
    /// And what it panics with panics when it is dropped.
    DeserializeTwice,
}

const TRAPS: [Trap; 4] = [Trap::Drop, Trap::Deserialize, Trap::Serialize, Trap::DeserializeTwice];

#[derive(Debug)]
struct Trapped(Trap);

/// What can be dropped only with a panic.
struct Explosive;

impl Drop for Explosive {
    fn drop(&mut self) {
        panic!("the payload is dropped");
    }
}

impl Trapped {
    fn spring(trap: Trap, here: Trap) {
        let is_sprung = is_application() && trap == here;
        assert!(!is_sprung, "sprung in {here:?}");
    }
}

impl Drop for Trapped {
    fn drop(&mut self) {
        if !thread::panicking() {
            Self::spring(self.0, Trap::Drop);
        }
    }
}

impl Serialize for Trapped {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::spring(self.0, Trap::Serialize);
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Trapped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let trap = Trap::deserialize(deserializer)?;
        Self::spring(trap, Trap::Deserialize);
        if is_application() && trap == Trap::DeserializeTwice {
            panic_any(Explosive);
        }
        Ok(Self(trap))
    }
}

/// Returns a value that panics only in the application.
#[scheduler::job]
fn returns(trap: String) -> Trapped {
    let traps = [Trap::Nothing, Trap::Drop, Trap::Deserialize, Trap::Serialize, Trap::DeserializeTwice];
    Trapped(traps.into_iter().find(|one| format!("{one:?}") == trap).expect("it is one of them"))
}

fn call(trap: Trap) -> Job<Trapped> {
    returns::job(format!("{trap:?}"))
}

#[track_caller]
fn check_record(trap: Trap, record: &Record) {
    match (trap, record.failure()) {
        (Trap::Deserialize | Trap::DeserializeTwice, Some(Failure::Unserializable { message, .. })) => {
            assert!(message.starts_with("it can't be read back: it panicked: "), "{message}");
        }
        (Trap::Drop | Trap::Serialize, None) => assert_eq!(record.status(), Status::Ok),
        _ => panic!("{trap:?}: {record:?}"),
    }
}

struct Counts(AtomicUsize);

impl Observer for Counts {
    fn recorded(&self, _: &Recorded<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_result_that_panics_in_the_application_loses_no_other_record() {
    for trap in TRAPS {
        for concurrency in [1, 2] {
            for with_observer in [false, true] {
                let counts = Arc::new(Counts(AtomicUsize::new(0)));
                let mut scheduler = Scheduler::new().timeout(PLENTY).concurrency(concurrency);
                if with_observer {
                    scheduler = scheduler.observer(Arc::clone(&counts));
                }
                let list = jobs![("a", fast), ("b", { call(trap) }), ("c", fast)];
                let records = scheduler.run(list).expect("nothing of the list fails");
                assert_eq!([&records[0], &records[2]].map(Record::status), [Status::Ok; 2], "{trap:?}");
                check_record(trap, &records[1]);
                assert_eq!(counts.0.load(Ordering::SeqCst), if with_observer { 3 } else { 0 });
            }
        }
    }
}

#[test]
fn a_result_that_panics_is_an_error_where_it_is_read() {
    for trap in TRAPS {
        let records = Scheduler::new().run(jobs![("a", { call(trap) })]).expect("nothing of the list fails");
        match records[0].result::<Trapped>() {
            Ok(value) => {
                assert!(matches!(trap, Trap::Drop | Trap::Serialize), "{trap:?}");
                std::mem::forget(value);
            }
            Err(error) => assert!(error.is_no_result(), "{error}"),
        }
        let run = run_job_with_timeout(call(trap), PLENTY).expect("the run itself succeeds");
        match run.outcome {
            Outcome::Ok(value) => std::mem::forget(value),
            Outcome::Error(Failure::Unserializable { .. }) => assert!(format!("{trap:?}").starts_with("Des")),
            outcome => panic!("{outcome:?}"),
        }
    }
}

#[test]
fn a_handle_completes_after_a_result_that_panics_with_or_without_an_observer() {
    for trap in TRAPS {
        for with_observer in [false, true] {
            let mut scheduler = Scheduler::new().timeout(PLENTY);
            if with_observer {
                scheduler = scheduler.observer(Counts(AtomicUsize::new(0)));
            }
            for trap in [trap, Trap::Nothing, trap] {
                let handle = scheduler.spawn(call(trap)).expect("the input is fine");
                let run = handle.wait_timeout(WAIT_LIMIT).expect("the run itself succeeds");
                assert!(run.is_some(), "it comes back");
                if let Outcome::Ok(value) = handle.wait().expect("it came back").outcome {
                    std::mem::forget(value);
                }
                // It holds a value as well.
                std::mem::forget(handle);
            }
        }
    }
}

/// Polls until the end.
fn awaited<T>(future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    let mut output = None;
    wait_until("it is over", || {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => output = Some(value),
            Poll::Pending => {}
        }
        output.is_some()
    });
    output.expect("it is over")
}

#[test]
fn an_awaited_list_survives_a_result_that_panics() {
    for trap in TRAPS {
        let list = jobs![("a", fast), ("b", { call(trap) }), ("c", fast)];
        let records = awaited(Scheduler::new().run_async(list)).expect("nothing of the list fails");
        check_record(trap, &records[1]);
        let run = awaited(run_job_async(call(trap), PLENTY)).expect("the run itself succeeds");
        if let Outcome::Ok(value) = run.outcome {
            std::mem::forget(value);
        }
    }
}

#[track_caller]
fn check_follow_up(error: Error, message: &str, ids: &[&str]) {
    assert!(error.is_follow_up(), "{error}");
    assert_eq!(error.to_string(), "the follow-up of `b` failed");
    assert_eq!(error.source().map(ToString::to_string).as_deref(), Some(message));
    let records = error.into_records();
    assert_eq!(records.iter().map(Record::job_id).collect::<Vec<_>>(), ids);
}

#[test]
fn a_follow_up_that_panics_is_an_error_with_every_finished_record() {
    let panics: [(fn(), &str); 2] = [
        (|| panic!("the pager is down"), "it panicked: the pager is down"),
        (|| panic_any(Explosive), "it panicked: a payload that is no text"),
    ];
    at_once(panics, |(panic, message)| {
        let scheduler = || {
            Scheduler::new().on_timeout(move |_| {
                panic();
            })
        };
        let list = || jobs![("a", fast), ("b", { hangs::job().timeout(SHORT) }), ("c", fast)];
        check_follow_up(scheduler().run(list()).expect_err("it panics"), message, &["a", "b"]);
        let observed = scheduler().observer(Counts(AtomicUsize::new(0)));
        check_follow_up(observed.run(list()).expect_err("it panics"), message, &["a", "b"]);
        let several = scheduler().concurrency(3).run(list());
        check_follow_up(several.expect_err("it panics"), message, &["a", "b", "c"]);
        check_follow_up(awaited(scheduler().run_async(list())).expect_err("it panics"), message, &["a", "b"]);
        let spawning = scheduler();
        let handle = spawning.spawn_as("b", hangs::job().timeout(SHORT)).expect("the input is fine");
        check_follow_up(handle.wait().expect_err("it panics"), message, &["b"]);
        let handle = spawning.spawn(fast::job()).expect("the input is fine");
        assert_eq!(handle.wait().expect("it goes on").outcome, Outcome::Ok(42));
    });
}

/// An observer that panics with what can't be dropped, and can't be dropped itself.
struct Panics;

impl Observer for Panics {
    fn recorded(&self, _: &Recorded<'_>) {
        panic_any(Explosive);
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        panic!("the observer is dropped");
    }
}

#[test]
fn an_observer_that_panics_loses_no_record() {
    let list = || jobs![("a", fast), ("b", fast)];
    let scheduler = Scheduler::new().observer(Panics);
    assert_eq!(scheduler.run(list()).expect("nothing of the list fails").len(), 2);
    // The list drops it last.
    let mut running = Box::pin(scheduler.run_async(list()));
    drop(scheduler);
    let records = awaited(std::future::poll_fn(|context| Pin::new(&mut running).poll(context)));
    assert_eq!(records.expect("nothing of the list fails").len(), 2);
}

struct PanicsOnWake;

impl Wake for PanicsOnWake {
    fn wake(self: Arc<Self>) {
        panic!("woken");
    }
}

#[test]
fn a_waker_that_panics_stops_no_job() {
    let waker = Waker::from(Arc::new(PanicsOnWake));
    let mut running = Box::pin(Scheduler::new().run_async(jobs![("a", fast), ("b", fast), ("c", fast)]));
    let mut records = None;
    wait_until("the list is over", || {
        if let Poll::Ready(over) = running.as_mut().poll(&mut Context::from_waker(&waker)) {
            records = Some(over);
        }
        records.is_some()
    });
    assert_eq!(records.expect("it is over").expect("nothing of the list fails").len(), 3);

    let mut handle = Scheduler::new().spawn(fast::job()).expect("the input is fine");
    let _ = Pin::new(&mut handle).poll(&mut Context::from_waker(&waker));
    wait_until("the job is over", || handle.is_finished());
}
