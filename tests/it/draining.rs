//! Tokens that are drained: nothing more starts, what runs finishes, and every result is kept.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use scheduler::observer::{AttemptEnded, Recorded, Started, Terminating};
use scheduler::{Backoff, CancelToken, Failure, Observer, Record, Scheduler, Status, jobs, this_job};
use scheduler_tests::attempts::{comes_to, waits_for};
use scheduler_tests::ending::Ending;
use scheduler_tests::jobs::{fast, hangs};

use crate::handles::{cancelled, spawn, waited};
use crate::{METHODS, PLENTY, wait_until};

fn is_unstarted(record: &Record) -> bool {
    matches!(record.failure(), Some(Failure::Cancelled { begun: false, .. }))
}

/// Drains at the events that its test names, and twice, as that changes nothing.
struct Drains(&'static str, CancelToken);

impl Drains {
    fn at(&self, event: &str) {
        if event == self.0 {
            self.1.drain();
            self.1.drain();
        }
    }
}

impl Observer for Drains {
    fn started(&self, event: &Started<'_>) {
        self.at(event.job_id);
    }

    fn attempt_ended(&self, event: &AttemptEnded<'_>) {
        if event.retry_in.is_some() {
            self.at("retry");
        }
    }

    fn terminating(&self, _: &Terminating<'_>) {
        self.at("grace period");
    }

    fn recorded(&self, _: &Recorded<'_>) {
        self.at("record");
    }
}

/// Returns a scheduler that is drained at this event.
fn drained_at(event: &'static str) -> (Scheduler, CancelToken) {
    let token = CancelToken::new();
    (Scheduler::new().timeout(PLENTY).cancel_token(&token).observer(Drains(event, token.clone())), token)
}

#[test]
fn jobs_that_run_finish_and_no_other_starts() {
    for method in METHODS {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (go, notes) = (folder.path().join("go"), folder.path().join("notes"));
        let (scheduler, token) = drained_at("b");
        let scheduler = scheduler.start_method(method).concurrency(2);
        let list = jobs![
            ("a", waits_for(go.clone())),
            ("b", waits_for(go.clone())),
            ("c", comes_to(notes.clone(), "c".to_owned(), vec![])),
            ("d", fast),
        ];
        let records = thread::scope(|scope| {
            scope.spawn(|| {
                wait_until("it drains", || token.is_draining());
                fs::write(&go, "").expect("the folder is the test's");
            });
            scheduler.run(list).expect("nothing fails")
        });
        let statuses: Vec<_> = records.iter().map(Record::status).collect();
        assert_eq!(statuses, [Status::Ok, Status::Ok, Status::Error, Status::Error], "{records:?}");
        assert!(records[2..].iter().all(is_unstarted), "{records:?}");
        assert!(!token.is_cancelled() && !notes.exists());
        // Nor anything later.
        let records = scheduler.run(jobs![("e", fast)]).expect("nothing fails");
        assert!(is_unstarted(&records[0]));
    }
}

#[test]
fn a_list_without_observers_is_drained_from_another_thread() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (begun, go) = (folder.path().join("begun"), folder.path().join("go"));
    let token = CancelToken::new();
    let records = thread::scope(|scope| {
        scope.spawn(|| {
            wait_until("the first job runs", || begun.exists());
            token.drain();
            fs::write(&go, "").expect("the folder is the test's");
        });
        let list = jobs![("a", begins_and_waits_for(begun.clone(), go.clone())), ("b", fast)];
        Scheduler::new().timeout(PLENTY).cancel_token(&token).run(list).expect("nothing fails")
    });
    assert_eq!((records[0].status(), is_unstarted(&records[1])), (Status::Ok, true), "{records:?}");
}

#[scheduler::job]
fn begins_and_waits_for(begun: PathBuf, go: PathBuf) {
    fs::write(begun, "").expect("the folder is the test's");
    waits_for(go);
}

#[test]
fn a_job_that_waits_for_its_next_attempt_has_the_outcome_of_the_last() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (scheduler, _) = drained_at("retry");
    let fails = comes_to::job(folder.path().join("notes"), "a".to_owned(), vec![Ending::Fails; 9]);
    let fails = fails.retries(9).backoff(Backoff::fixed(PLENTY));
    let records = scheduler.run(jobs![("a", { fails })]).expect("nothing fails");
    assert_eq!(records[0].error().as_deref(), Some("returned an error: as requested"));
    assert!(records[0].attempts().is_empty() && records[0].is_interrupted(), "{records:?}");
}

