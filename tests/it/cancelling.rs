//! Lists that are cancelled or reach their time limit: running jobs are stopped, the rest is recorded, and nothing is lost.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use scheduler::observer::{AttemptEnded, Started};
use scheduler::{Backoff, CancelToken, Failure, Observer, Outcome, Record, Scheduler, Status, jobs, this_job};
use scheduler_tests::attempts::{comes_to, waits_for};
use scheduler_tests::ending::Ending;
use scheduler_tests::jobs::{fast, hangs};
use scheduler_tests::leftovers::{Leftover, alive, leaves, new_tag};

use crate::{METHODS, PLENTY, at_once};

/// Cancels once a job of this id has begun.
struct CancelsAtTheStartOf(&'static str, CancelToken);

impl Observer for CancelsAtTheStartOf {
    fn started(&self, event: &Started<'_>) {
        if event.job_id == self.0 {
            self.1.cancel();
        }
    }
}

fn cancelled(record: &Record) -> Option<bool> {
    match record.failure() {
        Some(Failure::Cancelled { begun, .. }) => Some(*begun),
        _ => None,
    }
}

/// Makes a file, waits until it is cancelled, and makes another one.
#[scheduler::job(grace = "30s")]
fn ends_in_order(begun: PathBuf, ended: PathBuf) -> String {
    std::fs::write(begun, "").expect("the folder is the test's");
    this_job::cancelled().wait();
    std::fs::write(ended, "").expect("the folder is the test's");
    "in order".to_owned()
}

#[test]
fn a_token_stops_running_jobs_and_starts_no_others() {
    for method in METHODS {
        for concurrency in [1, 3] {
            let (token, tag) = (CancelToken::new(), new_tag());
            let list = jobs![
                ("a", fast),
                ("b", leaves(Leftover::Session, Ending::Hangs, tag.clone())),
                ("c", { hangs::job().priority(-1) }),
                ("d", { fast::job().priority(-2) }),
            ];
            let scheduler = Scheduler::new().start_method(method).concurrency(concurrency).timeout(PLENTY);
            let scheduler = scheduler.cancel_token(&token).observer(CancelsAtTheStartOf("b", token.clone()));
            let late = Mutex::new(0);
            let scheduler = scheduler.on_timeout(|_| {
                *late.lock().expect("the lock is not poisoned") += 1;
            });
            let records = scheduler.run(list).expect("nothing fails");
            let ids: Vec<_> = records.iter().map(Record::job_id).collect();
            assert_eq!(ids, ["a", "b", "c", "d"]);
            assert_eq!(cancelled(&records[1]), Some(true), "{records:?}");
            // "b" has reported that it began; the other one may have finished.
            if concurrency == 1 {
                assert_eq!((records[0].status(), cancelled(&records[2])), (Status::Ok, Some(false)), "{records:?}");
                assert_eq!(cancelled(&records[3]), Some(false));
                assert_eq!(records[3].error().as_deref(), Some("cancelled before it began"));
            }
            assert!(cancelled(&records[2]).is_some(), "{records:?}");
            assert_eq!(*late.lock().expect("the lock is not poisoned"), 0);
            assert_eq!(alive(&tag), [0; 0]);
        }
    }
}

#[test]
fn with_a_token_that_is_already_cancelled_nothing_starts() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let token = CancelToken::new();
    token.cancel();
    for concurrency in [1, 2] {
        let call = comes_to::job(folder.path().join("notes"), "a".to_owned(), vec![]);
        let scheduler = Scheduler::new().concurrency(concurrency).cancel_token(&token);
        let records = scheduler.run(jobs![("a", { call }), ("b", fast)]).expect("nothing fails");
        assert_eq!(records.iter().map(cancelled).collect::<Vec<_>>(), [Some(false); 2]);
    }
    assert!(!folder.path().join("notes").exists());
}

