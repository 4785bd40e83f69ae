//! The grace period: a job at its timeout is cancelled first, and what it returns then is kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use scheduler::{AnyJob, Failure, Outcome, Record, Scheduler, Status, Terminate, jobs, run_job_with_timeout, this_job};
use scheduler_tests::jobs::{fast, hangs, spins};
use scheduler_tests::platform::swept;

use crate::{METHODS, PLENTY, at_once};

const LIMIT: Duration = Duration::from_millis(200);

/// How a job detects its cancellation.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
enum Detection {
    Asks,
    Waits,
    WaitsOnManyThreads,
    WaitsForAWhileAtATime,
    Awaits,
}

const EARS: [Detection; 5] = [
    Detection::Asks,
    Detection::Waits,
    Detection::WaitsOnManyThreads,
    Detection::WaitsForAWhileAtATime,
    Detection::Awaits,
];

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

impl Detection {
    /// Returns once the job is cancelled.
    fn listen(self) {
        match self {
            Self::Asks => {
                while !this_job::is_cancelled() {
                    std::hint::spin_loop();
                }
            }
            Self::Waits => this_job::cancelled().wait(),
            Self::WaitsOnManyThreads => thread::scope(|scope| {
                for ear in [Self::Asks, Self::Waits, Self::Waits, Self::Awaits, Self::Awaits] {
                    scope.spawn(move || ear.listen());
                }
            }),
            Self::WaitsForAWhileAtATime => while !this_job::cancelled().wait_timeout(Duration::from_millis(1)) {},
            Self::Awaits => {
                // One that is given up is forgotten.
                let mut given_up = Box::pin(this_job::cancelled());
                assert!(given_up.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                drop(given_up);
                block_on(this_job::cancelled());
            }
        }
    }
}

/// Returns normally once it is cancelled.
#[scheduler::job]
fn listens(ear: Detection) -> String {
    ear.listen();
    assert!(this_job::is_cancelled());
    assert_eq!(this_job::remaining(), Some(Duration::ZERO));
    // A second call returns the same, at once.
    this_job::cancelled().wait();
    block_on(this_job::cancelled());
    format!("asked: {ear:?}")
}

fn only(records: Vec<Record>) -> Record {
    let [record] = <[Record; 1]>::try_from(records).expect("one job, one record");
    record
}

#[test]
fn a_job_that_returns_in_its_grace_period_is_a_timeout_with_a_value() {
    at_once(METHODS, |method| {
        for ear in EARS {
            let call = AnyJob::from(listens::job(ear).grace(PLENTY).timeout(LIMIT));
            let scheduler = Scheduler::new().start_method(method);
            let record = only(scheduler.run([("a".to_owned(), call)]).expect("the input is fine"));
            assert_eq!(record.status(), Status::Timeout, "{record:?}");
            assert_eq!(record.late_result::<String>().expect("it returned"), format!("asked: {ear:?}"));
            assert!(record.result::<String>().expect_err("not in time").is_no_result());
            assert!(record.duration() >= LIMIT && record.duration() < PLENTY, "{record:?}");
            assert_eq!(
                record.error().as_deref(),
                Some("asked to stop at its timeout of 200ms, and returned within its grace period")
            );
            assert!(swept(record.sweep(), |count| count == 0), "nothing had to be killed: {record:?}");
            let json = serde_json::to_value(&record).expect("it serializes");
            assert_eq!((&json["status"], &json["late_result"]), (&"timeout".into(), &format!("asked: {ear:?}").into()));
            assert!(json.get("result").is_none());
        }
    });
}

#[test]
fn a_record_whose_job_was_in_time_has_no_late_result() {
    let record = only(Scheduler::new().grace(PLENTY).run(jobs![("a", fast)]).expect("the input is fine"));
    let error = record.late_result::<i32>().expect_err("it was in time");
    assert!(error.is_no_result() && error.to_string().ends_with("has no late result: it returned in time"), "{error}");
}

#[test]
fn a_job_that_outlasts_its_grace_period_is_killed() {
    let grace = Duration::from_millis(300);
    at_once(METHODS, |method| {
        let list = jobs![("hangs", { hangs::job() }), ("spins", { spins::job() })];
        let scheduler = Scheduler::new().start_method(method).timeout(LIMIT).grace(grace);
        for record in scheduler.run(list).expect("the input is fine") {
            let error = record.error().expect("it gave no result");
            assert_eq!(error, "stopped at its timeout of 200ms, with a grace period of 300ms");
            assert!(record.duration() >= LIMIT + grace && record.duration() < PLENTY, "{record:?}");
        }
    });
}

#[test]
fn a_job_without_a_grace_period_is_not_stopped_cooperatively() {
    for call in [listens::job(Detection::Waits), listens::job(Detection::Waits).grace(Duration::ZERO)] {
        let run = run_job_with_timeout(call, LIMIT).expect("the input is fine");
        let Outcome::Timeout(overrun) = run.outcome else { panic!("{run:?}") };
        assert_eq!(overrun.to_string(), "stopped at its timeout of 200ms");
        assert_eq!((overrun.grace(), overrun.ended_in_order(), overrun.value()), (Duration::ZERO, false, None));
    }
}

/// Comes to this ending once it is cancelled.
#[scheduler::job(grace = "1m")]
fn fails_late(panics: bool) -> Result<(), String> {
    this_job::cancelled().wait();
    assert!(!panics, "in its grace period");
    Err("given up".to_owned())
}

/// Exits once it is cancelled.
#[scheduler::job(grace = "1m")]
fn exits_late() {
    this_job::cancelled().wait();
    std::process::exit(3)
}

#[test]
fn a_failure_in_the_grace_period_is_kept_beside_the_timeout() {
    let late = |call| match run_job_with_timeout(call, LIMIT).expect("the input is fine").outcome {
        Outcome::Timeout(overrun) => overrun,
        outcome => panic!("{outcome:?}"),
    };
    let returned = late(fails_late::job(false));
    assert!(returned.ended_in_order(), "{returned:?}");
    assert!(matches!(returned.failure(), Some(Failure::Returned { message, .. }) if message == "given up"));
    assert_eq!(returned.to_string(), "asked to stop at its timeout of 200ms: returned an error: given up");
    let panicked = late(fails_late::job(true));
    assert!(!panicked.ended_in_order(), "{panicked:?}");
    assert!(matches!(panicked.failure(), Some(Failure::Panicked(panic)) if panic.message == "in its grace period"));
    let exited = late(exits_late::job());
    assert!(matches!(exited.failure(), Some(Failure::Exited { code: 3, .. })), "{exited:?}");
}

/// Waits for a shell that reports a SIGTERM, and never returns by itself.
#[scheduler::job(grace = "1m")]
fn waits_for_a_shell(folder: PathBuf) {
    let script = "trap 'touch asked; exit' TERM; touch ready; while :; do sleep 0.01; done";
    let _ = Command::new("sh").args(["-c", script]).current_dir(folder).status();
    hangs();
}

fn exists(folder: &Path, name: &str) -> bool {
    folder.join(name).exists()
}

#[cfg(unix)]
#[test]
fn sigterm_reaches_the_children_of_a_job_and_its_death_by_it_is_a_timeout() {
    at_once(METHODS, |method| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let call = waits_for_a_shell::job(folder.path().to_owned()).terminate(Terminate::Signal);
        // The shell is there by then, on however busy a machine.
        let call = AnyJob::from(call.timeout(Duration::from_secs(3)));
        let scheduler = Scheduler::new().start_method(method);
        let clock = Instant::now();
        let record = only(scheduler.run([("a".to_owned(), call)]).expect("the input is fine"));
        assert!(clock.elapsed() < PLENTY, "it was not killed, it ended");
        assert!(exists(folder.path(), "ready"), "{record:?}");
        assert_eq!(record.status(), Status::Timeout);
        assert_eq!(
            record.error().as_deref(),
            Some("asked to stop at its timeout of 3s: killed by signal 15 (SIGTERM)"),
            "{record:?}"
        );
    });
}

