//! Jobs that are tried more than once: how often, for which causes, when, and what is kept of it.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use scheduler::{AnyJob, Attempt, Backoff, Cause, Job, Outcome, Record, Scheduler, Status, jobs, run_job_with_timeout};
use scheduler_tests::attempts::comes_to;
use scheduler_tests::ending::Ending;
use scheduler_tests::jobs::{fails, fast, kills_itself, returns_the_unwritable};
use serde_json::json;
use tempfile::TempDir;

use crate::{METHODS, PLENTY, at_once};

struct Notes(TempDir);

impl Notes {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("notes")
    }

    fn job(&self, name: &str, endings: &[Ending]) -> Job<usize> {
        comes_to::job(self.file(), name.to_owned(), endings.to_vec())
    }

    fn lines(&self) -> Vec<String> {
        fs::read_to_string(self.file()).expect("it was written").lines().map(ToOwned::to_owned).collect()
    }
}

/// How the death of a job that killed itself is reported.
const KILLED: &str = if cfg!(windows) { "code 9" } else { "SIGKILL" };

fn numbers(record: &Record) -> Vec<(u32, Status)> {
    record.attempts().iter().map(|attempt| (attempt.number(), attempt.status())).collect()
}

#[test]
fn a_job_is_retried_until_it_has_a_result_and_every_attempt_is_listed() {
    at_once(METHODS, |method| {
        let notes = Notes::new();
        let endings = [Ending::Fails, Ending::Dies, Ending::Panics, Ending::Hangs, Ending::Exits];
        let job = notes.job("a", &endings).retries(9).timeout(Duration::from_secs(2));
        let scheduler = Scheduler::new().start_method(method);
        let record = scheduler.run(jobs![("a", { job })]).expect("the input is fine").remove(0);
        assert_eq!((record.status(), record.is_flaky()), (Status::Ok, true), "{record:?}");
        assert_eq!(record.result::<usize>().expect("it returned"), 6);
        let (error, timeout) = (Status::Error, Status::Timeout);
        assert_eq!(numbers(&record), [(1, error), (2, error), (3, error), (4, timeout), (5, error), (6, Status::Ok)]);
        let errors: Vec<_> = record.attempts().iter().map(|attempt| attempt.error().unwrap_or_default()).collect();
        for (error, part) in errors.iter().zip(["as requested", KILLED, "panicked", "timeout of 2s", "code 3"]) {
            assert!(error.contains(part), "{errors:?}");
        }
        assert!(record.attempts()[3].duration() >= Duration::from_secs(2), "{record:?}");
    });
}

#[test]
fn a_job_has_no_more_attempts_than_allowed() {
    for (retries, count) in [(0, 1), (1, 2), (3, 4)] {
        let notes = Notes::new();
        let job = notes.job("a", &[Ending::Fails; 9]).retries(retries);
        let record = Scheduler::new().run(jobs![("a", { job })]).expect("the input is fine").remove(0);
        assert_eq!((record.status(), record.is_flaky()), (Status::Error, false));
        assert_eq!((notes.lines().len(), record.attempts().len()), (count, if retries == 0 { 0 } else { count }));
    }
}

#[scheduler::job(retries = 2, retry_on = ["panic", "exit"])]
fn by_attribute(file: PathBuf, endings: Vec<Ending>) -> Result<usize, String> {
    comes_to(file, "a".to_owned(), endings)
}

#[test]
fn only_the_configured_causes_are_retried() {
    let notes = Notes::new();
    let endings = vec![Ending::Panics, Ending::Fails];
    let record = Scheduler::new().run(jobs![("a", by_attribute(notes.file(), endings))]);
    let record = record.expect("the input is fine").remove(0);
    assert_eq!(numbers(&record), [(1, Status::Error), (2, Status::Error)]);
    assert!(record.error().is_some_and(|error| error.contains("as requested")), "{record:?}");
}

#[test]
fn each_retry_cause_matches_its_own_failures() {
    let short = Duration::from_millis(300);
    let cases = [
        (Cause::Timeout, Ending::Hangs),
        #[cfg(unix)]
        (Cause::Signal, Ending::Dies),
        #[cfg(unix)]
        (Cause::Signal, Ending::Overflows),
        (Cause::Panic, Ending::Panics),
        (Cause::Panic, Ending::PanicsTwice),
        (Cause::Returned, Ending::Fails),
        (Cause::Exit, Ending::Exits),
        #[cfg(wardens)]
        (Cause::Internal, Ending::KillsWarden),
    ];
    let notes = Notes::new();
    let mut list = Vec::new();
    for (index, (cause, ending)) in cases.into_iter().enumerate() {
        // Jobs that exit by themselves have time for it on a busy machine, too.
        let timeout = if cause == Cause::Timeout { short } else { PLENTY };
        let other = if cause == Cause::Exit { Cause::Panic } else { Cause::Exit };
        for (causes, counts) in [([cause], "counts"), ([other], "doesn't")] {
            let job = notes.job(&format!("{index} {counts}"), &[ending]).retries(1).retry_on(causes).timeout(timeout);
            list.push((format!("{ending:?} {counts}"), job));
        }
    }
    for (index, record) in Scheduler::new().concurrency(4).run(list).expect("the input is fine").iter().enumerate() {
        assert_eq!(record.is_flaky(), index % 2 == 0, "{record:?}");
    }
}