#[test]
fn a_token_cancels_a_blocking_list_from_another_thread() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let begun = folder.path().join("begun");
    let token = CancelToken::new();
    let scheduler = Scheduler::new().timeout(PLENTY).cancel_token(&token);
    let list = jobs![("a", { comes_to::job(begun.clone(), "a".into(), vec![Ending::Hangs]) }), ("b", fast)];
    let records = thread::scope(|scope| {
        scope.spawn(|| {
            while !begun.exists() {
                thread::sleep(Duration::from_millis(1));
            }
            token.cancel();
        });
        scheduler.run(list).expect("nothing fails")
    });
    assert_eq!((cancelled(&records[0]), cancelled(&records[1])), (Some(true), Some(false)));
}

#[test]
fn a_job_is_stopped_cooperatively_or_killed_as_configured() {
    for kills in [false, true] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [begun, begun_too, ended] = ["begun", "begun too", "ended"].map(|name| folder.path().join(name));
        let token = CancelToken::new();
        let asked = ends_in_order::job(begun_too.clone(), ended.clone());
        let ignores = comes_to::job(begun.clone(), "a".to_owned(), vec![Ending::Hangs]).grace(PLENTY);
        let scheduler = Scheduler::new().concurrency(2).timeout(PLENTY).cancel_token(&token);
        let clock = Instant::now();
        let records = thread::scope(|scope| {
            scope.spawn(|| {
                while !begun.exists() || !begun_too.exists() {
                    thread::sleep(Duration::from_millis(1));
                }
                token.cancel();
                while !ended.exists() {
                    thread::sleep(Duration::from_millis(1));
                }
                // One of them obeys its cancellation. The other one has a minute left.
                token.kill();
            });
            let list = if kills {
                jobs![("a", { asked }), ("b", { ignores })]
            } else {
                jobs![("a", { asked }), ("b", { ignores.grace(Duration::from_millis(1)) })]
            };
            scheduler.run(list).expect("nothing fails")
        });
        assert!(clock.elapsed() < PLENTY, "{:?}", clock.elapsed());
        assert_eq!((cancelled(&records[0]), cancelled(&records[1])), (Some(true), Some(true)), "{records:?}");
    }
}

/// Cancels once an attempt has failed after which there is another one.
struct CancelsAfterAnAttempt(CancelToken);

impl Observer for CancelsAfterAnAttempt {
    fn attempt_ended(&self, event: &AttemptEnded<'_>) {
        if event.retry_in.is_some() {
            self.0.cancel();
        }
    }
}

#[test]
fn a_job_cancelled_between_attempts_has_the_outcome_of_the_last_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let token = CancelToken::new();
    let fails = comes_to::job(folder.path().join("notes"), "a".to_owned(), vec![Ending::Fails; 9]);
    let fails = fails.retries(9).backoff(Backoff::fixed(PLENTY));
    let scheduler =
        Scheduler::new().timeout(PLENTY).cancel_token(&token).observer(CancelsAfterAnAttempt(token.clone()));
    let records = scheduler.run(jobs![("a", { fails }), ("b", hangs)]).expect("nothing fails");
    assert_eq!(records[0].error().as_deref(), Some("returned an error: as requested"));
    assert!(records[0].attempts().is_empty());
    assert!(cancelled(&records[1]).is_some(), "{records:?}");
}

#[test]
fn a_cancelled_job_is_not_retried() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let token = CancelToken::new();
    let hangs = comes_to::job(folder.path().join("notes"), "a".to_owned(), vec![Ending::Hangs]).retries(9);
    let scheduler =
        Scheduler::new().timeout(PLENTY).cancel_token(&token).observer(CancelsAtTheStartOf("a", token.clone()));
    let record = scheduler.run(jobs![("a", { hangs })]).expect("nothing fails").remove(0);
    assert_eq!((cancelled(&record), record.attempts().len()), (Some(true), 0));
}

