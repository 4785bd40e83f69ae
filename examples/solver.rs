//! Counts the ways to place queens on a board, in short attempts: `cargo run --example solver [SIZE]`.
//!
//! A long search is stopped for many reasons: a limit, a machine that is needed for something else, a bug. This one is
//! killed every 200 milliseconds. It saves its state, so that each attempt continues where the last one stopped, and the
//! answer is the same as without interruption.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use scheduler::{Observer, Scheduler, job, jobs, observer, this_job};
use serde::{Deserialize, Serialize};

/// The number of steps between checkpoints: some milliseconds of work.
const STRETCH: u32 = 5000;

/// A search through all ways to place queens, row by row, so that none attacks another.
#[derive(Debug, Serialize, Deserialize)]
struct Search {
    size: u8,
    /// The columns of the queens in the first rows.
    queens: Vec<u8>,
    /// The next column to try, in the row after those.
    next: u8,
    found: u64,
}

impl Search {
    fn new(size: u8) -> Self {
        Self { size, queens: Vec::new(), next: 0, found: 0 }
    }

    fn is_attacked(&self, column: u8) -> bool {
        let rows_above = 1..=self.size;
        self.queens.iter().rev().zip(rows_above).any(|(queen, rows)| [0, rows].contains(&queen.abs_diff(column)))
    }

    /// Places the next queen, or removes the last one. Returns `false` once everything was tried.
    fn step(&mut self) -> bool {
        let is_full = self.queens.len() == usize::from(self.size);
        self.found += u64::from(is_full);
        let free = (self.next..self.size).find(|column| !is_full && !self.is_attacked(*column));
        if let Some(column) = free {
            self.queens.push(column);
            self.next = 0;
            return true;
        }
        let last = self.queens.pop();
        self.next = last.map_or(0, |column| column + 1);
        last.is_some()
    }
}

/// Counts the ways to place `size` queens on a board of that size.
#[job(timeout = "200ms", retries = 1000, retry_on = "timeout")]
fn count_queens(size: u8) -> Result<u64, scheduler::Error> {
    let mut search = this_job::resume()?.unwrap_or_else(|| Search::new(size));
    loop {
        for _ in 0..STRETCH {
            if !search.step() {
                return Ok(search.found);
            }
        }
        this_job::checkpoint(&search)?;
    }
}

/// Prints how many solutions each attempt has saved.
#[derive(Default)]
struct Log {
    found: AtomicU64,
}

impl Observer for Log {
    fn checkpoint_saved(&self, event: &observer::CheckpointSaved<'_>) {
        if let Ok(Search { found, .. }) = event.checkpoint.get() {
            self.found.store(found, Ordering::Relaxed);
        }
    }

    fn attempt_ended(&self, event: &observer::AttemptEnded<'_>) {
        let (number, status) = (event.attempt.number(), event.attempt.status());
        println!("attempt {number:>3}  {status:<8} saved at {} solutions", self.found.load(Ordering::Relaxed));
    }
}

#[scheduler::main]
fn main() -> Result<(), Box<dyn Error>> {
    let size = std::env::args().nth(1).map_or(Ok(12), |size| size.parse())?;
    let scheduler = Scheduler::new().observer(Arc::new(Log::default()));
    let records = scheduler.run(jobs![("queens", count_queens(size))])?;
    println!("\n{size} queens stand on their board in {} ways", records[0].result::<u64>()?);
    Ok(())
}