#[test]
fn a_result_that_could_not_be_encoded_is_an_internal_failure() {
    let retried = |causes: Vec<Cause>| {
        let run = run_job_with_timeout(returns_the_unwritable::job().retries(1).retry_on(causes), PLENTY);
        run.expect("the input is fine").attempts().len()
    };
    assert_eq!((retried(vec![Cause::Internal]), retried(vec![Cause::Returned])), (2, 0));
}

#[test]
fn other_jobs_run_while_one_waits_for_its_next_attempt() {
    for method in METHODS {
        let notes = Notes::new();
        // Its next attempt is due long after the other jobs have run, however busy the machine is.
        let waits = notes.job("waits", &[Ending::Fails]).retries(1).backoff(Backoff::fixed(PLENTY));
        let list = jobs![("a", { waits }), ("b", { notes.job("b", &[]) }), ("c", { notes.job("c", &[]) })];
        let mut records = Scheduler::new().start_method(method).stream(list).expect("the input is fine");
        let ids = [records.next(), records.next()].map(|record| record.map(|record| record.job_id().to_owned()));
        assert_eq!(ids.each_ref().map(Option::as_deref), [Some("b"), Some("c")]);
        drop(records);
        assert_eq!(notes.lines(), ["waits", "b", "c"]);
    }
}

#[test]
fn a_retry_without_backoff_runs_before_the_next_job_of_the_list() {
    let notes = Notes::new();
    let first = notes.job("a", &[Ending::Fails, Ending::Fails]).retries(2);
    let list = jobs![("a", { first }), ("b", { notes.job("b", &[]) })];
    Scheduler::new().run(list).expect("the input is fine");
    assert_eq!(notes.lines(), ["a", "a", "a", "b"]);
}

#[test]
fn a_backoff_grows_and_delays_the_next_attempt() {
    let notes = Notes::new();
    let backoff = Backoff::exponential(Duration::from_millis(50), Duration::from_millis(150));
    let job = notes.job("a", &[Ending::Fails; 4]).retries(4).backoff(backoff);
    let clock = Instant::now();
    let run = run_job_with_timeout(job, PLENTY).expect("the input is fine");
    assert_eq!(run.outcome, Outcome::Ok(5));
    let waited: Vec<_> = run.attempts().iter().map(|attempt| attempt.waited().as_millis()).collect();
    assert_eq!(waited, [0, 50, 100, 150, 150]);
    assert!(clock.elapsed() >= Duration::from_millis(450));
}

#[test]
fn only_the_timeout_of_the_last_attempt_is_followed_up() {
    at_once([1, 2], |concurrency| {
        let notes = Notes::new();
        let late = Mutex::new(Vec::new());
        let hangs = |name: &str, times| {
            notes.job(name, &[Ending::Hangs; 2][..times]).retries(1).timeout(Duration::from_secs(1))
        };
        let list = jobs![("passes", { hangs("passes", 1) }), ("hangs", { hangs("hangs", 2) })];
        let scheduler = Scheduler::new().concurrency(concurrency).on_timeout(|timed_out| {
            let mut late = late.lock().expect("the lock is not poisoned");
            late.push((timed_out.job_id().to_owned(), timed_out.record().attempts().len()));
        });
        scheduler.run(list).expect("the input is fine");
        assert_eq!(*late.lock().expect("the lock is not poisoned"), [("hangs".to_owned(), 2)]);
    });
}

