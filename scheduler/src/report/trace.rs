//! `Trace`: an observer that writes a trace for Chrome's viewer and Perfetto.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::process;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use super::closed_file::ClosedFile;
use super::logged::{LoggedAttempt, LoggedEvent, LoggedKind, seconds_between};
use super::program::{program, short_name};
use super::reporter::{Format, Reporter, report};

/// An [`Observer`](crate::Observer) that writes a trace in the [Trace Event
/// Format](https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU), for
/// [Perfetto](https://ui.perfetto.dev) and `chrome://tracing`. Needs the feature `report`.
///
/// | row | shows |
/// |---|---|
/// | `slot 1`, `slot 2`, … | the attempts that ran there, one after another, by the id of their job; within one, its grace period, its messages and where it became [slow](macro@crate::job#slow); after it, the time until its process was gone and everything that it left was killed |
/// | `retry` | the time that a job waits for its next attempt |
/// | `running jobs` | how many there were |
/// | `peak memory` | the largest memory that the attempt in each slot used, in bytes, known at its end |
///
/// A mark across all rows is where a job was [postponed](crate::Observer::postponed).
///
/// The arguments of an attempt are the job's name, the process id, the outcome, the error, the stacks, and what it used. An attempt
/// that was running when the application was killed has a beginning without an end. The file is an array that is
/// complete after each event.
///
/// # Examples
///
/// ```
/// use scheduler::{job, jobs, report::Trace, Scheduler};
///
/// #[job]
/// fn square(n: u64) -> u64 { n * n }
///
/// #[scheduler::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let folder = tempfile::tempdir()?;
///     let path = folder.path().join("trace.json");
///     Scheduler::new().observer(Trace::create(&path)?).run(jobs![("a", square(3))])?;
///
///     let trace: Vec<serde_json::Value> = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
///     assert!(trace.iter().any(|event| event["ph"] == "B" && event["name"] == "a" && event["tid"] == 1));
///     Ok(())
/// }
/// ```
#[derive(Debug)]
#[doc(alias = "perfetto")]
#[doc(alias = "chrome")]
pub struct Trace(Reporter<TraceWriter>);

struct TraceWriter {
    file: ClosedFile,
    /// The application's name, until it is written before the first event.
    name: Option<String>,
    /// The application's process id, which all rows belong to.
    process: u32,
    /// The moment from which times count.
    zero: Option<SystemTime>,
    named_slots: BTreeMap<usize, String>,
    running: HashMap<u64, RunningAttempt>,
    /// When the last event happened.
    latest: Option<SystemTime>,
}

/// An attempt that is not over.
struct RunningAttempt {
    /// The name of the job.
    name: String,
    slot: usize,
    started: SystemTime,
    /// The moment of the last message or mark within it, which its end doesn't precede.
    latest: SystemTime,
    /// The name of its grace period, if that has begun.
    terminating: Option<String>,
}

impl RunningAttempt {
    /// Ends it in the row of its slot, with its grace period.
    fn end(self, ts: f64, color: Option<&str>, args: &Value, events: &mut Vec<Value>) {
        let slot = self.slot;
        // The format needs no names here. Some of its readers, such as speedscope, do.
        if let Some(name) = self.terminating {
            events.push(json!({"ph": "E", "name": name, "ts": ts, "tid": slot}));
        }
        let mut end = json!({"ph": "E", "name": self.name, "ts": ts, "tid": slot, "args": args});
        if let Some(color) = color {
            end["cname"] = color.into();
        }
        events.push(end);
    }
}

impl Trace {
    /// Creates the trace, or empties it if it exists. Folders above it are created as well.
    ///
    /// # Errors
    ///
    /// Fails if the file can't be created.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let process = process::id();
        let name = Some(short_name(program().as_deref()));
        let file = ClosedFile::create(path.as_ref(), "[", "\n]\n")?;
        let (named_slots, running) = (BTreeMap::new(), HashMap::new());
        Ok(Self(Reporter::new(TraceWriter { file, name, process, zero: None, named_slots, running, latest: None })))
    }
}

report!(Trace of queued(Queued), postponed(Postponed), started(Started), message(Message), slow(Slow), terminating(Terminating), attempt_ended(AttemptEnded));

