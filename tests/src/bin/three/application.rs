//! An application of three jobs, to be run while its system calls fail: one returns, one leaves a daemon and hangs until
//! its timeout, or kills its warden, and one aborts.
//!
//! It prints a line before it runs them and one after, of JSON. Its one argument is what the daemon is found by, and
//! `APP_MODE` says how the jobs are run.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    unsafe_code,
    reason = "this program talks to its test, and its process asks the kernel about itself"
)]

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use scheduler::{AnyJob, Record, Scheduler, StartMethod, job, jobs};
use scheduler_tests::ending::Ending;
use scheduler_tests::jobs::aborts;
use scheduler_tests::leavings::{Leaving, leaves};
use scheduler_tests::limited::surrounded;
use scheduler_tests::sabotage::{RAN, UNPREPARED};
use serde_json::{Value, json};

/// Longer than the supervisor leaves any other step, so that an overrun of this is seen.
const PLENTY: Duration = Duration::from_secs(20);
/// Long enough for the daemon to come up.
const LITTLE: Duration = Duration::from_millis(250);

pub(crate) fn main() -> ExitCode {
    let mode = std::env::var("APP_MODE").unwrap_or_default();
    if mode == "threaded" {
        // It makes the warden execute its job, as it can't fork.
        std::thread::spawn(|| {
            loop {
                std::thread::park();
            }
        });
    }
    scheduler::init();
    let tag = std::env::args().nth(1).unwrap_or_default();
    let leaves = match mode.as_str() {
        "lost" | "adopting" => AnyJob::from(leaves::job(Leaving::Session, Ending::KillsWarden, tag)),
        _ => AnyJob::from(leaves::job(Leaving::Daemon, Ending::Hangs, tag).timeout(LITTLE)),
    };
    let list = jobs![("returns", returns), ("leaves", { leaves }), ("aborts", aborts)];
    let scheduler = Scheduler::new().timeout(PLENTY).start_timeout(Duration::from_secs(2));
    let scheduler = match mode.as_str() {
        "concurrent" => scheduler.concurrency(3),
        "forking" => scheduler.start_method(StartMethod::ForkServer),
        "adopting" => scheduler.adopt_orphans(),
        "surrounded" => surrounded(scheduler),
        _ => scheduler,
    };
    println!("ready");
    let (error, records) = match scheduler.run(list) {
        Ok(records) => (None, records),
        Err(error) => (Some(chain(&error)), error.into_records()),
    };
    let code = ExitCode::from(u8::from(error.is_some()));
    println!("{}", json!({ "error": error, "records": records.iter().map(told).collect::<Vec<_>>() }));
    code
}

/// Says that it ran, and returns whether its process is what a job's process should be.
#[job]
fn returns() -> Result<(), String> {
    println!("{RAN}");
    eprintln!("{RAN}");
    // A question may fail, too, which says nothing.
    let mut death_wish = libc::SIGKILL;
    // SAFETY: These calls have no preconditions but that `death_wish` may be written.
    let leads_a_session = unsafe {
        libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut death_wish);
        [libc::getpid(), -1].contains(&libc::getsid(0))
    };
    if leads_a_session && death_wish == libc::SIGKILL { Ok(()) } else { Err(UNPREPARED.to_owned()) }
}

fn told(record: &Record) -> Value {
    json!({
        "job": record.job_id(),
        "status": record.status().to_string(),
        "error": record.error(),
        "sweep": format!("{:?}", record.sweep()),
    })
}

fn chain(error: &dyn Error) -> String {
    let source = error.source().map_or(String::new(), |source| format!(": {}", chain(source)));
    format!("{error}{source}")
}
