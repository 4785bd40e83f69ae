//! What `main` does to the process before it calls `init()`: in the application, and in each copy.

use std::time::{Duration, Instant};

use scheduler::{Scheduler, jobs};
use scheduler_tests::jobs::fast;
use serde_json::json;

use super::Invocation;

/// How long the start of a job may take here.
const START: Duration = Duration::from_millis(300);

/// Runs three jobs whose copies don't reach `init()`, and reports how long that took.
pub(super) fn run_in_vain(task: &Invocation) {
    let clock = Instant::now();
    let scheduler = Scheduler::new().start_method(task.method).start_timeout(START);
    let records = scheduler.run(jobs![("a", fast), ("b", fast), ("c", fast)]);
    drop(scheduler);
    let errors = records.map(|records| records.iter().map(scheduler::Record::error).collect::<Vec<_>>());
    task.report(&json!({
        "took": clock.elapsed().as_secs_f64(),
        "errors": errors.map_err(|error| std::error::Error::source(&error).map(ToString::to_string)),
    }));
}

/// Does each of these, which a comma parts: a verb, and the numbers of the descriptors.
pub(super) fn run(early: &str) {
    for step in early.split(',') {
        let (verb, numbers) = step.split_once(' ').unwrap_or((step, ""));
        for number in numbers.bytes().map(|number| i32::from(number - b'0')) {
            // SAFETY: Nothing in here uses the descriptor.
            unsafe {
                libc::close(number);
                if verb == "replaces" {
                    replace(number);
                }
            }
        }
        match verb {
            "closes_the_rest" => {
                for number in 3..1024 {
                    // SAFETY: Nothing in here uses one of them.
                    unsafe { libc::close(number) };
                }
            }
            "hangs_as_a_copy" if std::env::var_os("__SCHEDULER_CHILD").is_some() => loop {
                std::thread::park();
            },
            // SAFETY: There is one thread.
            "clears_the_environment" => unsafe { std::env::remove_var("__SCHEDULER_CHILD") },
            "starts_a_thread" => drop(std::thread::spawn(|| {
                loop {
                    std::thread::park();
                }
            })),
            _ => {}
        }
    }
}

/// Puts the null device there.
unsafe fn replace(number: i32) {
    // SAFETY: As the caller says; the name ends with a zero.
    unsafe {
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        if null != number {
            libc::dup2(null, number);
            libc::close(null);
        }
    }
}
