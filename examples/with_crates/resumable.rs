//! Counts primes in parts, and survives its own death: `cargo run -p with-crates --example resumable [JOURNAL]`.
//!
//! Kill it at any time, with Ctrl-C, `kill -9` or the power switch, and start it again with the same journal: the parts that
//! were counted are not counted again, and the one that was interrupted goes on where it was. `resumable.sh` shows that.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::error::Error;
use std::path::PathBuf;

use scheduler::journal::{Durability, Journal};
use scheduler::{Scheduler, job, this_job};

/// The numbers in one part.
const PART: u64 = 100_000;

/// The numbers between two checkpoints: some milliseconds of work.
const STRETCH: u64 = 5_000;

fn is_prime(n: u64) -> bool {
    n > 1 && (2..n).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d))
}

/// Counts the primes in one part. Returns their number, and in how many attempts they were counted.
#[job(timeout = "1m")]
fn count_primes(part: u64) -> Result<(u64, u32), scheduler::Error> {
    let end = (part + 1) * PART;
    let (mut next, mut count) = this_job::resume()?.unwrap_or((part * PART, 0_u64));
    while next < end {
        let stretch = next..end.min(next + STRETCH);
        next = stretch.end;
        count += stretch.filter(|n| is_prime(*n)).count() as u64;
        this_job::checkpoint(&(next, count))?;
    }
    Ok((count, this_job::attempt()))
}

#[scheduler::main]
fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).map_or_else(|| std::env::temp_dir().join("primes.journal"), PathBuf::from);
    // It is to survive a kill; a loss of power may cost the last part.
    let journal = Journal::open(&path)?.durability(Durability::Relaxed);
    let scheduler = Scheduler::new().journal(journal);

    let (mut primes, mut replayed) = (0, 0);
    let parts = (0..10).map(|part| (format!("part {part}"), count_primes::job(part)));
    let mut records = scheduler.stream(parts)?;
    for record in records.by_ref() {
        let (count, attempts) = record.result::<(u64, u32)>()?;
        let source = match attempts {
            _ if record.is_replayed() => ", from the journal".to_owned(),
            1 => String::new(),
            _ => format!(", in {attempts} attempts"),
        };
        println!("{}: {count} primes{source}", record.job_id());
        primes += count;
        replayed += u32::from(record.is_replayed());
    }
    // The disk may be full.
    if let Some(error) = records.error() {
        return Err(error.clone().into());
    }
    println!("{primes} primes below {}; {replayed} of 10 parts came from {}", 10 * PART, path.display());
    Ok(())
}
