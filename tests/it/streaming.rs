//! Records as they are made: jobs are drawn while others run, and a stream that is dropped stops the rest.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use scheduler::observer::Recorded;
use scheduler::{
    AnyJob, Backoff, CancelToken, Failure, Job, Observer, OnFailure, Outcome, Record, Scheduler, Status, jobs,
};
use scheduler_tests::attempts::{comes_to, makes, waits_for};
use scheduler_tests::ending::Ending;
use scheduler_tests::jobs::{echo, fails, fast, hangs};
use scheduler_tests::leftovers::{Leftover, alive, leaves, new_tag};

use crate::handles::block_on;
use crate::{METHODS, PLENTY, wait_until};

/// Returns jobs without an end, and how many were drawn.
fn endless(make: impl Fn() -> AnyJob) -> (impl Iterator<Item = (String, AnyJob)>, Arc<AtomicUsize>) {
    let drawn = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&drawn);
    let jobs = std::iter::repeat_with(move || {
        let index = counted.fetch_add(1, Ordering::SeqCst);
        (index.to_string(), make())
    });
    (jobs, drawn)
}

fn is_unstarted(record: &Record) -> bool {
    matches!(record.failure(), Some(Failure::Cancelled { begun: false, .. }))
}

#[test]
fn records_come_as_the_jobs_finish() {
    for method in METHODS {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let go = folder.path().join("go");
        let list = jobs![("late", waits_for(go.clone())), ("a", fast), ("b", echo("b".to_owned())), ("c", fails)];
        let scheduler = Scheduler::new().start_method(method).timeout(PLENTY).concurrency(2);
        let mut records = scheduler.stream(list).expect("the input is fine");
        let first: Vec<_> = records.by_ref().take(3).collect();
        let ids: Vec<_> = first.iter().map(Record::job_id).collect();
        assert_eq!(ids, ["a", "b", "c"]);
        assert_eq!(first[1].result::<String>().expect("it returned"), "b");
        fs::write(&go, "").expect("the folder is the test's");
        let late = records.next().expect("there is one more");
        assert_eq!((late.job_id(), late.status()), ("late", Status::Ok));
        assert!(records.next().is_none() && records.next().is_none() && records.error().is_none());
    }
}

#[test]
fn jobs_are_drawn_while_others_run_and_records_are_taken() {
    for concurrency in [1, 3] {
        let (jobs, drawn) = endless(|| fast::job().into());
        let scheduler = Scheduler::new().concurrency(concurrency);
        let mut records = scheduler.stream(jobs).expect("the input is fine");
        assert_eq!(drawn.load(Ordering::SeqCst), 2 * concurrency);
        for taken in 1..20 {
            assert_eq!(records.next().expect("there is no end").result::<i32>().expect("it returned"), 42);
            assert!(drawn.load(Ordering::SeqCst) < 2 * concurrency + taken, "{drawn:?} after {taken}");
        }
    }
}

/// Makes its own file, and returns once the other one is there: it returns only if both run at the same time.
#[scheduler::job]
pub(crate) fn meets(own: PathBuf, other: PathBuf) -> std::io::Result<()> {
    fs::write(own, "")?;
    waits_for(other);
    Ok(())
}

/// Its first job starts alone, as the next one might be long in coming.
#[test]
fn an_iterator_that_may_wait_is_drawn_from_while_jobs_run() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
    let (sender, queue) = std::sync::mpsc::channel();
    let send = |id, job| sender.send((id, job)).expect("it is read");
    send("a", meets::job(one.clone(), other.clone()));
    let mut records = Scheduler::new().timeout(PLENTY).concurrency(2).stream(queue).expect("it is fine");
    wait_until("the first one runs", || one.exists());
    send("b", meets::job(other, one));
    drop(sender);
    assert!(records.by_ref().all(|record| record.status() == Status::Ok) && records.error().is_none());
}

