//! `status`: what an application runs now, by the log that it writes.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::ending::Ending;
use super::events::{name, not_a_log, read_events};
use super::output::{BOLD, DIM, report_message, unwritable};
use crate::clock::{rfc_3339, wall};
use crate::escape::OneLine;
use crate::outcome::Status;
use crate::process::{process_age, process_exists};
use crate::report::{LoggedEvent, LoggedKind, LoggedRecord};

#[derive(Clone, Debug)]
pub(super) struct StatusArguments {
    /// A log of `batch --log`, or of `report::JsonLines`, or a journal.
    pub(super) log: PathBuf,
    pub(super) is_json: bool,
}

pub(super) fn execute(arguments: &StatusArguments) -> Ending {
    let run = match LoggedRun::read(arguments) {
        Ok(run) => run,
        Err(error) => {
            report_message(&format!("can't read {}: {error}", name(&arguments.log)));
            return Ending::OWN_FAILURE;
        }
    };
    let now = wall();
    let text = if arguments.is_json {
        serde_json::to_string_pretty(&run.shown(now)).expect("it has only texts and numbers") + "\n"
    } else {
        run.text(now)
    };
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ending::SUCCESS,
        Err(error) => unwritable(&error),
    }
}

/// What is known of the last run in a log. It takes the memory of the jobs that are not over.
#[derive(Debug, Default)]
struct LoggedRun {
    program: Option<String>,
    process: Option<u32>,
    opened: Option<SystemTime>,
    last_event: Option<SystemTime>,
    counts: StatusCounts,
    /// The jobs that are not over, by their keys.
    open: BTreeMap<u64, OpenJob>,
}

/// How many jobs are over, by their outcomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct StatusCounts {
    ok: u64,
    failed: u64,
    timed_out: u64,
    cancelled: u64,
}

#[derive(Debug)]
struct OpenJob {
    job_id: String,
    job: String,
    /// Follow-ups aren't counted.
    is_follow_up: bool,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Waiting,
    /// A follow-up that has not started.
    Owed,
    /// For its next attempt.
    Retrying,
    Running(RunningJob),
}

#[derive(Debug)]
struct RunningJob {
    attempt: u32,
    slot: usize,
    process: Option<u32>,
    started: SystemTime,
    progress: Option<(u64, u64)>,
    message: Option<String>,
    is_slow: bool,
    terminating: Option<String>,
}

impl LoggedRun {
    fn read(arguments: &StatusArguments) -> io::Result<Self> {
        let mut run = Self::default();
        for event in read_events(&arguments.log)? {
            run.add(event?);
        }
        if run.opened.is_none() {
            return Err(not_a_log());
        }
        Ok(run)
    }

    fn add(&mut self, event: LoggedEvent) {
        let LoggedEvent { at, key, job_id, job, kind } = event;
        self.last_event = Some(at);
        match kind {
            // Another run was added to the log: nothing of those before it goes on.
            LoggedKind::Opened { program, process } => {
                *self =
                    Self { program, process: Some(process), opened: Some(at), last_event: Some(at), ..Self::default() };
            }
            LoggedKind::Queued { follows, .. } => {
                let stage = if follows.is_some() { Stage::Owed } else { Stage::Waiting };
                self.open.insert(key, OpenJob { job_id, job, is_follow_up: follows.is_some(), stage });
            }
            LoggedKind::Started { attempt, slot, process, .. } => {
                let (progress, message, terminating) = (None, None, None);
                let running =
                    RunningJob { attempt, slot, process, started: at, progress, message, is_slow: false, terminating };
                let is_follow_up = self.open.get(&key).is_some_and(|job| job.is_follow_up);
                self.open.insert(key, OpenJob { job_id, job, is_follow_up, stage: Stage::Running(running) });
            }
            LoggedKind::Progress { done, total, .. } => self.change(key, |job| job.progress = Some((done, total))),
            LoggedKind::Message { text, .. } => self.change(key, |job| job.message = Some(text)),
            LoggedKind::Terminating { reason, .. } => self.change(key, |job| job.terminating = Some(reason)),
            LoggedKind::AttemptEnded { retry_in, .. } => {
                if let Some(job) = self.open.get_mut(&key) {
                    job.stage = if retry_in.is_some() { Stage::Retrying } else { Stage::Waiting };
                }
            }
            LoggedKind::Recorded(record) => {
                let job = self.open.remove(&key);
                if !job.is_some_and(|job| job.is_follow_up) {
                    self.counts.add(&record);
                }
            }
            LoggedKind::Slow { .. } => self.change(key, |job| job.is_slow = true),
            LoggedKind::Postponed { .. } | LoggedKind::CheckpointSaved { .. } => {}
        }
    }

    fn change(&mut self, key: u64, change: impl FnOnce(&mut RunningJob)) {
        if let Some(OpenJob { stage: Stage::Running(job), .. }) = self.open.get_mut(&key) {
            change(job);
        }
    }