/// The shell exits by itself, as only the cancellation is sent, and no signal.
#[cfg(unix)]
#[scheduler::job(grace = "1m")]
fn says_whether_a_signal_came(folder: PathBuf, tells: bool) -> bool {
    ignore_sigterm();
    let script = "trap 'touch asked' TERM; touch ready; while ! [ -e done ]; do sleep 0.01; done";
    let mut shell = Command::new("sh").args(["-c", script]).current_dir(&folder).spawn().expect("there is a shell");
    this_job::cancelled().wait();
    while tells && !exists(&folder, "asked") {
        thread::yield_now();
    }
    fs::write(folder.join("done"), "").expect("the folder is ours");
    shell.wait().expect("it is our child");
    exists(&folder, "asked")
}

#[cfg(unix)]
#[expect(unsafe_code, reason = "signals have no safe API")]
fn ignore_sigterm() {
    extern "C" fn ignore(_: i32) {}
    // SAFETY: The handler does nothing. A signal that is ignored would be so in the shell, too; one that is handled isn't.
    unsafe { libc::signal(libc::SIGTERM, ignore as *const () as libc::sighandler_t) };
}

#[cfg(unix)]
#[test]
fn sigterm_is_sent_where_configured_and_nowhere_else() {
    at_once([(Terminate::Cooperative, false), (Terminate::Signal, true)], |(terminate, comes)| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let call = says_whether_a_signal_came::job(folder.path().to_owned(), comes).terminate(terminate);
        let run = run_job_with_timeout(call, Duration::from_secs(2)).expect("the input is fine");
        assert!(matches!(&run.outcome, Outcome::Timeout(overrun) if overrun.value() == Some(&comes)), "{run:?}");
    });
}

