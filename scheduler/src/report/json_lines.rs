//! `JsonLines`: an observer that writes each event as one line of JSON.

use std::io::{self, Write};
use std::path::Path;
use std::process;
use std::time::SystemTime;

use erased_serde::Serialize;
use serde::ser::SerializeMap;

use super::closed_file::create_file;
use super::lines_file::{CutLine, append_to_lines};
use super::logged::stacks_text;
use super::program::program;
use super::reporter::Reporter;
use crate::clock::{self, rfc_3339};
use crate::observer::{
    AttemptEnded, CheckpointSaved, Message, Observer, Postponed, Progress, Queued, Recorded, Slow, Started, Terminating,
};
use crate::outcome::StandardStream;
use crate::seconds::Seconds;

/// The version of the format.
pub(super) const VERSION: u32 = 1;

/// An [`Observer`] that writes each event as one line of JSON: the complete log of a run, from which every other report
/// can be made afterwards ([`read`](super::read())).
///
/// Results are part of it: a large one makes a long line. Needs the feature `report`.
///
/// # Examples
///
/// ```
/// use scheduler::{job, jobs, report::JsonLines, Scheduler};
///
/// #[job]
/// fn square(n: u64) -> u64 { n * n }
///
/// #[scheduler::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let folder = tempfile::tempdir()?;
///     let path = folder.path().join("log.jsonl");
///     Scheduler::new().observer(JsonLines::create(&path)?).run(jobs![("a", square(3))])?;
///
///     let log = std::fs::read_to_string(&path)?;
///     let events: Vec<serde_json::Value> = log.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
///     let names: Vec<_> = events.iter().filter_map(|event| event["event"].as_str()).collect();
///     assert_eq!(names, ["opened", "queued", "started", "attempt_ended", "recorded"]);
///     assert_eq!(events[4]["record"]["result"], 9);
///     Ok(())
/// }
/// ```
///
#[doc = include_str!("../docs/json_lines.md")]
#[derive(Debug)]
pub struct JsonLines(Reporter<LineWriter>);

struct LineWriter(Box<dyn Write + Send>);

impl JsonLines {
    /// Creates the log, or empties it if it exists. Folders above it are created as well.
    ///
    /// # Errors
    ///
    /// Fails if the file can't be created.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::from_writer(create_file(path.as_ref())?))
    }

    /// Opens the log to add to it, or creates it. A last line that was cut, as the application that wrote it was killed or
    /// the disk was full, is ended; [`read`](super::read()) skips it.
    ///
    /// # Errors
    ///
    /// Fails if the file can't be opened.
    pub fn append(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::from_writer(append_to_lines(path.as_ref(), |_| CutLine::End)?))
    }

    /// Writes the log to a writer, such as the standard output. Each line is one call of `write_all`, followed by `flush`.
    pub fn from_writer(writer: impl Write + Send + 'static) -> Self {
        let log = Self(Reporter::new(LineWriter(Box::new(writer))));
        let program = program();
        let process = process::id();
        log.write(
            "opened",
            clock::wall(),
            None,
            &[("version", Some(&VERSION)), ("program", Some(&program)), ("process", Some(&process))],
        );
        log
    }

    /// Returns the first error that writing has met, if there was one. Each event is written at once; after an error
    /// nothing was written.
    ///
    /// # Errors
    ///
    /// Fails if the log could not be written. A second call returns `Ok`.
    pub fn finish(&self) -> io::Result<()> {
        self.0.finish()
    }

    /// Returns whether an event could not be written, whether or not [`finish`](Self::finish) has returned the error.
    #[cfg(feature = "cli")]
    pub(crate) fn has_failed(&self) -> bool {
        self.0.has_failed()
    }

    fn write(&self, event: &str, at: SystemTime, of: Option<(u64, &str, &str)>, fields: &[Field<'_>]) {
        self.0.write_with(|LineWriter(writer)| {
            let line = line(event, at, of, fields)?;
            writer.write_all(&line)?;
            writer.flush()
        });
    }
}

/// A field, left out if it has no value.
type Field<'a> = (&'a str, Option<&'a dyn Serialize>);

