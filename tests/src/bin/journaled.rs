//! An application whose list survives it: runs jobs, a chain and a follow-up with a journal, and prints what came of them.
//!
//! Its one argument is a folder. In it are the journal, and a file to which each job, observer and follow-up appends a line.
//! `APP_MODE` sets how it runs them, in words that are separated by spaces: `relaxed`, `concurrent`, `streams`, `goes on`.
//! `APP_DIES` names the moment at which it is killed: see `dies`; with `APP_ABORTS` set it aborts then.

#![expect(clippy::print_stdout, reason = "this program reports to its test")]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use scheduler::journal::{Durability, Journal, OnError};
use scheduler::{Ended, Observer, Record, Scheduler, job, jobs, observer, this_job};
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

/// Returns a command that kills a process, or aborts it, for which Windows has none.
fn killing(id: &str, aborts: bool) -> Command {
    let (program, arguments) = match (cfg!(windows), aborts) {
        (true, _) => ("taskkill", ["/F", "/PID"].as_slice()),
        (false, true) => ("kill", ["-ABRT"].as_slice()),
        (false, false) => ("kill", ["-KILL"].as_slice()),
    };
    let mut command = Command::new(program);
    command.args(arguments).arg(id).stdout(Stdio::null());
    command
}

/// Ends the application, if this is the moment at which it is to end. Called in its own process, and in that of a follow-up.
fn dies(moment: &str) {
    if std::env::var("APP_DIES").is_ok_and(|wanted| wanted == moment) {
        let id = std::env::var("APP_PROCESS").unwrap_or_else(|_| std::process::id().to_string());
        let _ = killing(&id, std::env::var_os("APP_ABORTS").is_some()).status();
        loop {
            std::thread::park();
        }
    }
}

/// Notes what it sees, and returns its key.
#[job(timeout = "20s")]
fn analyses(ended: Ended, folder: PathBuf) -> Result<String, String> {
    dies("in the follow-up");
    let line = format!("analysed {} {}", ended.job_id(), ended.key());
    note(&folder, &line).map_err(|error| error.to_string())?;
    dies("after the follow-up");
    Ok(ended.key().to_owned())
}

#[job]
fn doubles(folder: PathBuf, n: u32, line: String) -> Result<u32, String> {
    note(&folder, &line).map_err(|error| error.to_string())?;
    Ok(2 * n)
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

    fn attempt_ended(&self, event: &observer::AttemptEnded<'_>) {
        if event.job_id == "hangs" && event.follows.is_none() {
            dies("at the end of the job");
        }
    }

    fn started(&self, event: &observer::Started<'_>) {
        if event.follows.is_some() {
            dies("at the start of the follow-up");
        }
    }

    fn recorded(&self, event: &observer::Recorded<'_>) {
        if event.follows.is_some() {
            dies("at the record of the follow-up");
            return;
        }
        if event.job_id == "hangs" {
            dies("at the record of the job");
        }
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
        "follow_ups": record.follow_ups().iter().map(|record| record.result::<String>().ok()).collect::<Vec<_>>(),
        "steps": record.steps().iter().map(Record::is_replayed).collect::<Vec<_>>(),
    })
}

#[scheduler::main]
fn main() {
    let mode = std::env::var("APP_MODE").unwrap_or_default();
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_default());
    println!("ready");
    let followed = folder.clone();
    let (analysed, chained) = (folder.clone(), folder.clone());
    let hangs = hangs::job(folder.clone()).follow_up(move |ended| {
        dies("before the follow-up");
        let id = std::process::id().to_string();
        analyses::job(ended, analysed.clone()).env("APP_PROCESS", id)
    });
    let chain = doubles::job(folder.clone(), 1, "ran chained".to_owned())
        .and_then(move |n| doubles::job(chained.clone(), n, "ran chained/1".to_owned()));
    let list = jobs![
        ("returns", returns(folder.clone())),
        ("counts", counts(folder.clone())),
        ("hangs", { hangs }),
        ("fails", fails(folder.clone())),
        ("chained", { chain }),
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
        dies("at its end");
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