#[test]
fn a_stream_that_is_dropped_kills_what_runs_and_starts_no_more() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (made, tag) = (folder.path().join("made"), new_tag());
    let leaves = leaves::job(Leftover::Session, Ending::Hangs, tag.clone());
    let list = jobs![("a", fast), ("b", { leaves.grace(PLENTY) }), ("c", makes(made.clone()))];
    let scheduler = Scheduler::new().timeout(PLENTY);
    let mut records = scheduler.stream(list).expect("the input is fine");
    assert_eq!(records.next().expect("the first one finishes").job_id(), "a");
    wait_until("the second one runs", || !alive(&tag).is_empty());
    drop(records);
    wait_until("it is killed", || alive(&tag).is_empty());
    assert_eq!(scheduler.run(jobs![("d", fast)]).expect("nothing fails")[0].status(), Status::Ok);
    assert!(!made.exists());
}

#[test]
fn a_stream_is_awaited_on_any_executor() {
    let (jobs, _) = endless(|| echo::job("x".to_owned()).into());
    let mut records = Scheduler::new().concurrency(2).stream(jobs.take(10)).expect("the input is fine");
    let count = block_on(async {
        let mut count = 0;
        while let Some(record) = records.recv().await {
            assert_eq!(record.result::<String>().expect("it returned"), "x");
            count += 1;
        }
        count
    });
    assert_eq!(count, 10);
}

#[cfg(feature = "stream")]
#[test]
fn a_stream_is_one_of_futures() {
    use futures_core::Stream;

    let stream = Scheduler::new().stream(jobs![("a", fast), ("b", fast)]).expect("the input is fine");
    let mut stream: std::pin::Pin<Box<dyn Stream<Item = Record> + Send>> = Box::pin(stream);
    let mut next = || block_on(std::future::poll_fn(|context| stream.as_mut().poll_next(context)));
    assert_eq!((next().is_some(), next().is_some(), next().is_none()), (true, true, true));
}

/// Drains once a record has been made.
struct DrainsAfterARecord(CancelToken);

impl Observer for DrainsAfterARecord {
    fn recorded(&self, _: &Recorded<'_>) {
        self.0.drain();
    }
}

#[test]
fn a_drained_stream_ends_and_draws_no_more() {
    let (token, (jobs, drawn)) = (CancelToken::new(), endless(|| fast::job().into()));
    let scheduler = Scheduler::new().cancel_token(&token).observer(DrainsAfterARecord(token.clone()));
    let records: Vec<_> = scheduler.stream(jobs).expect("the input is fine").collect();
    assert_eq!(records[0].status(), Status::Ok);
    assert_eq!((records.len(), drawn.load(Ordering::SeqCst)), (2, 2));
    // One that is drained before draws none.
    let (jobs, drawn) = endless(|| fast::job().into());
    let mut records = scheduler.stream(jobs).expect("the input is fine");
    assert!(records.next().is_none() && records.error().is_none());
    assert_eq!(drawn.load(Ordering::SeqCst), 0);
}

#[test]
fn a_failure_and_the_time_of_the_list_end_a_stream() {
    let (jobs, _) = endless(|| fails::job().into());
    let records: Vec<_> =
        Scheduler::new().on_failure(OnFailure::Stop).stream(jobs).expect("the input is fine").collect();
    assert!(records[0].error().is_some_and(|error| error.starts_with("returned an error")), "{records:?}");
    assert!(records[1..].iter().all(is_unstarted), "{records:?}");

    let (jobs, _) = endless(|| hangs::job().into());
    let scheduler = Scheduler::new().total_timeout(Duration::from_millis(300));
    let records: Vec<_> = scheduler.stream(jobs).expect("the input is fine").collect();
    // The one that waits is cancelled before the other one is stopped.
    assert!(is_unstarted(&records[0]) && records.len() == 2, "{records:?}");
    assert!(records[1].status() == Status::Timeout || is_unstarted(&records[1]), "{records:?}");
}

#[test]
fn a_follow_up_that_fails_ends_a_stream_with_its_error() {
    let (jobs, drawn) = endless(|| hangs::job().timeout(Duration::from_millis(50)).into());
    let scheduler = Scheduler::new().on_timeout(|_| Err("the pager is down"));
    let mut stream = scheduler.stream(jobs).expect("the input is fine");
    assert_eq!(stream.by_ref().map(|record| record.status()).collect::<Vec<_>>(), [Status::Timeout]);
    assert!(stream.error().is_some_and(scheduler::Error::is_follow_up));
    assert_eq!(drawn.load(Ordering::SeqCst), 2);
}