#[test]
fn an_awaited_list_can_be_cancelled() {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let token = CancelToken::new();
    let scheduler =
        Scheduler::new().timeout(PLENTY).cancel_token(&token).observer(CancelsAtTheStartOf("a", token.clone()));
    let mut running = pin!(scheduler.run_async(jobs![("a", hangs), ("b", fast)]));
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let records = loop {
        match running.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(records) => break records.expect("nothing fails"),
            Poll::Pending => thread::park(),
        }
    };
    assert_eq!(records.iter().map(cancelled).collect::<Vec<_>>(), [Some(true), Some(false)]);
}

#[test]
fn at_the_time_limit_of_a_list_running_jobs_time_out_and_the_rest_are_cancelled() {
    at_once(METHODS, |method| {
        let tag = new_tag();
        let total = Duration::from_secs(3);
        let late = Mutex::new(Vec::new());
        let list = jobs![
            ("a", fast),
            ("b", leaves(Leftover::Session, Ending::Hangs, tag.clone())),
            ("c", { hangs::job().timeout(PLENTY).retries(3) }),
            ("d", fast),
            ("e", fast),
        ];
        let scheduler =
            Scheduler::new().start_method(method).concurrency(2).total_timeout(total).on_timeout(|timed_out| {
                late.lock().expect("the lock is not poisoned").push((timed_out.job_id().to_owned(), timed_out.limit()));
            });
        let clock = Instant::now();
        let records = scheduler.run(list).expect("nothing fails");
        assert!(clock.elapsed() >= total && clock.elapsed() < PLENTY);
        assert_eq!(records[0].status(), Status::Ok);
        for record in &records[1..3] {
            assert_eq!(record.error().as_deref(), Some("stopped at the whole list's timeout of 3s"), "{record:?}");
            assert!(record.duration() < PLENTY && record.attempts().is_empty(), "{record:?}");
        }
        assert_eq!(records[3..].iter().map(cancelled).collect::<Vec<_>>(), [Some(false); 2]);
        let mut late = late.into_inner().expect("the lock is not poisoned");
        late.sort();
        assert_eq!(late, [("b".to_owned(), total), ("c".to_owned(), total)]);
        assert_eq!(alive(&tag), [0; 0]);
    });
}

#[test]
fn at_the_time_limit_of_a_list_a_job_has_its_grace_period() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ended = folder.path().join("ended");
    let scheduler = Scheduler::new().total_timeout(Duration::from_secs(3));
    let record = scheduler
        .run(jobs![("a", ends_in_order(folder.path().join("begun"), ended.clone()))])
        .expect("nothing fails")
        .remove(0);
    assert_eq!(record.status(), Status::Timeout);
    let error = record.error().unwrap_or_default();
    assert!(error.starts_with("asked to stop at the whole list's timeout of 3s, and returned"), "{error}");
    assert!(ended.exists());
}

/// Makes a file, waits until it is cancelled, and exits in one of several ways.
#[scheduler::job(grace = "30s")]
fn ends_as_told(begun: PathBuf, ending: Ending) -> Result<String, String> {
    std::fs::write(begun, "").expect("the folder is the test's");
    this_job::cancelled().wait();
    ending.come()?;
    Ok("in order".to_owned())
}

#[test]
fn a_cancelled_job_that_returns_in_its_grace_period_keeps_its_value() {
    for method in METHODS {
        for concurrency in [1, 2] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let token = CancelToken::new();
            let scheduler = Scheduler::new().start_method(method).concurrency(concurrency).timeout(PLENTY);
            let scheduler = scheduler.cancel_token(&token).observer(CancelsAtTheStartOf("a", token.clone()));
            let list = jobs![("a", ends_as_told(folder.path().join("begun"), Ending::Returns))];
            let record = scheduler.run(list).expect("nothing fails").remove(0);
            assert_eq!((record.status(), cancelled(&record)), (Status::Error, Some(true)), "{record:?}");
            assert_eq!(record.late_result::<String>().expect("it returned"), "in order");
            assert!(record.result::<String>().expect_err("not of its own accord").is_no_result());
            assert!(record.late_failure().is_none());
            let json = serde_json::to_value(&record).expect("it serializes");
            assert_eq!([&json["late_result"], &json["failure"]["kind"]], ["in order", "cancelled"]);
        }
    }
}

