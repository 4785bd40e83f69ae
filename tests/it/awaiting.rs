//! Lists that are awaited: no thread is blocked, and a list whose future is dropped is killed.

use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use scheduler::{Outcome, Record, Running, Scheduler, Status, jobs, run_job_async, run_job_with_timeout};
use scheduler_tests::ending::Ending;
use scheduler_tests::jobs::{echo, exits, fails, fast, hangs};
use scheduler_tests::leftovers::{Leftover, alive, leaves, new_tag};

use crate::{PLENTY, wait_until};

const SHORT: Duration = Duration::from_millis(300);

/// How long a job waits that ignores its cancellation.
const DEAF: Ending = if cfg!(unix) { Ending::Ignores } else { Ending::Spins };

/// The smallest executor: a thread that sleeps until it is woken, and counts how often.
struct Sleeper {
    thread: Thread,
    woken: AtomicUsize,
}

impl Sleeper {
    fn new() -> Arc<Self> {
        Arc::new(Self { thread: thread::current(), woken: AtomicUsize::new(0) })
    }

    fn woken(&self) -> usize {
        self.woken.load(Ordering::SeqCst)
    }
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, Ordering::SeqCst);
        self.thread.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Sleeper::new());
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park_timeout(PLENTY),
        }
    }
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// Waits until the file is there.
#[scheduler::job]
fn waits_for(file: PathBuf) {
    while !file.exists() {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Makes a file.
#[scheduler::job]
fn makes(file: PathBuf) {
    std::fs::write(file, "").expect("the folder is the test's");
}

#[scheduler::job]
fn exists(file: PathBuf) -> bool {
    file.exists()
}

fn make(file: &Path) {
    std::fs::write(file, "").expect("the folder is the test's");
}

fn statuses(records: &[Record]) -> Vec<(&str, Status)> {
    records.iter().map(|record| (record.job_id(), record.status())).collect()
}

#[test]
fn an_awaited_list_has_the_records_of_a_blocking_one() {
    for concurrency in [1, 3] {
        let late = Mutex::new(Vec::new());
        let scheduler = Scheduler::new().timeout(PLENTY).concurrency(concurrency).on_timeout(|timed_out| {
            late.lock().expect("the lock is not poisoned").push(timed_out.job_id().to_owned());
        });
        let list = || {
            let slow = hangs::job().timeout(SHORT);
            jobs![("a", fast), ("b", { slow }), ("c", fails), ("d", exits(3)), ("e", echo("é".into()))]
        };
        let records = block_on(scheduler.run_async(list())).expect("nothing fails");
        let expected =
            [("a", Status::Ok), ("b", Status::Timeout), ("c", Status::Error), ("d", Status::Error), ("e", Status::Ok)];
        assert_eq!(statuses(&records), expected);
        assert_eq!(records[0].result::<i32>().expect("it returned"), 42);
        assert_eq!(records[4].result::<String>().expect("it returned"), "é");
        assert_eq!(*late.lock().expect("the lock is not poisoned"), ["b"]);
        let blocked = scheduler.run(list()).expect("nothing fails");
        let errors = |records: &[Record]| records.iter().map(Record::error).collect::<Vec<_>>();
        assert_eq!(errors(&records), errors(&blocked));
    }
}

#[test]
fn a_single_job_is_awaited_with_its_type() {
    let run = block_on(run_job_async(echo::job("ü".into()), PLENTY)).expect("the input is fine");
    assert_eq!(run.outcome, Outcome::Ok("ü".to_owned()));
    let run = block_on(run_job_async(hangs::job(), SHORT)).expect("the input is fine");
    assert_eq!(run.status(), Status::Timeout);
    assert!(run.duration >= SHORT);
    let error = block_on(run_job_async(fast::job(), Duration::ZERO)).expect_err("it is zero");
    assert!(error.is_invalid_timeout());
}

#[test]
fn invalid_input_is_an_error_when_awaited() {
    let error = block_on(Scheduler::new().timeout(Duration::ZERO).run_async(jobs![("a", fast)]));
    assert!(error.expect_err("it is zero").is_invalid_timeout());
    let error = block_on(Scheduler::new().concurrency(0).run_async(jobs![("a", fast)]));
    assert!(error.expect_err("it is zero").is_invalid_setting());
    assert!(block_on(Scheduler::new().run_async(jobs![])).expect("there is nothing to do").is_empty());
}

#[test]
fn nothing_is_started_before_the_first_poll() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("made");
    let unpolled = Scheduler::new().run_async(jobs![("a", makes(file.clone()))]);
    let unpolled_one = run_job_async(makes::job(file.clone()), PLENTY);
    // Time enough for a job that had been started.
    thread::sleep(SHORT);
    assert!(!file.exists());
    drop((unpolled, unpolled_one));
}

#[test]
fn a_poll_returns_while_a_job_runs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let go = folder.path().join("go");
    let mut running = pin!(Scheduler::new().run_async(jobs![("a", waits_for(go.clone()))]));
    let sleeper = Sleeper::new();
    assert!(poll(running.as_mut(), &sleeper.clone().into()).is_pending());
    assert_eq!(format!("{running:?}"), "Running(running)");
    // If the poll waited for the job, this line would not be reached, and the job would wait forever.
    make(&go);
    let records = block_on(running).expect("nothing fails");
    assert_eq!(records[0].status(), Status::Ok);
}

