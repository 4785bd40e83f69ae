//! A batch of different jobs, with a live progress bar and every report: `cargo run -p with-crates --example batch`.
//!
//! Some fail now and then, some must not run at the same time, one exceeds its memory limit, and one never returns. Each
//! has its options in its attribute; `main` sets the shared ones. Ctrl-C cancels the batch; the table is still printed.
//! `cargo run -p with-crates --example batch FOLDER` writes the reports to that folder.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use scheduler::progress::Bar;
use scheduler::report::{Joblog, JsonLines, Junit, Timeline, Trace};
use scheduler::{CancelToken, Output, Record, Scheduler, job, jobs, this_job};

/// Reads a sensor; every other one fails at first.
#[job(retries = 4, backoff = "20ms..1s", jitter = 0.25, retry_on = ["err", "timeout"])]
fn measure(sensor: u32) -> Result<f64, String> {
    if this_job::attempt() <= sensor % 2 {
        return Err(format!("sensor {sensor} is not ready"));
    }
    Ok(f64::from(sensor).sqrt())
}

/// Adds a line to a table that only one process may write to.
#[job(group = "table")]
fn store(table: PathBuf, line: String) -> std::io::Result<u64> {
    let lock = table.with_extension("lock");
    // Fails if another process holds the lock.
    drop(File::create_new(&lock)?);
    let text = fs::read_to_string(&table).unwrap_or_default();
    fs::write(&table, format!("{text}{line}\n"))?;
    fs::remove_file(lock)?;
    Ok(fs::metadata(table)?.len())
}

/// Returns the number below `limit` from which the most steps lead to 1, where a step halves an even number `n`, and turns
/// an odd one into `3n + 1`.
#[job(cpu_time = "20s", priority = -1)]
fn longest_way(limit: u64) -> u64 {
    let way = |mut number: u64| {
        let mut steps = 0;
        while number > 1 {
            number = if number.is_multiple_of(2) { number / 2 } else { 3 * number + 1 };
            steps += 1;
        }
        steps
    };
    let mut longest = (0, 0);
    for number in 1..limit {
        longest = longest.max((way(number), number));
        if number.is_multiple_of(1024) {
            this_job::progress(number, limit);
        }
    }
    this_job::progress(limit, limit);
    longest.1
}

/// Exceeds its memory limit if `bytes` is large.
#[job(memory = "64MiB")]
fn unpack(bytes: usize) -> usize {
    this_job::message("unpacking");
    vec![1_u8; bytes].len()
}

/// Waits for an answer that never comes.
#[job(timeout = "300ms", retries = 1, retry_on = ["timeout"])]
fn await_answer() {
    this_job::message("waiting for an answer");
    loop {
        std::thread::park();
    }
}

#[scheduler::main]
fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let table = folder.path().join("table");
    let reports = std::env::args_os().nth(1).map_or(folder.path().join("reports"), PathBuf::from);
    let records = Scheduler::new()
        .concurrency(4)
        .limit_group("table", 1)
        .timeout(Duration::from_secs(60))
        .total_timeout(Duration::from_secs(300))
        // The jobs' standard error would mix with the bars; the records of failures keep it.
        .stderr(Output::Capture)
        .cancel_token(&CancelToken::on_ctrl_c()?)
        .observer(Bar::new())
        .observer(JsonLines::create(reports.join("log.jsonl"))?)
        .observer(Joblog::create(reports.join("joblog"))?)
        .observer(Junit::create(reports.join("junit.xml"))?)
        .observer(Trace::create(reports.join("trace.json"))?)
        .observer(Timeline::create(reports.join("timeline.html"))?)
        .run(list(&table))?;

    println!("{}", Record::table(&records));
    if let Ok(number) = records[0].result::<u64>() {
        println!("\nthe most steps lead from {number} to 1");
    }
    let flaky = records.iter().filter(|record| record.is_flaky()).count();
    println!("{flaky} jobs passed after a retry");
    println!("the table has {} lines", fs::read_to_string(&table).unwrap_or_default().lines().count());
    Ok(())
}

fn list(table: &Path) -> Vec<(String, scheduler::AnyJob)> {
    let mut list = jobs![
        ("way to 1", longest_way(300_000)),
        ("unpack picture", unpack(1 << 20)),
        ("unpack bomb", unpack(1 << 30)),
        ("await answer", await_answer),
    ];
    for number in 1..=4 {
        let line = format!("line {number}");
        list.extend(jobs![
            (format!("measure {number}"), measure(number)),
            (format!("store {number}"), store(table.to_owned(), line)),
        ]);
    }
    list
}