#[test]
fn a_job_cancelled_by_its_handle_keeps_its_value_with_or_without_an_observer() {
    for with_observer in [false, true] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let begun = folder.path().join("begun");
        let mut scheduler = Scheduler::new().timeout(PLENTY);
        if with_observer {
            scheduler = scheduler.observer(CancelsAtTheStartOf("nothing", CancelToken::new()));
        }
        let handle = scheduler.spawn(ends_as_told::job(begun.clone(), Ending::Returns)).expect("the input is fine");
        crate::wait_until("it has begun", || begun.exists());
        handle.cancel();
        let run = handle.wait().expect("the run itself succeeds");
        assert!(matches!(run.outcome, Outcome::Error(Failure::Cancelled { begun: true, .. })), "{run:?}");
        assert_eq!(run.late_result().map(String::as_str), Some("in order"));
        assert_eq!(run.into_late_result().as_deref(), Some("in order"));
    }
}

#[test]
fn the_failure_of_a_cancelled_job_in_its_grace_period_is_kept() {
    for (ending, part) in
        [(Ending::Fails, "returned an error"), (Ending::Panics, "panicked"), (Ending::Exits, "code 3")]
    {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let begun = folder.path().join("begun");
        let handle = Scheduler::new().spawn(ends_as_told::job(begun.clone(), ending)).expect("the input is fine");
        crate::wait_until("it has begun", || begun.exists());
        handle.cancel();
        let run = handle.wait().expect("the run itself succeeds");
        assert!(matches!(run.outcome, Outcome::Error(Failure::Cancelled { begun: true, .. })), "{run:?}");
        let failure = run.late_failure().expect("it failed").to_string();
        assert!(failure.contains(part), "{failure}");
        assert!(run.late_result().is_none());
    }
}

#[test]
fn a_killed_job_has_no_late_value() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let begun = folder.path().join("begun");
    let handle = Scheduler::new().spawn(ends_as_told::job(begun.clone(), Ending::Hangs)).expect("the input is fine");
    crate::wait_until("it has begun", || begun.exists());
    handle.cancel();
    handle.kill();
    let run = handle.wait().expect("the run itself succeeds");
    assert!(matches!(run.outcome, Outcome::Error(Failure::Cancelled { begun: true, .. })), "{run:?}");
    assert!(run.late_result().is_none() && run.late_failure().is_none());
}

#[test]
fn a_list_that_finishes_in_time_is_not_affected_by_its_limit() {
    for timeout in [PLENTY, Duration::MAX] {
        let records = Scheduler::new().total_timeout(timeout).run(jobs![("a", fast)]).expect("nothing fails");
        assert_eq!(records[0].status(), Status::Ok);
    }
    let error = Scheduler::new().total_timeout(Duration::ZERO).run(jobs![("a", fast)]).expect_err("it is zero");
    assert!(error.is_invalid_timeout());
    assert!(error.to_string().starts_with("invalid timeout for the whole list: it is zero"), "{error}");
}

#[test]
fn a_token_with_nothing_to_cancel_does_no_harm() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let token = CancelToken::new();
    let scheduler = Scheduler::new().timeout(PLENTY).cancel_token(&token);
    let go = folder.path().join("go");
    std::fs::write(&go, "").expect("the folder is the test's");
    let records = scheduler.run(jobs![("a", waits_for(go))]).expect("nothing fails");
    assert_eq!(records[0].status(), Status::Ok);
    token.kill();
    assert!(token.is_cancelled());
}
