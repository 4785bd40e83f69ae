//! What a journal costs: `cargo bench --bench journal`.
//!
//! 10,000 trivial jobs without a journal and with each durability, as a list and as a stream, and 8 at a time; in turn, so that a busy
//! machine delays all alike: the cost is the median of the ratios of two neighbors. Then a journal of 100,000 finished jobs is opened. `BENCH_JOBS`, `BENCH_SAMPLES` and
//! `BENCH_FINISHED` set other numbers, and `BENCH_FOLDER` the disk.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark reads the clock, and prints")]

mod figures;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use figures::Figures;
use scheduler::journal::{Durability, Journal};
use scheduler::{Scheduler, StartMethod};
use scheduler_tests::jobs::fast;

fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or_default()
}

fn list(jobs: usize) -> impl Iterator<Item = (String, scheduler::Job<i32>)> {
    (0..jobs).map(|index| (index.to_string(), fast::job()))
}

/// How the jobs are run.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// All are known from the beginning, and their records stand in memory.
    List,
    /// They are drawn while they run.
    Stream,
}

impl Way {
    /// Returns how long they take.
    fn run(self, scheduler: &Scheduler, jobs: usize) -> Duration {
        let clock = Instant::now();
        let ok = match self {
            Self::List => {
                let records = scheduler.run(list(jobs)).expect("the input is fine");
                records.iter().filter(|record| record.status().is_ok()).count()
            }
            Self::Stream => {
                let records = scheduler.stream(list(jobs)).expect("the input is fine");
                records.filter(|record| record.status().is_ok()).count()
            }
        };
        assert_eq!(ok, jobs);
        clock.elapsed()
    }
}

/// Returns how long one `fsync` takes, of a few bytes at the end of a file.
fn fsync(folder: &Path) -> Duration {
    let mut file = File::create(folder.join("fsync")).expect("the folder is ours");
    let mut figures = Figures::default();
    for _ in 0..50 {
        file.write_all(&[0; 4096]).expect("there is room");
        let clock = Instant::now();
        file.sync_all().expect("it is a file");
        figures.add(clock.elapsed());
    }
    figures.median()
}

#[scheduler::main]
fn main() {
    let folder = tempfile::Builder::new();
    let folder = match std::env::var_os("BENCH_FOLDER") {
        Some(parent) => folder.tempdir_in(PathBuf::from(parent)),
        None => folder.tempdir(),
    };
    let folder = folder.expect("a temporary folder");
    println!("one `fsync` takes {:.2?} here\n", fsync(folder.path()));
    let jobs = figures::number("BENCH_JOBS", 10_000);
    let samples = figures::number("BENCH_SAMPLES", 3);
    println!(
        "| {jobs} jobs by `Exec` | without | `Relaxed` | `Full` | `Relaxed` costs | memory at its highest |\n|---|---|---|---|---|---|"
    );
    for (way, concurrency) in [(Way::List, 1), (Way::Stream, 1), (Way::Stream, 8)] {
        let mut figures = [Figures::default(), Figures::default(), Figures::default()];
        let mut ratios = Vec::new();
        for sample in 0..samples {
            let mut times = [Duration::ZERO; 3];
            for ((time, figures), durability) in
                times.iter_mut().zip(&mut figures).zip([None, Some(Durability::Relaxed), Some(Durability::Full)])
            {
                let mut scheduler = Scheduler::new().start_method(StartMethod::Exec).concurrency(concurrency);
                if let Some(durability) = durability {
                    let path = folder.path().join(format!("{way:?} {concurrency} {sample} {durability:?}"));
                    scheduler = scheduler.journal(Journal::open(path).expect("it is new").durability(durability));
                }
                *time = way.run(&scheduler, jobs);
                figures.add(*time);
            }
            ratios.push(times[1].as_secs_f64() / times[0].as_secs_f64());
        }
        let [without, relaxed, full] = figures.map(|figures| figures.median());
        ratios.sort_by(f64::total_cmp);
        let cost = ratios[ratios.len() / 2] * 100.0 - 100.0;
        let highest = memory("VmHWM:") / 1024;
        println!(
            "| {way:?}, {concurrency} at a time | {without:.2?} | {relaxed:.2?} | {full:.2?} | {cost:.1} % | {highest} MiB |"
        );
    }

    let finished = figures::number("BENCH_FINISHED", 100_000);
    let path = folder.path().join("finished");
    let scheduler = Scheduler::new().start_method(StartMethod::ForkServer).concurrency(8);
    let journal = Journal::open(&path).expect("it is new").durability(Durability::Relaxed);
    scheduler.journal(journal).stream(list(finished)).expect("the input is fine").for_each(drop);
    let mut opening = Figures::default();
    for _ in 0..20 {
        let clock = Instant::now();
        let journal = Journal::open(&path).expect("it is a journal");
        opening.add(clock.elapsed());
        drop(journal);
    }
    let size = std::fs::metadata(&path).map_or(0, |file| file.len()) >> 20;
    println!(
        "\n{}\n{}",
        Figures::HEAD,
        opening.row(&format!("opening a journal of {finished} finished jobs, {size} MiB"))
    );
    let before = memory("VmRSS:");
    let clock = Instant::now();
    let journal = Journal::open(&path).expect("it is a journal").durability(Durability::Relaxed);
    let records = Scheduler::new().journal(journal).stream(list(finished)).expect("the input is fine");
    let replayed = records.filter(scheduler::Record::is_replayed).count();
    assert_eq!(replayed, finished);
    let grown = memory("VmRSS:").saturating_sub(before);
    println!("\nreplaying all of them took {:.2?}, and {grown} KiB more memory", clock.elapsed());
}
