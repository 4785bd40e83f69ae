//! An application of three jobs, to be run while its system calls fail: one returns, one leaves a daemon and hangs until
//! its timeout, or kills its warden, and one aborts. Where they talk, the second one does before it hangs, and the third
//! one fails, and is tried again with what it has saved.
//!
//! It prints a line before it runs them and one of JSON after. Its one argument is the tag of the daemon, and
//! `APP_MODE` sets how the jobs are run.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    unsafe_code,
    reason = "this program reports to its test, and its process asks the kernel about itself"
)]

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use scheduler::{AnyJob, Record, Scheduler, StartMethod, job, jobs, this_job};
use scheduler_tests::ending::Ending;
use scheduler_tests::jobs::aborts;
use scheduler_tests::leftovers::{Leftover, leaves};
use scheduler_tests::limited::with_every_option;
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
        "lost" | "adopting" => AnyJob::from(leaves::job(Leftover::Session, Ending::KillsWarden, tag)),
        "reporting" => AnyJob::from(reports::job(tag).timeout(LITTLE)),
        _ => AnyJob::from(leaves::job(Leftover::Daemon, Ending::Hangs, tag).timeout(LITTLE)),
    };
    let third = if mode == "reporting" { AnyJob::from(saves::job()) } else { aborts::job().into() };
    let list = jobs![("returns", returns), ("leaves", { leaves }), ("aborts", { third })];
    let scheduler = Scheduler::new().timeout(PLENTY).start_timeout(Duration::from_secs(2));
    let scheduler = match mode.as_str() {
        "concurrent" => scheduler.concurrency(3),
        "forking" => scheduler.start_method(StartMethod::ForkServer),
        "reusing" => scheduler.start_method(StartMethod::Reuse { calls: 9 }),
        "adopting" => scheduler.adopt_orphans(),
        "configured" => with_every_option(scheduler),
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

/// Reports everything that a job can, leaves a daemon, waits for its cancellation, and then hangs.
#[job(grace = "100ms", terminate = "signal")]
fn reports(tag: String) -> Result<(), String> {
    // SAFETY: To ignore a signal has no preconditions.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
    this_job::progress(1, 2);
    this_job::message("at work");
    this_job::checkpoint(&vec![7_u8; 20_000]).map_err(|error| chain(&error))?;
    if this_job::is_cancelled() {
        return Err("it was asked too early".to_owned());
    }
    std::thread::spawn(|| this_job::cancelled().wait());
    this_job::cancelled().wait();
    leaves(Leftover::Daemon, Ending::Hangs, tag)
}

/// Fails, resumes from its checkpoint at the next attempt, and fails.
#[job(retries = 1)]
fn saves() -> Result<(), String> {
    let saved: Option<u32> = this_job::resume().map_err(|error| chain(&error))?;
    this_job::checkpoint(&(saved.unwrap_or(0) + 1)).map_err(|error| chain(&error))?;
    Err(format!("attempt {} has saved", this_job::attempt()))
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
