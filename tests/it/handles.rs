//! Jobs that are spawned one by one, and their handles.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use scheduler::observer::{Queued, Recorded};
use scheduler::{
    Backoff, CancelToken, Failure, Handle, Job, Observer, OnFailure, Outcome, Run, Scheduler, StartMethod, Status,
    this_job,
};
use scheduler_tests::attempts::{comes_to, makes, waits_for};
use scheduler_tests::ending::Ending;
use scheduler_tests::isolation::notes;
use scheduler_tests::jobs::{echo, fast, hangs, returns_the_unreadable};
use scheduler_tests::leftovers::{Leftover, alive, leaves, new_tag};

use crate::application::app;
use crate::{METHODS, PLENTY, WAIT_LIMIT, wait_until};

const SHORT: Duration = Duration::from_millis(300);

pub(crate) fn cancelled<T>(run: &Run<T>) -> Option<bool> {
    match &run.outcome {
        Outcome::Error(Failure::Cancelled { begun, .. }) => Some(*begun),
        _ => None,
    }
}

pub(crate) fn spawn<T>(scheduler: &Scheduler, job: Job<T>) -> Handle<T> {
    scheduler.spawn(job).expect("the input is fine")
}

#[expect(clippy::needless_pass_by_value, reason = "the handle is dropped with its last wait")]
pub(crate) fn waited<T>(handle: Handle<T>) -> Run<T> {
    handle.wait().expect("nothing fails")
}

#[test]
fn a_job_is_spawned_and_waited_for() {
    for method in METHODS {
        let scheduler = Scheduler::new().start_method(method).concurrency(3);
        let handles: Vec<_> = (0..20).map(|n| spawn(&scheduler, echo::job(n.to_string()))).collect();
        assert_eq!(handles[3].id(), "scheduler_tests::jobs::echo");
        for (n, handle) in handles.into_iter().enumerate() {
            let run = waited(handle);
            assert_eq!(run.outcome, Outcome::Ok(n.to_string()));
        }
        let handle = scheduler.spawn_as("late", hangs::job().timeout(SHORT)).expect("the input is fine");
        assert_eq!(handle.id(), "late");
        assert_eq!(waited(handle).status(), Status::Timeout);
    }
}

/// Elsewhere others wait for processes and pipes.
#[cfg(wardens)]
#[test]
fn one_thread_supervises_all_spawned_jobs_and_exits_with_the_last() {
    for method in ["", "forks"] {
        // In its own process, which has no other threads.
        let mut command = app("spawns", &["60000"]);
        let output =
            command.env("APP_METHOD", method).env("APP_CONCURRENCY", "2").output().expect("the fixture is built");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(text.lines().last(), Some("[[1,2,1],[1,2,1]]"), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn spawned_jobs_respect_concurrency_groups_and_priorities() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, go) = (folder.path().join("notes"), folder.path().join("go"));
    let note = |name: &str| notes::job(file.clone(), name.to_owned());
    let scheduler = Scheduler::new().timeout(PLENTY).concurrency(1).limit_group("db", 1);
    let first = spawn(&scheduler, waits_for::job(go.clone()));
    wait_until("the first one runs", || first.pid().is_some());
    let others = [
        spawn(&scheduler, note("low").priority(-1)),
        spawn(&scheduler, note("a").group("db")),
        spawn(&scheduler, note("urgent").priority(9)),
        spawn(&scheduler, note("b").group("db")),
    ];
    assert!(others.iter().all(|handle| handle.pid().is_none() && !handle.is_finished()));
    std::fs::write(&go, "").expect("the folder is the test's");
    for handle in others {
        assert_eq!(waited(handle).status(), Status::Ok);
    }
    let text = std::fs::read_to_string(&file).expect("it was written");
    let begun: Vec<_> = text.lines().filter_map(|line| line.strip_suffix(" begins")).collect();
    assert_eq!(begun, ["urgent", "a", "b", "low"]);
    let error = scheduler.spawn(fast::job().group("disk")).expect_err("it has no limit");
    assert!(error.is_invalid_setting() && error.to_string().ends_with("those that have one: `db`"), "{error}");
    drop(first);
}

#[test]
fn a_running_job_is_cancelled_and_a_queued_one_is_not_started() {
    for method in METHODS {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (file, tag) = (folder.path().join("notes"), new_tag());
        let scheduler = Scheduler::new().start_method(method).timeout(PLENTY);
        let runs = spawn(&scheduler, leaves::job(Leftover::Session, Ending::Hangs, tag.clone()));
        let waits = spawn(&scheduler, comes_to::job(file.clone(), "a".to_owned(), vec![]));
        let last = spawn(&scheduler, fast::job());
        wait_until("it runs", || runs.pid().is_some() && !alive(&tag).is_empty());
        waits.cancel();
        assert_eq!(cancelled(&waited(waits)), Some(false));
        runs.cancel();
        assert_eq!(cancelled(&waited(runs)), Some(true));
        assert_eq!(alive(&tag), [0; 0]);
        assert_eq!(waited(last).outcome, Outcome::Ok(42));
        assert!(!file.exists());
    }
}

/// Returns when it is cancelled, and not before.
#[scheduler::job(grace = "60s")]
pub(crate) fn ends_when_asked(file: PathBuf) {
    this_job::cancelled().wait();
    std::fs::write(file, "").expect("the folder is the test's");
}

#[test]
fn cancelling_is_cooperative_and_killing_is_immediate() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    let scheduler = Scheduler::new().timeout(PLENTY).concurrency(3);
    let asked = spawn(&scheduler, ends_when_asked::job(one.clone()));
    let killed = spawn(&scheduler, ends_when_asked::job(other.clone()));
    let both = spawn(&scheduler, hangs::job().grace(Duration::from_secs(3600)));
    wait_until("they run", || asked.pid().is_some() && killed.pid().is_some() && both.pid().is_some());
    asked.cancel();
    killed.kill();
    both.cancel();
    both.kill();
    assert_eq!(cancelled(&waited(asked)), Some(true));
    assert_eq!(cancelled(&waited(killed)), Some(true));
    assert_eq!(cancelled(&waited(both)), Some(true));
    assert!(one.exists() && !other.exists());
}

