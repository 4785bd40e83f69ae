//! An application whose list survives it: runs four jobs with a journal, and prints what came of them.
//!
//! Its one argument is a folder. In it are the journal, and a file to which each job, observer and follow-up appends a line.
//! `APP_MODE` sets how it runs them, in words that are separated by spaces: `relaxed`, `concurrent`, `streams`, `goes on`.

#![expect(clippy::print_stdout, reason = "this program reports to its test")]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use scheduler::journal::{Durability, Journal, OnError};
use scheduler::{Observer, Record, Scheduler, job, jobs, observer, this_job};
use serde_json::{Value, json};

/// Appends a line, in one write.
fn note(folder: &Path, line: &str) -> std::io::Result<()> {
    let mut file = File::options().append(true).create(true).open(folder.join("notes"))?;
    file.write_all(format!("{line}\n").as_bytes())
}

#[job]
fn returns(folder: PathBuf) -> Result<u32, String> {
    note(&folder, "ran returns").map_err(|error| error.to_string())?;
    Ok(42)
}

/// Counts to three, and saves how far it is.
#[job]
fn counts(folder: PathBuf) -> Result<(u32, u32), String> {
    let saved: Option<u32> = this_job::resume().map_err(|error| error.to_string())?;
    note(&folder, "ran counts").map_err(|error| error.to_string())?;
    for n in saved.unwrap_or(0) + 1..=3 {
        note(&folder, &format!("counted {n}")).map_err(|error| error.to_string())?;
        this_job::checkpoint(&n).map_err(|error| error.to_string())?;
    }
    Ok((3, this_job::attempt()))
}

#[job(timeout = "150ms")]
fn hangs(folder: PathBuf) -> Result<(), String> {
    note(&folder, "ran hangs").map_err(|error| error.to_string())?;
    loop {
        std::thread::park();
    }
}

#[job(retries = 1)]
fn fails(folder: PathBuf) -> Result<(), String> {
    note(&folder, "ran fails").map_err(|error| error.to_string())?;
    Err("it always does".to_owned())
}

struct Noting(PathBuf);

impl Observer for Noting {
    fn checkpoint_saved(&self, event: &observer::CheckpointSaved<'_>) {
        if let Ok(saved) = event.checkpoint.get::<u32>() {
            let _ = note(&self.0, &format!("saved {saved}"));
        }
    }

    fn recorded(&self, event: &observer::Recorded<'_>) {
        // A record that is not noted is not expected to be there.
        let _ = note(&self.0, &format!("recorded {}", event.job_id));
    }
}

fn told(record: &Record) -> Value {
    json!({
        "id": record.job_id(),
        "status": record.status(),
        "error": record.error(),
        "replayed": record.is_replayed(),
        "attempts": record.attempts().len(),
    })
}

#[scheduler::main]
fn main() {
    let mode = std::env::var("APP_MODE").unwrap_or_default();
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_default());
    println!("ready");
    let followed = folder.clone();
    let list = jobs![
        ("returns", returns(folder.clone())),
        ("counts", counts(folder.clone())),
        ("hangs", hangs(folder.clone())),
        ("fails", fails(folder.clone())),
    ];
    let run = || {
        let mut journal = Journal::open(folder.join("run.journal"))?;
        if mode.contains("relaxed") {
            journal = journal.durability(Durability::Relaxed);
        }
        if mode.contains("goes on") {
            journal = journal.on_error(OnError::Continue);
        }
        let scheduler = Scheduler::new()
            .journal(journal.clone())
            .concurrency(if mode.contains("concurrent") { 2 } else { 1 })
            .timeout(Duration::from_secs(20))
            .on_timeout(move |late| note(&followed, &format!("followed {}", late.job_id())));
        // With an observer, a list of one job at a time is supervised by another thread.
        let scheduler = if mode.contains("quiet") { scheduler } else { scheduler.observer(Noting(folder.clone())) };
        let records = if mode.contains("streams") {
            let mut stream = scheduler.stream(list)?;
            let records = stream.by_ref().collect();
            if let Some(error) = stream.error() {
                return Err(error.clone());
            }
            records
        } else {
            scheduler.run(list)?
        };
        Ok((records, journal.error()))
    };
    let (records, error): (Vec<Record>, _) = match run() {
        Ok(done) => done,
        Err(error) => {
            let error: scheduler::Error = error;
            (error.clone().into_records(), Some(error))
        }
    };
    let error = error.map(|error| format!("{error:?}"));
    println!("{}", json!({ "error": error, "records": records.iter().map(told).collect::<Vec<_>>() }));
}
