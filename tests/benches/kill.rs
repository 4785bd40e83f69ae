//! How long it takes from a job's deadline to its record: `cargo bench --bench kill`.
//!
//! The job computes forever, and has left a daemon: a grandchild in its own session. The reference, measured in
//! the same run, is the time to kill and reap one plain child. The clock is one that
//! processes share: the job writes the time at which its function began to a file.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measures")]

mod figures;
mod machine;

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use figures::Figures;
use machine::{now, sleeper};
use scheduler::{Scheduler, Status, jobs};
use scheduler_tests::jobs::spins;
use scheduler_tests::leftovers::{Leftover, leave, new_tag};

/// Enough for the job to leave its daemon.
const LIMIT: Duration = Duration::from_millis(40);

#[scheduler::job]
#[expect(clippy::needless_pass_by_value, reason = "a job owns its arguments")]
fn leaves_a_daemon_and_spins(clock: PathBuf, tag: String) -> io::Result<()> {
    fs::write(clock, now().as_nanos().to_string())?;
    leave(Leftover::Daemon, &tag);
    spins();
    Ok(())
}

fn job(clock: &Path) -> Duration {
    let list = jobs![("a", leaves_a_daemon_and_spins(clock.to_owned(), new_tag()))];
    // To drop it takes as long as its warden takes to exit.
    let scheduler = Scheduler::new().timeout(LIMIT);
    let records = scheduler.run(list).expect("the input is fine");
    let end = now();
    assert_eq!(records[0].status(), Status::Timeout, "{records:?}");
    let began = fs::read_to_string(clock).expect("the job wrote it").parse().expect("a number");
    let deadline = Duration::from_nanos(began) + LIMIT;
    end.checked_sub(deadline).expect("a job is not stopped before its deadline")
}

fn bare() -> Duration {
    let mut child = sleeper().spawn().expect("it is everywhere");
    let begin = now();
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    now().checked_sub(begin).expect("the clock is monotonic")
}

#[scheduler::main]
fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let clock = folder.path().join("clock");
    let (mut jobs, mut bares) = (Figures::default(), Figures::default());
    for _ in 0..figures::number("BENCH_SAMPLES", 200) {
        jobs.add(job(&clock));
        bares.add(bare());
    }
    println!("{}", Figures::HEAD);
    println!("{}", jobs.row("from the deadline to the record: spinning job, daemon"));
    println!("{}", bares.row("bare kill and wait of one child"));
}