#[test]
fn a_thousand_polls_do_no_harm_and_the_last_waker_is_woken() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let go = folder.path().join("go");
    let mut running = pin!(Scheduler::new().run_async(jobs![("a", waits_for(go.clone())), ("b", fast)]));
    let [first, last] = [Sleeper::new(), Sleeper::new()];
    for round in 0..1000 {
        let sleeper = if round % 2 == 0 { &first } else { &last };
        assert!(poll(running.as_mut(), &Arc::clone(sleeper).into()).is_pending());
    }
    make(&go);
    wait_until("the last one is woken", || last.woken() > 0);
    assert_eq!(first.woken(), 0);
    assert_eq!(block_on(running).expect("nothing fails").len(), 2);
}

#[test]
fn the_future_is_send_if_its_follow_up_is() {
    fn sent<T: Send + 'static>(_: &T) {}
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    /// A result that can't leave its thread.
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Bound(std::marker::PhantomData<*const u8>);
    #[scheduler::job]
    fn bound() -> Bound {
        Bound(std::marker::PhantomData)
    }
    let scheduler = Scheduler::new();
    shared(&scheduler);
    sent::<Running>(&scheduler.run_async(jobs![("a", fast)]));
    let scheduler = scheduler.on_timeout(|_| ());
    shared(&scheduler);
    sent(&scheduler.run_async(jobs![("a", fast)]));
    sent(&run_job_async(bound::job(), PLENTY));
}

#[test]
fn a_follow_up_that_borrows_can_be_awaited_in_its_scope() {
    let late = std::cell::RefCell::new(Vec::new());
    let scheduler = Scheduler::new().timeout(SHORT).on_timeout(|timed_out| {
        late.borrow_mut().push(timed_out.limit());
    });
    block_on(scheduler.run_async(jobs![("a", hangs)])).expect("nothing fails");
    assert_eq!(*late.borrow(), [SHORT]);
}

#[test]
fn a_follow_up_is_called_before_the_next_job_runs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("followed up");
    let scheduler = Scheduler::new().timeout(PLENTY).on_timeout(|_| {
        // Time enough for a job that would not wait.
        thread::sleep(SHORT);
        std::fs::write(&file, "")
    });
    let slow = hangs::job().timeout(SHORT);
    let list = jobs![("a", exists(file.clone())), ("b", { slow }), ("c", exists(file.clone()))];
    let records = block_on(scheduler.run_async(list)).expect("nothing fails");
    assert!(!records[0].result::<bool>().expect("it returned"));
    assert!(records[2].result::<bool>().expect("it returned"));
}

#[test]
fn a_failing_follow_up_stops_the_rest_and_loses_no_record() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("made");
    let scheduler = Scheduler::new().on_timeout(|_| Err("no"));
    let list = || {
        let slow = hangs::job().timeout(SHORT);
        jobs![("a", fast), ("b", { slow }), ("c", makes(file.clone()))]
    };
    let error = block_on(scheduler.run_async(list())).expect_err("the follow-up fails");
    assert!(error.is_follow_up());
    assert_eq!(error.to_string(), "the follow-up of `b` failed");
    assert_eq!(statuses(&error.into_records()), [("a", Status::Ok), ("b", Status::Timeout)]);
    assert!(!file.exists());
}