impl Format for TraceWriter {
    fn write(&mut self, event: &LoggedEvent) -> io::Result<()> {
        self.zero.get_or_insert(event.at);
        let mut events = Vec::new();
        match &event.kind {
            LoggedKind::Opened { .. } => self.end_all(&mut events),
            LoggedKind::Started { attempt, slot, process, host } => {
                self.name_slot(*slot, host.as_deref(), &mut events);
                self.start(event, *attempt, *slot, *process, &mut events);
            }
            LoggedKind::Postponed { running, reason } => {
                let args = json!({"job_id": event.job_id, "running": running, "reason": reason});
                let ts = self.time(event.at);
                events.push(json!({"ph": "i", "s": "p", "cat": "postponed", "name": "postponed", "ts": ts, "tid": 0, "args": args}));
            }
            LoggedKind::Message { text, .. } => {
                events.extend(self.mark(event, "message", text));
            }
            LoggedKind::Slow { .. } => {
                events.extend(self.mark(event, "slow", "slow"));
            }
            LoggedKind::Terminating { reason, .. } => {
                if let Some(running) = self.running.get_mut(&event.key) {
                    let (slot, name) = (running.slot, format!("grace: {reason}"));
                    running.latest = running.latest.max(event.at);
                    running.terminating = Some(name.clone());
                    let ts = self.time(event.at);
                    events.push(json!({"ph": "B", "cat": "grace", "name": name, "ts": ts, "tid": slot}));
                }
            }
            LoggedKind::AttemptEnded { attempt, retry_in, .. } => self.end(event, attempt, *retry_in, &mut events),
            _ => {}
        }
        self.latest = Some(event.at);
        self.append(events)
    }

    fn replaying(&mut self, event: &LoggedEvent) -> io::Result<()> {
        if let LoggedKind::Opened { program, process } = &event.kind
            && self.name.is_some()
        {
            self.name = Some(short_name(program.as_deref()));
            self.process = *process;
        }
        Ok(())
    }
}

impl TraceWriter {
    /// Appends these events, after the name of the application if they are the first.
    fn append(&mut self, events: Vec<Value>) -> io::Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let mut separator = if self.name.is_some() { "\n" } else { ",\n" };
        let name = self.name.take();
        let name = name.map(|name| json!({"ph": "M", "name": "process_name", "tid": 0, "args": {"name": name}}));
        let mut lines = String::new();
        for mut event in name.into_iter().chain(events) {
            event["pid"] = self.process.into();
            lines.push_str(separator);
            lines.push_str(&event.to_string());
            separator = ",\n";
        }
        self.file.append(&lines)
    }

    /// Returns a moment in microseconds since the first event.
    fn time(&self, moment: SystemTime) -> f64 {
        (seconds_between(self.zero.unwrap_or(moment), moment) * 1e9).round() / 1e3
    }

    /// Names the row of a slot, with the machine that it is on. A slot that is opened again may be on another one.
    fn name_slot(&mut self, slot: usize, host: Option<&str>, events: &mut Vec<Value>) {
        let name = host.map_or_else(|| format!("slot {slot}"), |host| format!("slot {slot}, {host}"));
        if self.named_slots.get(&slot) == Some(&name) {
            return;
        }
        events.push(json!({"ph": "M", "name": "thread_name", "tid": slot, "args": {"name": name}}));
        if self.named_slots.insert(slot, name).is_none() {
            events.push(json!({"ph": "M", "name": "thread_sort_index", "tid": slot, "args": {"sort_index": slot}}));
        }
    }

    fn start(&mut self, event: &LoggedEvent, attempt: u32, slot: usize, process: Option<u32>, events: &mut Vec<Value>) {
        let args = json!({"job": event.job, "attempt": attempt, "process": process});
        let ts = self.time(event.at);
        events.push(json!({"ph": "B", "cat": "job", "name": event.name(), "ts": ts, "tid": slot, "args": args}));
        let (name, started, latest) = (event.name().to_owned(), event.at, event.at);
        self.running.insert(event.key, RunningAttempt { name, slot, started, latest, terminating: None });
        events.push(self.running_jobs(event.at));
    }

    fn end(
        &mut self,
        event: &LoggedEvent,
        attempt: &LoggedAttempt,
        retry_in: Option<Duration>,
        events: &mut Vec<Value>,
    ) {
        // An attempt whose function was not called has no place in any row.
        if let Some(running) = self.running.remove(&event.key) {
            let (slot, started) = (running.slot, running.started);
            // What the job has reported arrives later than it was sent, and may do so after the function has returned.
            let returned = (running.started + attempt.duration).min(event.at).max(running.latest);
            let ts = self.time(returned);
            let color = if attempt.error.is_none() { "good" } else { "terrible" };
            running.end(ts, Some(color), &arguments(attempt), events);
            let gone = self.time(event.at.max(returned));
            let args = json!({"sweep": attempt.sweep});
            let dur = ((gone - ts) * 1e3).round() / 1e3;
            let sweep = json!({"ph": "X", "cat": "sweep", "name": "exit and sweep", "ts": ts, "dur": dur, "tid": slot, "args": args});
            events.push(sweep);
            events.push(self.running_jobs(event.at));
            let memory = |ts: f64, bytes: u64| {
                let args = Map::from_iter([(format!("slot {slot}"), bytes.into())]);
                json!({"ph": "C", "name": "peak memory", "ts": ts, "tid": 0, "args": args})
            };
            events.push(memory(self.time(started), attempt.usage.peak_memory));
            events.push(memory(gone, 0));
        }
        if let Some(delay) = retry_in {
            let name = format!("{}: attempt {}", event.name(), attempt.number + 1);
            let id = format!("0x{:x}", event.key);
            for (ph, moment) in [("b", event.at), ("e", event.at + delay)] {
                let ts = self.time(moment);
                events.push(json!({"ph": ph, "cat": "retry", "name": name, "id": id, "ts": ts, "tid": 0}));
            }
        }
    }

    /// Ends the attempts of an application that was killed, before the next one begins to write the log.
    fn end_all(&mut self, events: &mut Vec<Value>) {
        let Some(latest) = self.latest else { return };
        let ts = self.time(latest);
        for (_, running) in self.running.drain() {
            running.end(ts, None, &json!({"status": "unknown"}), events);
        }
        if !events.is_empty() {
            events.push(self.running_jobs(latest));
        }
    }

    /// Returns a mark in the row of a running attempt.
    fn mark(&mut self, event: &LoggedEvent, category: &str, name: &str) -> Option<Value> {
        let running = self.running.get_mut(&event.key)?;
        running.latest = running.latest.max(event.at);
        let (at, slot) = (event.at.max(running.started), running.slot);
        let ts = self.time(at);
        Some(json!({"ph": "i", "s": "t", "cat": category, "name": name, "ts": ts, "tid": slot}))
    }

    fn running_jobs(&self, at: SystemTime) -> Value {
        let args = json!({"jobs": self.running.len()});
        json!({"ph": "C", "name": "running jobs", "ts": self.time(at), "tid": 0, "args": args})
    }
}