fn line(event: &str, at: SystemTime, of: Option<(u64, &str, &str)>, fields: &[Field<'_>]) -> io::Result<Vec<u8>> {
    let mut line = Vec::with_capacity(256);
    let mut serializer = serde_json::Serializer::new(&mut line);
    let mut map = serde::Serializer::serialize_map(&mut serializer, None)?;
    map.serialize_entry("event", event)?;
    // It is first, beside the event, so that a reader finds it at once.
    let version = fields.first().filter(|(name, _)| *name == "version");
    if let Some((name, value)) = version {
        map.serialize_entry(name, value)?;
    }
    map.serialize_entry("at", &rfc_3339(at))?;
    if let Some((key, job_id, job)) = of {
        map.serialize_entry("key", &key)?;
        map.serialize_entry("job_id", job_id)?;
        map.serialize_entry("job", job)?;
    }
    for (name, value) in &fields[usize::from(version.is_some())..] {
        if let Some(value) = value {
            map.serialize_entry(name, value)?;
        }
    }
    SerializeMap::end(map)?;
    line.push(b'\n');
    Ok(line)
}

/// Returns a field's value as one that can be serialized.
fn some(value: Option<&impl Serialize>) -> Option<&dyn Serialize> {
    value.map(|value| value as &dyn Serialize)
}

impl Observer for JsonLines {
    fn queued(&self, it: &Queued<'_>) {
        let fields: [Field<'_>; 2] = [("group", some(it.group.as_ref())), ("follows", some(it.follows.as_ref()))];
        self.write("queued", it.at, Some((it.key, it.job_id, it.job)), &fields);
    }

    fn postponed(&self, it: &Postponed<'_>) {
        let fields: [Field<'_>; 2] = [("running", Some(&it.running)), ("reason", Some(&it.reason))];
        self.write("postponed", it.at, Some((it.key, it.job_id, it.job)), &fields);
    }

    fn started(&self, it: &Started<'_>) {
        let fields: [Field<'_>; 4] = [
            ("attempt", Some(&it.attempt)),
            ("slot", Some(&it.slot)),
            ("process", some(it.process.as_ref())),
            ("host", some(it.host.as_ref())),
        ];
        self.write("started", it.at, Some((it.key, it.job_id, it.job)), &fields);
    }

    fn progress(&self, it: &Progress<'_>) {
        let fields: [Field<'_>; 3] =
            [("attempt", Some(&it.attempt)), ("done", Some(&it.done)), ("total", Some(&it.total))];
        self.write("progress", it.at, Some((it.key, it.job_id, it.job)), &fields);
    }

    fn message(&self, it: &Message<'_>) {
        let fields: [Field<'_>; 2] = [("attempt", Some(&it.attempt)), ("text", Some(&it.text))];
        self.write("message", it.at, Some((it.key, it.job_id, it.job)), &fields);
    }

    fn checkpoint_saved(&self, it: &CheckpointSaved<'_>) {
        let bytes = it.checkpoint.len();
        let fields: [Field<'_>; 2] = [("attempt", Some(&it.attempt)), ("bytes", Some(&bytes))];
        self.write("checkpoint_saved", it.at, Some((it.key, it.job_id, it.job)), &fields);
    }

    fn slow(&self, it: &Slow<'_>) {
        let after = Seconds(it.after);
        let fields: [Field<'_>; 2] = [("attempt", Some(&it.attempt)), ("after_sec", Some(&after))];
        self.write("slow", it.at, Some((it.key, it.job_id, it.job)), &fields);
    }

    fn terminating(&self, it: &Terminating<'_>) {
        let fields: [Field<'_>; 2] = [("attempt", Some(&it.attempt)), ("reason", Some(&it.reason))];
        self.write("terminating", it.at, Some((it.key, it.job_id, it.job)), &fields);
    }

    fn attempt_ended(&self, it: &AttemptEnded<'_>) {
        let retry_in = it.retry_in.map(Seconds);
        let text = |stream| it.output?.text(stream);
        let (stdout, stderr) = (text(StandardStream::Stdout), text(StandardStream::Stderr));
        let tail = Some(it.stderr_tail).filter(|tail| !tail.is_empty());
        let stacks = stacks_text(it.attempt.stacks());
        let fields: [Field<'_>; 7] = [
            ("attempt", Some(it.attempt)),
            ("slot", some(it.slot.as_ref())),
            ("retry_in_sec", some(retry_in.as_ref())),
            ("stdout", some(stdout.as_ref())),
            ("stderr", some(stderr.as_ref())),
            ("stderr_tail", some(tail.as_ref())),
            ("stacks_text", some(stacks.as_ref())),
        ];
        self.write("attempt_ended", it.at, Some((it.key, it.job_id, it.job)), &fields);
    }

    fn recorded(&self, it: &Recorded<'_>) {
        let stacks = stacks_text(it.record.stacks());
        let fields: [Field<'_>; 2] = [("record", Some(it.record)), ("stacks_text", some(stacks.as_ref()))];
        self.write("recorded", it.at, Some((it.key, it.job_id, it.job)), &fields);
    }
}