#[test]
fn a_handle_that_is_dropped_kills_its_job_and_one_that_is_detached_does_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (go, made, tag) = (folder.path().join("go"), folder.path().join("made"), new_tag());
    let scheduler = Scheduler::new().timeout(PLENTY).concurrency(2);
    let dropped = spawn(&scheduler, leaves::job(Leftover::Session, Ending::Hangs, tag.clone()));
    wait_until("it runs", || !alive(&tag).is_empty());
    drop(dropped);
    wait_until("it is killed", || alive(&tag).is_empty());
    let waits = spawn(&scheduler, waits_for::job(go.clone()));
    scheduler.spawn(makes::job(made.clone())).expect("the input is fine").detach();
    wait_until("it was run", || made.exists());
    // Also when the scheduler is gone.
    let after = folder.path().join("after");
    scheduler.spawn(waits_for::job(go.clone())).expect("the input is fine").detach();
    scheduler.spawn(makes::job(after.clone())).expect("the input is fine").detach();
    drop(scheduler);
    std::fs::write(&go, "").expect("the folder is the test's");
    assert_eq!(waited(waits).status(), Status::Ok);
    wait_until("it was run", || after.exists());
}

#[test]
fn a_wait_may_have_a_limit() {
    let scheduler = Scheduler::new().timeout(PLENTY);
    let handle = spawn(&scheduler, hangs::job());
    assert!(handle.try_wait().expect("nothing fails").is_none());
    let clock = Instant::now();
    assert!(handle.wait_timeout(SHORT).expect("nothing fails").is_none());
    assert!(clock.elapsed() >= SHORT);
    handle.kill();
    let run = handle.wait_timeout(WAIT_LIMIT).expect("nothing fails").expect("it was killed");
    assert!(cancelled(run).is_some());
    assert!(handle.is_finished());
}