    /// Returns whether the application runs; `None` if a process runs that has its id, and may be another one.
    fn is_running(&self, now: SystemTime) -> Option<bool> {
        let Some(process) = self.process.filter(|process| process_exists(*process)) else { return Some(false) };
        // It had that id when it opened the log.
        let age = process_age(process)?;
        Some(age + CLOCK_DRIFT >= since(self.opened.unwrap_or(now), now))
    }

    /// Returns the jobs that run, in the order of their slots.
    fn running(&self) -> Vec<(&OpenJob, &RunningJob)> {
        let running = self.open.values().filter_map(|job| match &job.stage {
            Stage::Running(running) => Some((job, running)),
            _ => None,
        });
        let mut running: Vec<_> = running.collect();
        running.sort_by_key(|(_, running)| running.slot);
        running
    }

    fn count(&self, is_counted: impl Fn(&Stage) -> bool) -> usize {
        self.open.values().filter(|job| is_counted(&job.stage)).count()
    }

    fn shown(&self, now: SystemTime) -> ShownRun<'_> {
        let running = self.running().into_iter().map(|(job, running)| ShownJob {
            job_id: &job.job_id,
            job: &job.job,
            attempt: running.attempt,
            slot: running.slot,
            process: running.process,
            running_sec: since(running.started, now).as_secs_f64(),
            progress: running.progress.map(|(done, total)| ShownProgress { done, total }),
            message: running.message.as_deref(),
            is_slow: running.is_slow,
            terminating: running.terminating.as_deref(),
        });
        ShownRun {
            program: self.program.as_deref(),
            process: self.process,
            is_running: self.is_running(now),
            opened_at: self.opened.and_then(rfc_3339),
            last_event_at: self.last_event.and_then(rfc_3339),
            counts: self.counts,
            waiting: self.count(|stage| matches!(stage, Stage::Waiting)),
            retrying: self.count(|stage| matches!(stage, Stage::Retrying)),
            owed: self.count(|stage| matches!(stage, Stage::Owed)),
            running: running.collect(),
        }
    }

    fn text(&self, now: SystemTime) -> String {
        let program = self.program.as_deref().unwrap_or("the application");
        let process = self.process.unwrap_or_default();
        let time = |moment: Option<SystemTime>| moment.map_or_else(String::new, |moment| clock(since(moment, now)));
        let is_running = self.is_running(now);
        let state = match is_running {
            Some(true) => format!("runs, since {}", time(self.opened)),
            Some(false) => format!("has exited; its last event was {} ago", time(self.last_event)),
            None => format!("may run: a process with that id does; its last event was {} ago", time(self.last_event)),
        };
        let StatusCounts { ok, failed, timed_out, cancelled } = self.counts;
        let mut parts = vec![format!("{ok} ok"), format!("{failed} failed"), format!("{timed_out} timed out")];
        let running = self.running();
        let retrying = self.count(|stage| matches!(stage, Stage::Retrying));
        let owed = self.count(|stage| matches!(stage, Stage::Owed));
        let others = [
            (cancelled, "cancelled"),
            (running.len() as u64, if is_running == Some(false) { "not finished" } else { "running" }),
            (retrying as u64, "to retry"),
            (self.count(|stage| matches!(stage, Stage::Waiting)) as u64, "waiting"),
            (owed as u64, if owed == 1 { "follow-up owed" } else { "follow-ups owed" }),
        ];
        parts.extend(others.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
        let mut lines =
            vec![format!("{BOLD}{}{BOLD:#} (process {process}) {state}", OneLine(program)), parts.join(", ")];
        // Those of an application that was killed are gone with it.
        lines.extend(running.iter().map(|(job, running)| running.text(job, now)));
        lines.join("\n") + "\n"
    }
}

impl StatusCounts {
    fn add(&mut self, record: &LoggedRecord) {
        let is_cancelled = record.failure.as_ref().is_some_and(|failure| failure["kind"] == "cancelled");
        match record.status {
            Status::Ok if record.result_error.is_none() => self.ok += 1,
            Status::Timeout => self.timed_out += 1,
            Status::Error if is_cancelled => self.cancelled += 1,
            // A result that nobody can read is none.
            Status::Ok | Status::Error => self.failed += 1,
        }
    }
}

impl RunningJob {
    fn text(&self, job: &OpenJob, now: SystemTime) -> String {
        let mut parts = vec![format!("  {}  {}", clock(since(self.started, now)), OneLine(&job.job_id))];
        if self.attempt > 1 {
            parts.push(format!("attempt {}", self.attempt));
        }
        parts.extend(self.progress.map(|(done, total)| format!("{done}/{total}")));
        parts.extend(self.message.as_deref().map(|message| OneLine(message).to_string()));
        parts.extend(self.is_slow.then(|| "slow".to_owned()));
        parts.extend(self.terminating.as_deref().map(|reason| format!("asked to stop: {}", OneLine(reason))));
        let process = self.process.map_or_else(String::new, |process| format!(", process {process}"));
        format!("{}  {DIM}{}, slot {}{process}{DIM:#}", parts.join("  "), OneLine(&job.job), self.slot)
    }
}