#[test]
fn a_job_that_fails_while_it_drains_is_not_retried() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (scheduler, _) = drained_at("a");
    let fails = comes_to::job(folder.path().join("notes"), "a".to_owned(), vec![Ending::Fails; 9]).retries(9);
    let records = scheduler.run(jobs![("a", { fails })]).expect("nothing fails");
    // It may fail before it is drained.
    assert!(records[0].attempts().len() < 10 && records[0].is_interrupted(), "{records:?}");
    assert_eq!(records[0].error().as_deref(), Some("returned an error: as requested"));
}

/// Returns in its grace period, once there is a file.
#[scheduler::job(timeout = "100ms", grace = "60s")]
fn returns_late(go: PathBuf) -> String {
    this_job::cancelled().wait();
    waits_for(go);
    "late".to_owned()
}

#[test]
fn a_grace_period_goes_on_and_its_timeout_is_followed_up() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let go = folder.path().join("go");
    let (scheduler, token) = drained_at("grace period");
    let followed_up = AtomicUsize::new(0);
    let scheduler = scheduler.on_timeout(|_| {
        // From here, it is drained once more.
        token.drain();
        followed_up.fetch_add(1, Ordering::SeqCst);
    });
    let records = thread::scope(|scope| {
        scope.spawn(|| {
            wait_until("it drains", || token.is_draining());
            fs::write(&go, "").expect("the folder is the test's");
        });
        scheduler.run(jobs![("a", returns_late(go.clone())), ("b", fast)]).expect("nothing fails")
    });
    assert_eq!(records[0].status(), Status::Timeout);
    assert_eq!(records[0].late_result::<String>().expect("it returned"), "late");
    assert!(is_unstarted(&records[1]));
    assert_eq!(followed_up.load(Ordering::SeqCst), 1);
}

#[test]
fn a_follow_up_may_drain() {
    let token = CancelToken::new();
    let scheduler = Scheduler::new().timeout(Duration::from_millis(100)).cancel_token(&token);
    let scheduler = scheduler.on_timeout(|_| token.drain());
    let records = scheduler.run(jobs![("a", hangs), ("b", fast)]).expect("nothing fails");
    assert_eq!((records[0].status(), is_unstarted(&records[1])), (Status::Timeout, true));
}

#[test]
fn a_drain_can_be_followed_by_a_cancellation_and_by_a_kill() {
    for kill in [false, true] {
        let (scheduler, token) = drained_at("a");
        let hangs = hangs::job().grace(if kill { PLENTY } else { Duration::ZERO });
        let records = thread::scope(|scope| {
            scope.spawn(|| {
                wait_until("it drains", || token.is_draining());
                token.cancel();
                if kill {
                    token.kill();
                }
            });
            scheduler.run(jobs![("a", { hangs }), ("b", fast)]).expect("nothing fails")
        });
        assert!(matches!(records[0].failure(), Some(Failure::Cancelled { begun: true, .. })), "{records:?}");
        assert!(is_unstarted(&records[1]));
    }
}

#[test]
fn spawned_jobs_are_drained() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let go = folder.path().join("go");
    let token = CancelToken::new();
    let scheduler = Scheduler::new().timeout(PLENTY).cancel_token(&token);
    let (runs, waits) = (spawn(&scheduler, waits_for::job(go.clone())), spawn(&scheduler, fast::job()));
    wait_until("the first one runs", || runs.pid().is_some());
    token.drain();
    let after = spawn(&scheduler, fast::job());
    assert_eq!((cancelled(&waited(waits)), cancelled(&waited(after))), (Some(false), Some(false)));
    assert!(!runs.is_finished());
    fs::write(&go, "").expect("the folder is the test's");
    assert_eq!(waited(runs).status(), Status::Ok);
    // The thread that ran them has exited by now, or will.
    assert_eq!(cancelled(&waited(spawn(&scheduler, fast::job()))), Some(false));
}

#[test]
fn a_list_that_is_over_was_not_drained() {
    let (scheduler, token) = drained_at("record");
    let records = scheduler.run(jobs![("a", fast)]).expect("nothing fails");
    assert_eq!(records[0].result::<i32>().expect("it returned"), 42);
    assert!(token.is_draining());
}
