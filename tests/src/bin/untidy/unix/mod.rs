//! What the application does, one file each.

#![expect(
    unsafe_code,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "it does to itself what has no safe API, looks at the clock, and talks to its test"
)]

mod closed;
mod early;
mod forked;
mod leaking;
mod many;
mod terminal;

use std::fs;
use std::path::PathBuf;

use scheduler::StartMethod;
use serde::Serialize;

/// The test's request.
struct Invocation {
    method: StartMethod,
    report: PathBuf,
    /// The arguments that are left.
    rest: Vec<String>,
}

impl Invocation {
    /// Writes the report, which is there once it is whole.
    fn report(&self, report: &impl Serialize) {
        let text = serde_json::to_string(report).expect("it can be written as JSON");
        let draft = self.report.with_extension("draft");
        fs::write(&draft, text).expect("the folder is the test's");
        fs::rename(&draft, &self.report).expect("the folder is the test's");
    }
}

pub(crate) fn main() {
    // The copies get no arguments.
    match std::env::var("UNTIDY_BEFORE_INIT").as_deref() {
        Ok("opens files") => leaking::open_early(),
        Ok("starts a thread") => {
            leaking::open_early();
            drop(std::thread::spawn(|| {
                loop {
                    std::thread::park();
                }
            }));
        }
        Ok(early) => early::run(early),
        Err(_) => {}
    }
    scheduler::init();
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    let method = match arguments.next().as_deref() {
        Some("forks") => StartMethod::ForkServer,
        _ => StartMethod::Exec,
    };
    let report = arguments.next().expect("a path").into();
    let task = Invocation { method, report, rest: arguments.collect() };
    // What hangs fails.
    // SAFETY: The call has no preconditions.
    unsafe { libc::alarm(100) };
    match what.as_str() {
        "closes" => closed::run(&task),
        "forks" => forked::run(&task),
        "forks among threads" => forked::run_among_threads(&task),
        "forks among many jobs" => many::run_with_forks(&task),
        "forks in a follow-up" => forked::run_in_a_follow_up(&task),
        "leaks" => leaking::run(&task),
        "has few descriptors" => many::run_with_few_descriptors(&task),
        "hands down" => leaking::run_handing_down(&task),
        "hands down what is taken" => leaking::run_handing_down_what_is_taken(&task),
        "lets go" => leaking::run_letting_go(&task),
        "starts in vain" => early::run_in_vain(&task),
        "shares its terminal" => terminal::run(&task),
        _ => panic!("{what}: it doesn't do that"),
    }
}