#[test]
fn attempts_are_serialized_if_there_was_more_than_one() {
    let notes = Notes::new();
    let list = jobs![
        ("a", { notes.job("a", &[Ending::Fails]).retries(3) }),
        ("b", { fast::job().retries(3) }),
        ("c", { kills_itself::job().retries(1) }),
    ];
    let records = Scheduler::new().run(list).expect("the input is fine");
    let json = serde_json::to_value(&records).expect("records can be written");
    let attempts = &json[0]["attempts"];
    assert_eq!(json[0]["flaky"], true);
    let duration = records[0].attempts()[0].duration().as_secs_f64();
    let first = json!({
        "attempt": 1, "status": "error", "started_at": attempts[0]["started_at"], "duration_sec": duration,
        "waited_sec": 0.0, "error": "returned an error: as requested",
        "failure": {"kind": "returned", "message": "as requested", "sources": []}, "usage": attempts[0]["usage"],
        "sweep": attempts[0]["sweep"],
    });
    assert_eq!((&attempts[0], &attempts[1]["status"]), (&first, &json!("ok")));
    assert!(attempts[0]["started_at"].as_str() < attempts[1]["started_at"].as_str(), "{attempts}");
    assert_eq!(json[0]["started_at"], attempts[1]["started_at"]);
    let total: Duration = records[0].attempts().iter().map(Attempt::duration).sum();
    assert_eq!((records[0].total_duration(), &json[0]["total_duration_sec"]), (total, &json!(total.as_secs_f64())));
    assert_eq!(records[1].total_duration(), records[1].duration());
    assert_eq!(attempts[1]["usage"], json[0]["usage"]);
    assert!(attempts[1].get("error").is_none() && attempts[1]["duration_sec"].is_number());
    assert!(json[1].get("attempts").is_none() && json[1].get("flaky").is_none(), "{json}");
    assert_eq!((&json[2]["flaky"], json[2]["attempts"].as_array().map(Vec::len)), (&json!(false), Some(2)));
}

#[test]
fn an_invalid_backoff_is_refused() {
    let refused = |backoff, retries| {
        let list = jobs![("a", { fails::job().retries(retries).backoff(backoff) })];
        let error = Scheduler::new().run(list).expect_err("it makes no sense");
        assert!(error.is_invalid_setting(), "{error}");
        error.to_string()
    };
    let second = Duration::from_secs(1);
    let named = "invalid setting: `a` (job `scheduler_tests::jobs::fails`): ";
    assert_eq!(
        refused(Backoff::fixed(second).jitter(2.0), 1),
        format!("{named}a jitter of 2 is out of range; give a part from 0 to 1")
    );
    assert!(
        refused(Backoff::exponential(second, second / 2), 1).ends_with("exceeds its cap of 500ms; give a longer cap")
    );
    assert!(refused(Backoff::fixed(Duration::MAX), 2).ends_with("never end; give a shorter one, or fewer retries"));
}

#[scheduler::job(retry_delays = ["10ms", "40ms"])]
fn fails_with_listed_delays() -> Result<(), String> {
    Err("as requested".to_owned())
}

/// Returns how many milliseconds were waited before each attempt at a job.
fn waited(scheduler: &Scheduler, job: impl Into<AnyJob>) -> Vec<u128> {
    let records = scheduler.run([("a", job.into())]).expect("the input is fine");
    records[0].attempts().iter().map(|attempt| attempt.waited().as_millis()).collect()
}

#[test]
fn listed_delays_set_the_number_of_retries_unless_it_is_set() {
    let job = fails_with_listed_delays::job;
    assert_eq!(waited(&Scheduler::new(), job()), [0, 10, 40]);
    assert_eq!(waited(&Scheduler::new(), job().retries(3)), [0, 10, 40, 40]);
    assert_eq!(waited(&Scheduler::new().retries(1), job()), [0, 10]);
    assert_eq!(waited(&Scheduler::new(), job().retries(0)), [0; 0]);
    let [five, nine] = [5, 9].map(Duration::from_millis);
    // Those of the call win over those of the attribute, and of two calls the last.
    assert_eq!(waited(&Scheduler::new(), job().retry_delays([five])), [0, 5]);
    assert_eq!(
        waited(&Scheduler::new(), job().retry_delays([five]).retries(2).backoff(Backoff::fixed(nine))),
        [0, 9, 9]
    );
    assert_eq!(
        waited(&Scheduler::new(), job().backoff(Backoff::fixed(nine)).retry_delays(vec![five, nine])),
        [0, 5, 9]
    );
    // Those of the scheduler are for jobs without their own.
    assert_eq!(waited(&Scheduler::new().retry_delays([nine]), fails::job()), [0, 9]);
    assert_eq!(waited(&Scheduler::new().retry_delays([nine]), job()), [0, 10, 40]);
}

#[test]
fn invalid_retry_delays_are_refused() {
    let refused = |delays: &[Duration]| {
        let error =
            Scheduler::new().run(jobs![("a", { fails::job().retry_delays(delays) })]).expect_err("it is invalid");
        assert!(error.is_invalid_setting(), "{error}");
        assert!(Scheduler::new().retry_delays(delays).run(jobs![("a", fails)]).is_err_and(|e| e.is_invalid_setting()));
        error.to_string()
    };
    assert!(refused(&[]).ends_with("an empty list of retry delays; give one for each retry, or leave it out"));
    assert!(refused(&[Duration::ZERO, Duration::MAX]).ends_with("the retries never end; give a shorter one"));
}