#[test]
fn an_invalid_job_is_an_error_before_or_after_the_valid_ones() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = folder.path().join("made");
    let invalid = || fast::job().timeout(Duration::ZERO);
    let list = jobs![("a", makes(made.clone())), ("b", { invalid() })];
    let error = Scheduler::new().stream(list).expect_err("its timeout is zero");
    assert!(error.is_invalid_timeout() && !made.exists());

    let list = (0..9).map(|n| (n.to_string(), if n == 7 { invalid() } else { fast::job() }));
    let mut stream = Scheduler::new().stream(list).expect("the first ones are fine");
    let ids: Vec<_> = stream.by_ref().map(|record| record.job_id().to_owned()).collect();
    assert_eq!(ids, ["0", "1", "2", "3", "4", "5", "6"]);
    assert_eq!(
        stream.error().map(ToString::to_string).as_deref().map(|text| &text[..26]),
        Some("invalid timeout of `7` (jo")
    );

    let error = Scheduler::new().concurrency(0).stream(jobs![("a", fast)]).expect_err("it is zero");
    assert!(error.is_invalid_setting());
    let error =
        Scheduler::new().map(|n| if n == 7 { invalid() } else { fast::job() }, 0..9).expect_err("one is invalid");
    assert!(error.is_invalid_timeout());
    assert_eq!(error.into_records().len(), 7);
}

#[test]
fn a_stream_of_nothing_is_over_and_any_concurrency_is_fine() {
    let mut none = Scheduler::new().stream(jobs![]).expect("nothing is invalid");
    assert!(none.next().is_none() && block_on(none.recv()).is_none());
    for concurrency in [1 << 20, usize::MAX] {
        let list = (0..5).map(|n| (n.to_string(), fast::job()));
        let records: Vec<_> = Scheduler::new().concurrency(concurrency).stream(list).expect("it is fine").collect();
        assert!(records.len() == 5 && records.iter().all(|record| record.status() == Status::Ok), "{records:?}");
    }
}

#[test]
fn jobs_that_wait_for_their_next_attempt_hold_up_no_other() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = folder.path().join("made");
    let job = |n: usize| -> AnyJob {
        if n == 9 {
            return makes::job(made.clone()).into();
        }
        let notes = folder.path().join(n.to_string());
        comes_to::job(notes, "a".to_owned(), vec![Ending::Fails; 9]).retries(1).backoff(Backoff::fixed(PLENTY)).into()
    };
    let scheduler = Scheduler::new().timeout(PLENTY);
    let mut records = scheduler.stream((0..10).map(|n| (n.to_string(), job(n)))).expect("the input is fine");
    assert_eq!(records.next().expect("the last one finishes first").job_id(), "9");
    assert!(made.exists());
}

/// Counts the records that were made.
#[derive(Default)]
struct Made(AtomicUsize);