fn arguments(attempt: &LoggedAttempt) -> Value {
    let mut arguments = json!({
        "status": attempt.status,
        "user_sec": attempt.usage.user.as_secs_f64(),
        "system_sec": attempt.usage.system.as_secs_f64(),
        "peak_memory_bytes": attempt.usage.peak_memory,
    });
    if let Some(error) = &attempt.error {
        arguments["error"] = error.as_str().into();
    }
    if let Some(stacks) = &attempt.stacks {
        arguments["stacks"] = stacks.as_str().into();
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::read;

    #[test]
    fn an_attempt_of_an_application_that_was_killed_ends_before_the_next_run() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("trace.json");
        let trace = Trace::create(&path).expect("the folder is ours");
        let opened = r#"{"event":"opened","version":1,"at":"2026-11-26T00:00:00+00:00","process":7}"#;
        let started = r#"{"event":"started","at":"2026-11-26T00:00:01+00:00","key":1,"job_id":"a","job":"f","attempt":1,"slot":1,"process":8}"#;
        let log = format!("{opened}\n{started}\n").repeat(2);
        for event in read(log.as_bytes()) {
            trace.replay(&event.expect("it is an event"));
        }
        let trace: Vec<Value> =
            serde_json::from_str(&std::fs::read_to_string(path).expect("it is there")).expect("it is an array");
        let phases = trace.iter().filter_map(|event| event["ph"].as_str()).filter(|phase| ["B", "E"].contains(phase));
        assert_eq!(phases.collect::<Vec<_>>(), ["B", "E", "B"]);
    }

    #[test]
    fn an_attempt_ends_after_its_messages_although_they_arrive_late() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("trace.json");
        let trace = Trace::create(&path).expect("the folder is ours");
        let line = |second: &str, kind: &str, rest: &str| {
            let job = r#""key":1,"job_id":"a","job":"f""#;
            format!(r#"{{"event":"{kind}","at":"2026-11-26T00:00:0{second}+00:00",{job}{rest}}}"#)
        };
        let ended = r#","attempt":{"attempt":1,"status":"ok","duration_sec":0.25,"usage":{"user_sec":0.0,"system_sec":0.0,"peak_memory_bytes":0},"sweep":{"kind":"clean"}},"slot":1"#;
        let log = [
            r#"{"event":"opened","version":1,"at":"2026-11-26T00:00:00+00:00","process":7}"#.to_owned(),
            line("0.0", "queued", ""),
            line("1.0", "started", r#","attempt":1,"slot":1,"process":8"#),
            line("1.5", "message", r#","attempt":1,"text":"late""#),
            line("2.0", "attempt_ended", ended),
        ];
        for event in read(format!("{}\n", log.join("\n")).as_bytes()) {
            trace.replay(&event.expect("it is an event"));
        }
        trace.finish().expect("there is room");
        let trace: Vec<Value> =
            serde_json::from_str(&std::fs::read_to_string(path).expect("it is there")).expect("it is an array");
        let of = |phase: &str| trace.iter().find(|event| event["ph"] == phase).expect("there is one");
        assert_eq!((&of("i")["ts"], &of("E")["ts"]), (&json!(1_500_000.0), &json!(1_500_000.0)));
        assert_eq!((&of("X")["ts"], &of("X")["dur"]), (&json!(1_500_000.0), &json!(500_000.0)));
    }
}