#[test]
fn a_finished_job_can_be_waited_for_again() {
    let scheduler = Scheduler::new().timeout(PLENTY).on_timeout(|_| Err("the pager is down"));
    let handle = scheduler.spawn(fast::job()).expect("the input is fine");
    assert_eq!(handle.name(), "scheduler_tests::jobs::fast");
    wait_until("it has finished", || handle.is_finished());
    for _ in 0..3 {
        assert_eq!(handle.try_wait().expect("nothing fails").map(|run| &run.outcome), Some(&Outcome::Ok(42)));
        assert!(handle.wait_timeout(SHORT).expect("nothing fails").is_some());
    }
    assert_eq!(waited(handle).outcome, Outcome::Ok(42));
    // An error comes back as often.
    let late = scheduler.spawn(hangs::job().timeout(SHORT)).expect("the input is fine");
    for _ in 0..3 {
        let error = late.wait_timeout(WAIT_LIMIT).expect_err("its follow-up fails");
        assert!(error.is_follow_up());
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("the pager is down"));
        assert_eq!(error.into_records()[0].status(), Status::Timeout);
    }
    assert!(late.wait().expect_err("its follow-up fails").is_follow_up());
}

#[test]
fn a_handle_that_is_asked_twice_answers_twice() {
    let mut handle = spawn(&Scheduler::new(), echo::job("twice".to_owned()));
    let expected = Outcome::Ok("twice".to_owned());
    for _ in 0..2 {
        assert_eq!(handle.wait().expect("nothing fails").outcome, expected);
        let Poll::Ready(run) = pin!(&mut handle).poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("it has finished")
        };
        assert_eq!(run.expect("nothing fails").outcome, expected);
        let run = handle.try_wait().expect("nothing fails").expect("it has finished");
        assert_eq!(run.outcome, expected);
    }
}

/// Waits for a future on this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let (mut future, waker) = (pin!(future), Waker::from(Arc::new(Unpark(thread::current()))));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn a_handle_can_be_awaited() {
    fn is_send<T: Send>(_: &T) {}
    let scheduler = Scheduler::new();
    for _ in 0..10 {
        let handle = spawn(&scheduler, echo::job("ü".to_owned()));
        is_send(&handle);
        assert_eq!(block_on(handle).expect("nothing fails").outcome, Outcome::Ok("ü".to_owned()));
    }
}

#[test]
fn a_spawned_job_is_retried_unless_it_was_cancelled() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let job = |name: &str, endings: &[Ending]| {
        comes_to::job(folder.path().join("notes"), name.to_owned(), endings.to_vec()).retries(5)
    };
    let scheduler = Scheduler::new().concurrency(2).timeout(PLENTY);
    let run = waited(spawn(&scheduler, job("a", &[Ending::Dies, Ending::Fails])));
    assert_eq!((&run.outcome, run.attempts().len()), (&Outcome::Ok(3), 3));
    let waits = spawn(&scheduler, job("b", &[Ending::Fails]).backoff(Backoff::fixed(PLENTY)));
    let written = || std::fs::read_to_string(folder.path().join("notes")).is_ok_and(|text| text.contains('b'));
    wait_until("it has failed", || written() && waits.pid().is_none());
    waits.cancel();
    let run = waited(waits);
    assert!(matches!(&run.outcome, Outcome::Error(Failure::Returned { .. })) || cancelled(&run).is_some(), "{run:?}");
}

#[test]
fn options_of_lists_do_not_apply_to_spawned_jobs() {
    let scheduler = Scheduler::new().total_timeout(Duration::from_nanos(1)).on_failure(OnFailure::Stop);
    let failed = spawn(&scheduler, hangs::job().timeout(SHORT));
    let handle = spawn(&scheduler, fast::job());
    assert_eq!(waited(failed).status(), Status::Timeout);
    assert_eq!(waited(handle).outcome, Outcome::Ok(42));
}

#[test]
fn a_token_cancels_jobs_spawned_before_and_after() {
    let token = CancelToken::new();
    let scheduler = Scheduler::new().timeout(PLENTY).cancel_token(&token);
    let handles = [spawn(&scheduler, hangs::job()), spawn(&scheduler, hangs::job())];
    wait_until("the first one runs", || handles[0].pid().is_some());
    token.cancel();
    let ended = handles.map(|handle| cancelled(&waited(handle)));
    assert_eq!(ended, [Some(true), Some(false)]);
    assert_eq!(cancelled(&waited(spawn(&scheduler, fast::job()))), Some(false));
}

/// Records the events that it receives.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, line: String) {
        self.0.lock().expect("the lock is not poisoned").push(line);
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().expect("the lock is not poisoned").clone()
    }
}

impl Observer for Log {
    fn queued(&self, event: &Queued<'_>) {
        self.note(format!("{} queued", event.job_id));
    }