/// A run with the fields of `status --json`.
#[derive(Serialize)]
struct ShownRun<'a> {
    program: Option<&'a str>,
    process: Option<u32>,
    is_running: Option<bool>,
    opened_at: Option<String>,
    last_event_at: Option<String>,
    #[serde(flatten)]
    counts: StatusCounts,
    waiting: usize,
    retrying: usize,
    owed: usize,
    running: Vec<ShownJob<'a>>,
}

#[derive(Serialize)]
struct ShownJob<'a> {
    job_id: &'a str,
    job: &'a str,
    attempt: u32,
    slot: usize,
    process: Option<u32>,
    running_sec: f64,
    progress: Option<ShownProgress>,
    message: Option<&'a str>,
    is_slow: bool,
    terminating: Option<&'a str>,
}

#[derive(Serialize)]
struct ShownProgress {
    done: u64,
    total: u64,
}

/// By how much the wall clock may have been set since the log was opened, and the kernel's date of a process be off.
const CLOCK_DRIFT: Duration = Duration::from_secs(2);

/// Returns the time between two moments; zero if the clock was set back.
fn since(moment: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(moment).unwrap_or_default()
}

/// Returns a time as a clock shows it: `0:07`, `12:34`, `1:02:03`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"{"event":"opened","version":1,"at":"2026-11-23T17:09:00+01:00","program":"/a","process":1}
{"event":"queued","at":"2026-11-23T17:09:00+01:00","key":1,"job_id":"old","job":"f"}
{"event":"opened","version":1,"at":"2026-11-23T17:10:00+01:00","program":"/b\n","process":4294967295}
{"event":"queued","at":"2026-11-23T17:10:00+01:00","key":1,"job_id":"one","job":"f"}
{"event":"queued","at":"2026-11-23T17:10:00+01:00","key":2,"job_id":"two\u001b","job":"f"}
{"event":"queued","at":"2026-11-23T17:10:00+01:00","key":3,"job_id":"three","job":"f"}
{"event":"started","at":"2026-11-23T17:10:01+01:00","key":1,"job_id":"one","job":"f","attempt":1,"slot":1,"process":7}
{"event":"recorded","at":"2026-11-23T17:10:02+01:00","key":1,"job_id":"one","job":"f","record":{"status":"ok","duration_sec":1.0,"total_duration_sec":1.0}}
{"event":"started","at":"2026-11-23T17:10:03+01:00","key":2,"job_id":"two\u001b","job":"f","attempt":2,"slot":1,"process":8}
{"event":"progress","at":"2026-11-23T17:10:03+01:00","key":2,"job_id":"two\u001b","job":"f","attempt":2,"done":3,"total":10}
{"event":"message","at":"2026-11-23T17:10:03+01:00","key":2,"job_id":"two\u001b","job":"f","attempt":2,"text":"reads\nit"}
{"event":"terminat"#;

    #[test]
    fn the_last_run_of_a_log_counts() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = folder.path().join("log.jsonl");
        std::fs::write(&log, LOG).expect("the folder is ours");
        let run = LoggedRun::read(&StatusArguments { log, is_json: false }).expect("it is a log");
        let now = run.last_event.expect("there are events") + Duration::from_secs(3724);
        let text = anstream::adapter::strip_str(&run.text(now)).to_string();
        let expected = "/b\\n (process 4294967295) has exited; its last event was 1:02:04 ago\n\
                        1 ok, 0 failed, 0 timed out, 1 not finished, 1 waiting\n\
                        \x20 1:02:04  two\\u{1b}  attempt 2  3/10  reads\\nit  f, slot 1, process 8\n";
        assert_eq!(text, expected);
        let shown = serde_json::to_value(run.shown(now)).expect("it is plain");
        assert_eq!((&shown["ok"], &shown["waiting"], &shown["is_running"]), (&1.into(), &1.into(), &false.into()));
        assert_eq!(
            (&shown["running"][0]["progress"]["done"], &shown["running"][0]["running_sec"]),
            (&3.into(), &3724.0.into())
        );
    }

    #[test]
    fn a_process_that_is_younger_than_the_log_is_another_one() {
        let now = wall();
        let run =
            |opened| LoggedRun { process: Some(std::process::id()), opened: Some(opened), ..LoggedRun::default() };
        let is_known = process_age(std::process::id()).is_some();
        assert_eq!(run(now).is_running(now), is_known.then_some(true));
        let text = run(now).text(now);
        assert!(
            text.contains(if is_known { "runs, since 0:00" } else { "may run: a process with that id does" }),
            "{text}"
        );
        // This process did not exist a year ago.
        let year = Duration::from_secs(365 * 24 * 3600);
        assert_eq!(run(now - year).is_running(now), is_known.then_some(false));
        let exited = LoggedRun { process: Some(u32::MAX), ..run(now) };
        assert_eq!(exited.is_running(now), Some(false));
    }

    #[test]
    fn another_file_is_no_log() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = folder.path().join("log.jsonl");
        for text in ["", "\n", "{}\n", "{\"job\": \"a\"}\n"] {
            std::fs::write(&log, text).expect("the folder is ours");
            let log = log.clone();
            LoggedRun::read(&StatusArguments { log, is_json: false }).expect_err("it is none");
        }
    }
}