#[test]
fn concurrent_jobs_are_recorded_when_a_follow_up_fails() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("made");
    let long = || hangs::job().timeout(SHORT * 3);
    let scheduler = Scheduler::new().concurrency(2).timeout(SHORT);
    let scheduler = scheduler.on_timeout(|late| if late.job_id() == "a" { Err("no") } else { Ok(()) });
    let list = jobs![("a", hangs), ("b", { long() }), ("c", { long() }), ("d", makes(file.clone()))];
    let error = block_on(scheduler.run_async(list)).expect_err("the follow-up of `a` fails");
    assert_eq!(error.to_string(), "the follow-up of `a` failed");
    let records = error.into_records();
    // `c` runs if `b` had finished before the follow-up was known to have failed.
    assert!(records.len() == 2 || records.len() == 3, "{records:?}");
    assert_eq!(statuses(&records)[..2], [("a", Status::Timeout), ("b", Status::Timeout)]);
    assert!(!file.exists());
}

/// Polls until the job's processes are there.
fn until_up<F: Future + ?Sized>(mut future: Pin<&mut F>, tag: &str) {
    wait_until("the job is up", || {
        assert!(poll(future.as_mut(), Waker::noop()).is_pending());
        !alive(tag).is_empty()
    });
}

#[test]
fn a_dropped_list_is_killed_with_all_that_it_started() {
    for concurrency in [1, 2] {
        for leftover in [Leftover::Session, Leftover::HARDEST] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let file = folder.path().join("made");
            let tag = new_tag();
            let list = jobs![
                ("a", leaves(leftover, Ending::Hangs, tag.clone())),
                ("b", leaves(leftover, DEAF, tag.clone())),
                ("c", makes(file.clone())),
            ];
            let mut running = Box::pin(Scheduler::new().concurrency(concurrency).run_async(list));
            until_up(running.as_mut(), &tag);
            drop(running);
            wait_until("nothing is left", || alive(&tag).is_empty());
            assert!(!file.exists());
        }
    }
}

#[test]
fn a_single_job_that_is_dropped_is_killed() {
    let tag = new_tag();
    let mut running = Box::pin(run_job_async(leaves::job(Leftover::Orphan, Ending::Spins, tag.clone()), PLENTY));
    until_up(running.as_mut(), &tag);
    drop(running);
    wait_until("nothing is left", || alive(&tag).is_empty());
}

/// Where there is one.
#[cfg(wardens)]
#[test]
fn dropping_does_not_block_even_if_the_warden_is_stopped() {
    let tag = new_tag();
    let list = jobs![("a", leaves(Leftover::Session, Ending::StopsWarden, tag.clone()))];
    let mut running = Box::pin(Scheduler::new().run_async(list));
    until_up(running.as_mut(), &tag);
    // The job stops its warden right after.
    thread::sleep(SHORT);
    let clock = Instant::now();
    drop(running);
    assert!(clock.elapsed() < Duration::from_secs(1), "{:?}", clock.elapsed());
    wait_until("nothing is left", || alive(&tag).is_empty());
}

#[test]
fn a_list_dropped_before_a_follow_up_starts_no_further_job() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("made");
    let tag = new_tag();
    let slow = leaves::job(Leftover::Nothing, Ending::Hangs, tag).timeout(SHORT);
    let mut running = Box::pin(Scheduler::new().run_async(jobs![("a", { slow }), ("b", makes(file.clone()))]));
    let sleeper = Sleeper::new();
    assert!(poll(running.as_mut(), &sleeper.clone().into()).is_pending());
    wait_until("the timeout is reported", || sleeper.woken() > 0);
    // Time enough for a job that would not wait.
    thread::sleep(SHORT);
    drop(running);
    let run = run_job_with_timeout(exists::job(file), PLENTY).expect("the input is fine");
    assert_eq!(run.outcome, Outcome::Ok(false));
}

/// Makes a file, and runs on for an hour although it is cancelled.
#[scheduler::job(grace = "1h")]
fn ignores_requests(begun: PathBuf, tag: String) -> Result<(), String> {
    make(&begun);
    leaves(Leftover::Session, DEAF, tag)
}