#[test]
fn a_grace_period_that_makes_a_hard_timeout_soft_is_refused() {
    let call = hangs::job().grace(Duration::from_secs(3601));
    let error = run_job_with_timeout(call, LIMIT).expect_err("it is too long");
    assert!(error.is_invalid_setting(), "{error}");
    assert!(
        error.to_string().ends_with("a grace period of 3601s is over the limit of one hour; give a shorter one"),
        "{error}"
    );
}

/// Tells what it knows of itself.
#[scheduler::job]
fn knows_itself() -> (Option<String>, u32, Option<Duration>, bool) {
    let left = this_job::deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()));
    assert!(this_job::remaining() <= left && this_job::remaining().is_some() == left.is_some());
    (this_job::id().map(str::to_owned), this_job::attempt(), left, this_job::is_cancelled())
}

#[test]
fn a_job_knows_its_id_its_attempt_and_its_time() {
    for method in METHODS {
        let list = jobs![("first", { knows_itself::job().timeout(PLENTY) }), ("second", knows_itself)];
        let records = Scheduler::new().start_method(method).run(list).expect("the input is fine");
        let known = |index: usize| records[index].result::<(Option<String>, u32, Option<Duration>, bool)>();
        let (id, attempt, left, cancelled) = known(0).expect("it returned");
        assert_eq!((id.as_deref(), attempt, cancelled), (Some("first"), 1, false));
        assert!(left.is_some_and(|left| left <= PLENTY && left > PLENTY / 2), "{left:?}");
        let (id, _, left, _) = known(1).expect("it returned");
        assert_eq!((id.as_deref(), left), (Some("second"), None));
    }
    let run = run_job_with_timeout(knows_itself::job(), Duration::MAX).expect("the input is fine");
    let Outcome::Ok((Some(id), ..)) = run.outcome else { panic!("{run:?}") };
    assert!(id.ends_with("::knows_itself"), "{id}");
}

#[test]
fn outside_of_a_job_there_is_no_limit_and_no_cancellation() {
    assert_eq!(knows_itself(), (None, 1, None, false));
    assert!(!this_job::cancelled().wait_timeout(Duration::from_millis(1)));
    let mut cancelled = pin!(this_job::cancelled());
    assert!(cancelled.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

/// Forks a process that looks for a cancellation, and returns whether that found what there is outside of a job; then
/// waits.
#[cfg(unix)]
#[expect(unsafe_code, reason = "a fork has no safe API")]
#[scheduler::job(grace = "1m")]
fn forks_a_copy() -> bool {
    // SAFETY: This process has one thread.
    let copy = unsafe { libc::fork() };
    if copy == 0 {
        let mut is_outside = this_job::id().is_none() && this_job::deadline().is_none();
        for _ in 0..1000 {
            is_outside &= !this_job::is_cancelled();
            thread::sleep(Duration::from_millis(1));
        }
        // SAFETY: It exits at once, without running any code of this process.
        unsafe { libc::_exit(i32::from(!is_outside)) };
    }
    this_job::cancelled().wait();
    let mut status = 1;
    // SAFETY: The pointer is to a variable of ours.
    unsafe { libc::waitpid(copy, &raw mut status, 0) == copy && status == 0 }
}

#[cfg(unix)]
#[test]
fn a_fork_of_a_job_does_not_consume_its_cancellation() {
    let run = run_job_with_timeout(forks_a_copy::job(), LIMIT).expect("the input is fine");
    assert!(matches!(&run.outcome, Outcome::Timeout(overrun) if overrun.value() == Some(&true)), "{run:?}");
}

/// Puts a file where the stream to its parent was, and returns whether that is left alone.
#[cfg(unix)]
#[scheduler::job]
fn closes_its_stream(folder: PathBuf) {
    scheduler_tests::jobs::closes_all_descriptors();
    let path = folder.join("file");
    fs::write(&path, [0; 64]).expect("the folder is ours");
    // It takes every small number, and the stream's own.
    let files: Vec<_> = (0..300).map(|_| fs::File::open(&path).expect("it is there")).collect();
    for _ in 0..10 {
        assert!(!this_job::is_cancelled());
        assert!(!this_job::cancelled().wait_timeout(Duration::from_millis(2)));
    }
    let mut bytes = Vec::new();
    for mut file in files {
        std::io::Read::read_to_end(&mut file, &mut bytes).expect("it can be read");
    }
    fs::write(folder.join("read"), bytes.len().to_string()).expect("the folder is ours");
}

#[cfg(unix)]
#[test]
fn a_descriptor_that_became_another_file_is_not_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let call = closes_its_stream::job(folder.path().to_owned()).grace(Duration::from_millis(1));
    let run = run_job_with_timeout(call, PLENTY).expect("the input is fine");
    let read = fs::read_to_string(folder.path().join("read"));
    assert_eq!(read.ok().as_deref(), Some("19200"), "{run:?}");
}
