//! It forks without executing anything, as a server with workers does, and both processes continue with the same scheduler.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use scheduler::{CancelToken, Handle, Outcome, Record, Scheduler, Status, job, jobs};
use scheduler_tests::jobs::fast;
use serde_json::{Value, json};

use super::Invocation;

/// Waits until the file is there, and returns 7.
#[job]
pub(super) fn waits_for(file: PathBuf) -> u8 {
    while !file.exists() {
        thread::sleep(Duration::from_millis(2));
    }
    7
}

/// Waits forever.
#[job(timeout = "50ms")]
fn hangs_briefly() {
    loop {
        thread::park();
    }
}

/// Runs this in a fork of the process, and returns the id of that.
pub(super) fn fork(run: impl FnOnce()) -> i32 {
    // SAFETY: The copy has one thread and does what this program is there to try out.
    match unsafe { libc::fork() } {
        0 => {
            // Nothing else would kill it.
            // SAFETY: The call has no preconditions.
            unsafe { libc::alarm(60) };
            run();
            // SAFETY: It ends the fork at once, whatever its state.
            unsafe { libc::_exit(0) }
        }
        process => process,
    }
}

/// Waits for a fork, and returns its exit code.
pub(super) fn wait(process: i32) -> i32 {
    let mut status = 0;
    // SAFETY: The pointer is to a variable of ours.
    unsafe { libc::waitpid(process, &raw mut status, 0) };
    if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { -1 }
}

fn results(records: &[Record]) -> Vec<Option<i32>> {
    records.iter().map(|record| record.result().ok()).collect()
}

/// What a worker does: it runs jobs of its own, and nothing of its parent's.
fn work(scheduler: Scheduler, theirs: Handle<u8>, token: &CancelToken) -> Value {
    let records = scheduler.run(jobs![("a", fast), ("b", fast), ("c", fast)]);
    let spawned =
        scheduler.spawn(fast::job()).and_then(|handle| handle.wait()).map(|run| run.outcome == Outcome::Ok(42));
    let (is_finished, pid) = (theirs.is_finished(), theirs.pid());
    let waited = theirs.wait_timeout(Duration::from_secs(60)).map(|run| run.is_some());
    theirs.cancel();
    theirs.kill();
    token.kill();
    let clock = Instant::now();
    drop(theirs);
    drop(scheduler);
    json!({
        "results": records.map(|records| results(&records)).map_err(|error| format!("{error:?}")),
        "spawned": spawned.map_err(|error| format!("{error:?}")),
        "is_finished": is_finished,
        "pid": pid,
        "waited": waited.map_err(|error| format!("{error:?}")),
        "dropped_in": clock.elapsed().as_secs_f64(),
    })
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap_or_default()).unwrap_or_default()
}

pub(super) fn run(task: &Invocation) {
    let token = CancelToken::new();
    let scheduler = Scheduler::new().start_method(task.method).concurrency(2).cancel_token(&token);
    scheduler.run(jobs![("a", fast)]).expect("the input is fine");
    let go_on = task.report.with_extension("go_on");
    let handle = scheduler.spawn(waits_for::job(go_on.clone())).expect("the input is fine");
    while handle.pid().is_none() {
        thread::yield_now();
    }
    let (mut kept, mut workers) = (Some((scheduler, handle)), Vec::new());
    for number in 0..3 {
        let path = task.report.with_extension(format!("worker{number}"));
        let process = fork(|| {
            let (scheduler, handle) = kept.take().expect("it was not dropped");
            let text = work(scheduler, handle, &token).to_string();
            fs::write(&path, text).expect("the folder is the test's");
        });
        workers.push((process, path));
    }
    let workers: Vec<_> = workers.into_iter().map(|(process, path)| json!([wait(process), read(&path)])).collect();
    let (scheduler, handle) = kept.take().expect("it was not dropped");
    let still_runs = !handle.is_finished() && !token.is_cancelled();
    fs::write(&go_on, "").expect("the folder is the test's");
    let result = handle.wait().map(|run| run.outcome == Outcome::Ok(7)).map_err(|error| format!("{error:?}"));
    // One that lives on has every descriptor open that this process closes.
    let (end, held) = io::pipe().expect("a pipe");
    let idle = fork(|| {
        drop(held.try_clone());
        let _ = io::Read::read(&mut &end, &mut [0]);
    });
    let clock = Instant::now();
    drop(scheduler);
    let dropped_in = clock.elapsed().as_secs_f64();
    // SAFETY: It is a child of this process that was not waited for.
    unsafe { libc::kill(idle, libc::SIGKILL) };
    wait(idle);
    task.report(&json!({
        "workers": workers, "still_runs": still_runs, "result": result, "dropped_in": dropped_in,
    }));
}

/// Forks again and again, while other threads use the same scheduler.
pub(super) fn run_among_threads(task: &Invocation) {
    let scheduler = Scheduler::new().start_method(task.method).concurrency(2);
    let is_over = AtomicBool::new(false);
    let codes: Vec<_> = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let records = scheduler.run(jobs![("a", fast), ("b", fast)]).expect("the input is fine");
                    assert_eq!(results(&records), [Some(42); 2]);
                    let run = scheduler.spawn(fast::job()).and_then(|handle| handle.wait()).expect("the input is fine");
                    assert_eq!(run.outcome, Outcome::Ok(42));
                }
            });
        }
        let forks = (0..30).map(|_| {
            let process = fork(|| {
                let records = scheduler.run(jobs![("a", fast)]).expect("the input is fine");
                assert_eq!(results(&records), [Some(42)]);
                scheduler.spawn(fast::job()).and_then(|handle| handle.wait()).expect("the input is fine");
            });
            wait(process)
        });
        let codes = forks.collect();
        is_over.store(true, Ordering::Relaxed);
        codes
    });
    task.report(&codes);
}

/// Forks in a follow-up, and comes back from that in both processes.
pub(super) fn run_in_a_follow_up(task: &Invocation) {
    let path = task.report.with_extension("fork");
    let mut told = Vec::new();
    for concurrency in [1, 2] {
        let process = std::process::id();
        let fork = std::cell::Cell::new(0);
        let scheduler = Scheduler::new().start_method(task.method).concurrency(concurrency).on_timeout(|_| {
            // SAFETY: The copy does what this program is there to try out.
            fork.set(unsafe { libc::fork() });
        });
        let records = scheduler.run(jobs![("a", hangs_briefly), ("b", fast), ("c", fast)]);
        drop(scheduler);
        if std::process::id() != process {
            let text = json!(records.map(|records| records.len()).map_err(|error| format!("{error:?}"))).to_string();
            fs::write(&path, text).expect("the folder is the test's");
            // SAFETY: It ends the fork at once, whatever its state.
            unsafe { libc::_exit(0) };
        }
        let statuses: Vec<_> = records.expect("the input is fine").iter().map(Record::status).collect();
        assert_eq!(statuses, [Status::Timeout, Status::Ok, Status::Ok]);
        told.push(json!([wait(fork.get()), read(&path)]));
    }
    task.report(&told);
}