#[test]
fn a_dropped_list_is_killed_despite_its_grace_period() {
    for concurrency in [1, 2] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let begun = folder.path().join("begun");
        let tag = new_tag();
        let job = || ignores_requests::job(begun.clone(), tag.clone());
        let running: [Pin<Box<dyn Future<Output = ()>>>; 2] = [
            Box::pin(async {
                let list = jobs![("a", { job() })];
                let _ = Scheduler::new().concurrency(concurrency).run_async(list).await;
            }),
            Box::pin(async {
                let _ = run_job_async(job(), PLENTY).await;
            }),
        ];
        for mut running in running {
            until_up(running.as_mut(), &tag);
            wait_until("its function was called", || begun.exists());
            drop(running);
            wait_until("nothing is left", || alive(&tag).is_empty());
            std::fs::remove_file(&begun).expect("it was made");
        }
    }
}

#[test]
fn a_job_in_its_grace_period_is_killed_when_its_list_is_dropped() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let tag = new_tag();
    let job = ignores_requests::job(folder.path().join("begun"), tag.clone()).timeout(SHORT);
    let mut running = Box::pin(Scheduler::new().run_async(jobs![("a", { job })]));
    until_up(running.as_mut(), &tag);
    // It is in its grace period by then.
    thread::sleep(2 * SHORT);
    assert!(!alive(&tag).is_empty());
    drop(running);
    wait_until("nothing is left", || alive(&tag).is_empty());
}

#[cfg(feature = "tokio")]
mod on_tokio {
    use super::*;
    use tokio::runtime::Builder;

    #[test]
    fn other_tasks_of_one_thread_go_on_while_a_job_runs() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [up, go] = ["up", "go"].map(|name| folder.path().join(name));
        let list = jobs![("a", makes(up.clone())), ("b", waits_for(go.clone()))];
        let runtime = Builder::new_current_thread().enable_time().build().expect("there are descriptors");
        let records = runtime.block_on(async {
            let running = tokio::spawn(Scheduler::new().timeout(PLENTY).run_async(list));
            while !up.exists() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            make(&go);
            running.await.expect("it doesn't panic")
        });
        assert_eq!(statuses(&records.expect("nothing fails")), [("a", Status::Ok), ("b", Status::Ok)]);
    }

    #[test]
    fn many_lists_run_at_once_on_several_threads() {
        let runtime = Builder::new_multi_thread().worker_threads(2).build().expect("there are descriptors");
        let scheduler = Scheduler::new().timeout(PLENTY).concurrency(2).on_timeout(|_| ());
        let lists: Vec<_> = (0..8)
            .map(|n| {
                let running = scheduler.run_async(jobs![("a", echo(n.to_string())), ("b", fails), ("c", fast)]);
                runtime.spawn(running)
            })
            .collect();
        for (n, list) in lists.into_iter().enumerate() {
            let records = runtime.block_on(list).expect("it doesn't panic").expect("nothing fails");
            assert_eq!(records[0].result::<String>().expect("it returned"), n.to_string());
            assert_eq!(statuses(&records), [("a", Status::Ok), ("b", Status::Error), ("c", Status::Ok)]);
        }
    }

    #[test]
    fn a_list_that_a_tokio_timeout_drops_is_killed() {
        let tag = new_tag();
        let list = jobs![("a", leaves(Leftover::Session, Ending::Hangs, tag.clone()))];
        let runtime = Builder::new_current_thread().enable_time().build().expect("there are descriptors");
        runtime.block_on(async {
            let up = async {
                while alive(&tag).is_empty() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            let task = tokio::spawn(Scheduler::new().run_async(list));
            tokio::time::timeout(crate::WAIT_LIMIT, up).await.expect("it comes up");
            task.abort();
            assert!(task.await.expect_err("it was aborted").is_cancelled());
        });
        wait_until("nothing is left", || alive(&tag).is_empty());
    }

    #[test]
    fn a_runtime_that_shuts_down_kills_its_jobs() {
        let tag = new_tag();
        let runtime = Builder::new_multi_thread().worker_threads(1).build().expect("there are descriptors");
        runtime.spawn(Scheduler::new().run_async(jobs![("a", leaves(Leftover::Plain, Ending::Hangs, tag.clone()))]));
        wait_until("the job is up", || !alive(&tag).is_empty());
        drop(runtime);
        wait_until("nothing is left", || alive(&tag).is_empty());
    }
}
