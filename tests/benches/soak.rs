//! Many jobs, every tenth of them misbehaving: `cargo bench --bench soak`.
//!
//! 4,000 jobs, unless `BENCH_JOBS` sets another number, by the start method `BENCH_METHOD` (`exec`, `fork-server`, `reuse`), with
//! `BENCH_STANDBY` processes that are made ahead. The time per job must not grow, and nothing may be left.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark reads the clock, and prints")]

mod figures;

use std::time::{Duration, Instant};

use figures::{Figures, held};
use scheduler::{AnyJob, Scheduler, StartMethod, Status};
use scheduler_tests::ending::Ending;
use scheduler_tests::jobs::fast;
use scheduler_tests::leftovers::{Leftover, alive, leaves, new_tag};

/// In how many parts the jobs are run and timed.
const PARTS: usize = 20;

fn call(index: usize, tag: &str) -> AnyJob {
    if !index.is_multiple_of(10) {
        return fast::job().into();
    }
    // A warden that doesn't answer takes seconds, and the output of a flood would hide the table.
    let endings = Ending::ALL.iter().copied().filter(|ending| !matches!(ending, Ending::StopsWarden | Ending::Floods));
    let endings: Vec<_> = endings.collect();
    let ending = endings[index / 10 % endings.len()];
    let leftover = Leftover::ALL[index / 10 / endings.len() % Leftover::ALL.len()];
    // It leaves no trace by which it could be found once the warden was killed.
    let unfindable = ending == Ending::KillsWarden && leftover == Leftover::Daemon;
    let leftover = if unfindable { Leftover::Orphan } else { leftover };
    AnyJob::from(leaves::job(leftover, ending, tag.to_owned())).timeout(Duration::from_millis(20))
}

/// Returns a scheduler as the environment wants it.
fn scheduler() -> Scheduler {
    let method = match std::env::var("BENCH_METHOD").as_deref() {
        Ok("fork-server") => StartMethod::ForkServer,
        Ok("reuse") => StartMethod::Reuse { calls: 100 },
        Ok("exec") | Err(_) => StartMethod::Exec,
        Ok(other) => panic!("BENCH_METHOD is {other}, expected `exec`, `fork-server` or `reuse`"),
    };
    Scheduler::new().concurrency(2).start_method(method).standby(figures::number("BENCH_STANDBY", 0))
}

#[scheduler::main]
fn main() {
    let tag = new_tag();
    let each = figures::number("BENCH_JOBS", 4000) / PARTS;
    let mut parts = Vec::new();
    let before = held();
    for part in 0..PARTS {
        let list = (0..each).map(|index| (index.to_string(), call(part * each + index, &tag)));
        let clock = Instant::now();
        let records = scheduler().run(list).expect("the input is fine");
        parts.push(clock.elapsed() / u32::try_from(each).expect("parts are small"));
        let fine = records.iter().filter(|record| record.status() == Status::Ok).count();
        assert!(fine >= each / 10 * 9, "{fine} of {each}");
    }
    assert_eq!(alive(&tag), [0; 0]);
    let (first, last) = (parts[0], parts[PARTS - 1]);
    let mut figures = Figures::default();
    for part in parts {
        figures.add(part);
    }
    println!("{}", Figures::HEAD);
    println!("{}", figures.row(&format!("time per job, {PARTS} parts of {each} jobs, two at a time")));
    println!("first part {first:?}, last part {last:?} for each job");
    println!("held before: {before}\nheld after:  {}", held());
}
