//! Handles that several threads and tasks share: each waits on its own, and a canceller stops the job from anywhere.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread;

use scheduler::{Handle, Outcome, Scheduler, Status};
use scheduler_tests::attempts::{makes, waits_for};
use scheduler_tests::ending::Ending;
use scheduler_tests::jobs::{fast, hangs};
use scheduler_tests::leftovers::{Leftover, alive, leaves, new_tag};

use crate::handles::{block_on, cancelled, ends_when_asked, spawn, waited};
use crate::{PLENTY, WAIT_LIMIT, wait_until};

#[test]
fn several_threads_and_tasks_wait_for_one_job() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let go = folder.path().join("go");
    let scheduler = Scheduler::new().timeout(PLENTY);
    let handle = spawn(&scheduler, waits_for::job(go.clone()));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|n| {
                let (handle, shared) = (handle.clone(), &handle);
                scope.spawn(move || match n {
                    0 => shared.wait(),
                    1 => shared.wait_timeout(WAIT_LIMIT).map(|run| run.expect("it has finished").clone()),
                    2 => handle.wait(),
                    _ => block_on(handle),
                })
            })
            .collect();
        // Each has begun to wait, or will find the run there.
        std::fs::write(&go, "").expect("the folder is the test's");
        for thread in threads {
            let run = thread.join().expect("it doesn't panic").expect("nothing fails");
            assert_eq!(run.status(), Status::Ok);
        }
    });
}

#[test]
fn every_task_that_waits_for_a_job_is_woken_and_no_other() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let scheduler = Scheduler::new().timeout(PLENTY);
    let mut handle = spawn(&scheduler, hangs::job());
    let counts: Vec<_> = (0..3).map(|_| Arc::new(Count(AtomicUsize::new(0)))).collect();
    let poll = |handle: &mut Handle<()>, count: &Arc<Count>| {
        let waker = Waker::from(Arc::clone(count));
        pin!(handle).poll(&mut Context::from_waker(&waker)).is_ready()
    };
    let mut other = handle.clone();
    assert!(!poll(&mut handle, &counts[0]) && !poll(&mut handle, &counts[0]) && !poll(&mut other, &counts[1]));
    // What a dropped clone has registered is forgotten, however many there were.
    for _ in 0..1000 {
        assert!(!poll(&mut other.clone(), &counts[2]));
    }
    assert_eq!(Arc::strong_count(&counts[2]), 1);
    handle.kill();
    assert!(cancelled(&waited(other.clone())).is_some());
    wait_until("both are woken", || counts[..2].iter().all(|count| count.0.load(Ordering::SeqCst) == 1));
    assert!(poll(&mut handle, &counts[0]) && poll(&mut other, &counts[1]));
    assert_eq!(counts[2].0.load(Ordering::SeqCst), 0);
}

#[test]
fn the_last_clone_that_is_dropped_kills_the_job_unless_one_was_detached() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let scheduler = Scheduler::new().timeout(PLENTY).concurrency(2);
    let tag = new_tag();
    let handle = spawn(&scheduler, leaves::job(Leftover::Session, Ending::Hangs, tag.clone()));
    let clone = handle.clone();
    wait_until("it runs", || !alive(&tag).is_empty());
    drop(handle);
    assert!(!clone.is_finished() && !alive(&tag).is_empty());
    drop(clone);
    wait_until("it is killed", || alive(&tag).is_empty());

    let (go, made) = (folder.path().join("go"), folder.path().join("made"));
    let scheduler = Scheduler::new().timeout(PLENTY);
    let first = spawn(&scheduler, waits_for::job(go.clone()));
    let handle = spawn(&scheduler, makes::job(made.clone()));
    handle.clone().detach();
    drop(handle);
    std::fs::write(&go, "").expect("the folder is the test's");
    assert_eq!(waited(first).status(), Status::Ok);
    wait_until("it was run", || made.exists());
}

#[test]
fn a_canceller_stops_its_job_from_anywhere_and_nothing_else() {
    fn is_shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    let folder = tempfile::tempdir().expect("a temporary folder");
    let asked = folder.path().join("asked");
    let scheduler = Scheduler::new().timeout(PLENTY).concurrency(3);
    let cancelled_one = spawn(&scheduler, ends_when_asked::job(asked.clone()));
    let killed = spawn(&scheduler, hangs::job().grace(PLENTY));
    let other = spawn(&scheduler, hangs::job());
    let waits = spawn(&scheduler, fast::job());
    let running = [cancelled_one.canceller(), killed.canceller()];
    let waiting = waits.canceller();
    is_shared(&waiting);
    wait_until("three run", || cancelled_one.pid().is_some() && killed.pid().is_some() && other.pid().is_some());
    thread::spawn(move || {
        waiting.clone().cancel();
        running[0].cancel();
        running[1].cancel();
        running[1].kill();
    });
    assert_eq!(cancelled(&waited(waits)), Some(false));
    assert_eq!(cancelled(&waited(cancelled_one)), Some(true));
    assert_eq!(cancelled(&waited(killed)), Some(true));
    assert!(asked.exists() && !other.is_finished());

    // It keeps nothing alive, and has no effect on a job that has finished.
    let canceller = other.canceller();
    let finished = spawn(&scheduler, fast::job());
    assert_eq!(finished.wait().expect("nothing fails").outcome, Outcome::Ok(42));
    finished.canceller().kill();
    assert_eq!(waited(finished).outcome, Outcome::Ok(42));
    drop(other);
    assert_eq!(waited(spawn(&scheduler, fast::job())).outcome, Outcome::Ok(42));
    drop(scheduler);
    canceller.kill();
}
