//! It closes some of its standard streams, and runs jobs then.

use std::io::{self, Write};
use std::sync::Mutex;
use std::time::Duration;

use scheduler::{AnyJob, Outcome, Output, Scheduler, StandardStream, job, jobs};
use scheduler_tests::ending::Ending;
use scheduler_tests::leftovers::Leftover;
use serde_json::json;

use super::Invocation;

/// Prints to both streams, and returns whether that succeeded.
#[job]
fn prints() -> bool {
    let printed = writeln!(io::stdout(), "printed").and_then(|()| writeln!(io::stderr(), "printed, too"));
    printed.and_then(|()| io::stdout().flush()).is_ok()
}

/// Prints to both streams, and waits forever.
#[job]
fn prints_and_hangs() {
    println!("printed");
    let _ = io::stdout().flush();
    loop {
        std::thread::park();
    }
}

/// Returns the targets of this process's standard streams that are open.
#[job]
fn streams() -> Vec<Option<String>> {
    (0..3).map(stream).collect()
}

fn stream(number: i32) -> Option<String> {
    let target = std::fs::read_link(format!("/proc/self/fd/{number}")).ok()?;
    Some(target.display().to_string())
}

pub(super) fn run(task: &Invocation) {
    for number in task.rest[0].bytes() {
        // SAFETY: Nothing in here uses the streams again.
        unsafe { libc::close(i32::from(number - b'0')) };
    }
    if let Some(tag) = task.rest.get(1) {
        let call = AnyJob::named("leaves", (Leftover::HARDEST, Ending::Hangs, tag.clone())).expect("it is registered");
        let _ = Scheduler::new().start_method(task.method).run([("a".to_owned(), call)]);
        return;
    }
    // Recorded while a job is being killed.
    let meanwhile = Mutex::new(Vec::new());
    let scheduler = Scheduler::new().start_method(task.method).on_timeout(|_| {
        meanwhile.lock().expect("the lock is not poisoned").push((0..3).map(stream).collect::<Vec<_>>());
    });
    let list = || {
        jobs![
            ("prints", prints),
            ("is captured", prints::job().stdout(Output::Capture).stderr(Output::Capture)),
            ("is killed", prints_and_hangs::job().timeout(Duration::from_millis(50))),
            ("is passed on", prints::job().stdout(Output::Lines).stderr(Output::Lines)),
            ("looks", streams),
        ]
    };
    let mut records = scheduler.run(list()).expect("the input is fine");
    let pool = Scheduler::new().start_method(task.method).concurrency(3);
    let handles: Vec<_> = (0..6).map(|_| pool.spawn(prints::job()).expect("the input is fine")).collect();
    records.extend(Scheduler::new().concurrency(3).start_method(task.method).run(list()).expect("the input is fine"));
    let spawned: Vec<_> =
        handles.into_iter().map(|handle| handle.wait().expect("it runs").outcome == Outcome::Ok(true)).collect();
    let captured = records[1].output().map(|output| output.text(StandardStream::Stdout));
    let meanwhile = meanwhile.lock().expect("the lock is not poisoned").clone();
    task.report(&json!({ "records": records, "spawned": spawned, "captured": captured, "meanwhile": meanwhile }));
}