impl Observer for Made {
    fn recorded(&self, _: &Recorded<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn the_inputs_of_a_map_are_drawn_while_the_jobs_run() {
    for concurrency in [1, 4] {
        let made = Arc::new(Made::default());
        let most = Cell::new(0);
        let job = |n: usize| -> Job<String> {
            most.set(most.get().max(n + 1 - made.0.load(Ordering::SeqCst)));
            echo::job(n.to_string())
        };
        let scheduler = Scheduler::new().concurrency(concurrency).observer(Arc::clone(&made));
        let runs = scheduler.map(job, 0..50).expect("the input is fine");
        for (n, run) in runs.iter().enumerate() {
            assert_eq!(run.outcome, Outcome::Ok(n.to_string()));
        }
        assert_eq!((runs.len(), most.get()), (50, 2 * concurrency));
    }
}

#[test]
fn a_drained_map_ends_and_draws_no_more() {
    let token = CancelToken::new();
    let scheduler = Scheduler::new().cancel_token(&token).observer(DrainsAfterARecord(token.clone()));
    let drawn = Cell::new(0);
    let inputs = || (0..).inspect(|n| drawn.set(n + 1)).map(|n: i32| n.to_string());
    let runs = scheduler.map(echo::job, inputs()).expect("nothing fails");
    assert_eq!((runs.len(), drawn.get(), &runs[0].outcome), (2, 2, &Outcome::Ok("0".to_owned())));
    // One that is drained before draws none.
    drawn.set(0);
    assert!(scheduler.map(echo::job, inputs()).expect("nothing fails").is_empty());
    assert!(scheduler.map(echo::job, inputs().take(1)).expect("nothing fails").is_empty());
    assert_eq!(drawn.get(), 0);
    assert!(scheduler.first_ok(jobs![("a", fast)]).expect("nothing fails").expect_err("none is drawn").is_empty());
}

#[test]
fn a_failure_and_the_time_of_the_list_end_a_map() {
    let runs = Scheduler::new().on_failure(OnFailure::Stop).map(|()| fails::job(), std::iter::repeat(()));
    let runs = runs.expect("the input is fine");
    assert!(runs[0].error().is_some_and(|error| error.starts_with("returned an error")), "{runs:?}");
    let scheduler = Scheduler::new().total_timeout(Duration::from_millis(300));
    let runs = scheduler.map(|()| hangs::job(), std::iter::repeat(())).expect("the input is fine");
    assert_eq!(runs.len(), 2, "{runs:?}");
}

#[test]
fn the_first_success_cancels_the_rest() {
    let tag = new_tag();
    let hangs_on = || leaves::job(Leftover::Session, Ending::Hangs, tag.clone());
    let list = jobs![("a", fails), ("b", { hangs_on() }), ("c", fast), ("d", { hangs_on() }), ("e", { hangs_on() })];
    let scheduler = Scheduler::new().timeout(PLENTY).concurrency(3);
    let record = scheduler.first_ok(list).expect("nothing fails").expect("one succeeds");
    assert_eq!((record.job_id(), record.result::<i32>().expect("it returned")), ("c", 42));
    assert_eq!(alive(&tag), [0; 0]);
}

#[test]
fn without_a_success_all_failures_come_back_in_order() {
    let list = jobs![("a", { hangs::job().timeout(Duration::from_millis(200)) }), ("b", fails), ("c", fails)];
    let failed =
        Scheduler::new().concurrency(3).first_ok(list).expect("nothing else fails").expect_err("none succeeds");
    let ids: Vec<_> = failed.iter().map(Record::job_id).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    assert!(Scheduler::new().first_ok(jobs![]).expect("nothing fails").expect_err("there is none").is_empty());
}

#[test]
fn with_one_at_a_time_each_job_is_a_fallback_for_those_before() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = |name: &str| folder.path().join(name);
    let job = |path: PathBuf| AnyJob::from(makes::job(path));
    let drawn = RefCell::new(Vec::new());
    let list = [("a", fails::job().into()), ("b", job(made("b"))), ("c", job(made("c"))), ("d", job(made("d")))];
    let list = list.into_iter().inspect(|(id, _)| drawn.borrow_mut().push(*id));
    let record = Scheduler::new().first_ok(list).expect("nothing fails").expect("one succeeds");
    assert_eq!(record.job_id(), "b");
    // The third is drawn ahead once the record of the first is taken, unless the second has succeeded by then.
    assert!(["a", "b", "c"].starts_with(&drawn.borrow()), "{drawn:?}");
    assert!(made("b").exists() && !made("d").exists());
}

#[test]
fn a_follow_up_that_fails_is_the_error_of_the_first_success_and_loses_nothing() {
    let list = jobs![("a", { hangs::job().timeout(Duration::from_millis(50)) }), ("b", fails), ("c", fast)];
    let scheduler = Scheduler::new().on_timeout(|_| Err("the pager is down"));
    let error = scheduler.first_ok(list).expect_err("its follow-up fails");
    assert!(error.is_follow_up());
    assert_eq!(error.into_records()[0].status(), Status::Timeout);
}