    fn recorded(&self, event: &Recorded<'_>) {
        self.note(format!("{} recorded: {}", event.job_id, event.record.status()));
    }
}

#[test]
fn observers_and_follow_ups_are_called_before_the_handle_completes() {
    let log = Log::default();
    let followed_up = log.clone();
    let scheduler = Scheduler::new().observer(log.clone()).on_timeout(move |late| {
        followed_up.note(format!("{} followed up", late.job_id()));
        if late.job_id() == "c" { Err("the pager is down") } else { Ok(()) }
    });
    let spawned = scheduler.spawn_as("a", echo::job("x".to_owned())).expect("the input is fine");
    assert_eq!(spawned.wait().expect("nothing fails").outcome, Outcome::Ok("x".to_owned()));
    assert_eq!(log.lines(), ["a queued", "a recorded: ok"]);
    let spawned = scheduler.spawn_as("b", hangs::job().timeout(SHORT)).expect("the input is fine");
    assert_eq!(spawned.wait().expect("nothing fails").status(), Status::Timeout);
    assert_eq!(log.lines()[2..], ["b queued", "b recorded: timeout", "b followed up"]);
    let spawned = scheduler.spawn_as("c", hangs::job().timeout(SHORT)).expect("the input is fine");
    let error = spawned.wait().expect_err("its follow-up fails");
    assert!(error.is_follow_up(), "{error}");
    assert_eq!(error.into_records()[0].status(), Status::Timeout);
    // And what comes after it is run.
    let spawned = scheduler.spawn_as("d", fast::job()).expect("the input is fine");
    assert_eq!(spawned.wait().expect("nothing fails").outcome, Outcome::Ok(42));
}

#[test]
fn a_follow_up_that_panics_stops_no_other_job() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let scheduler = Scheduler::new().concurrency(2).on_timeout(move |_| -> Result<(), String> {
        counted.fetch_add(1, Ordering::SeqCst);
        std::panic::resume_unwind(Box::new("as requested"));
    });
    for _ in 0..2 {
        let late = scheduler.spawn(hangs::job().timeout(SHORT)).expect("the input is fine");
        let fine = scheduler.spawn(fast::job()).expect("the input is fine");
        assert!(late.wait().expect_err("its follow-up panics").is_follow_up());
        assert_eq!(fine.wait().expect("nothing fails").outcome, Outcome::Ok(42));
    }
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[test]
fn a_result_that_can_not_be_decoded_is_an_error_and_invalid_input_is_refused() {
    let scheduler = Scheduler::new();
    let run = waited(spawn(&scheduler, returns_the_unreadable::job()));
    assert!(matches!(run.outcome, Outcome::Error(Failure::Unserializable { .. })), "{run:?}");
    let error = Scheduler::new().concurrency(0).spawn(fast::job()).expect_err("it is zero");
    assert!(error.is_invalid_setting());
    let error = scheduler.spawn(fast::job().timeout(Duration::ZERO)).expect_err("it is zero");
    assert!(error.is_invalid_timeout());
}

#[cfg(wardens)]
#[test]
fn fork_servers_stay_with_the_scheduler_from_one_job_to_the_next() {
    let scheduler = Scheduler::new().start_method(StartMethod::ForkServer);
    let parents: BTreeSet<u32> = (0..5)
        .map(|_| match waited(spawn(&scheduler, scheduler_tests::isolation::introduces_itself::job())).outcome {
            Outcome::Ok((_, parent, _)) => parent,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(parents.len() <= 2, "{parents:?}");
}

#[test]
fn a_thousand_jobs_are_spawned_from_many_threads_and_cancelled() {
    let scheduler = Scheduler::new().concurrency(2).timeout(PLENTY);
    let scheduler = &scheduler;
    let blocks = spawn(scheduler, hangs::job());
    let blocks_too = spawn(scheduler, hangs::job());
    wait_until("two run", || blocks.pid().is_some() && blocks_too.pid().is_some());
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(move || {
                let handles: Vec<_> = (0..100).map(|_| spawn(scheduler, fast::job())).collect();
                handles.iter().for_each(Handle::cancel);
                for handle in handles {
                    assert_eq!(cancelled(&waited(handle)), Some(false));
                }
            });
        }
    });
    drop((blocks, blocks_too));
    assert_eq!(waited(spawn(scheduler, fast::job())).outcome, Outcome::Ok(42));
}
