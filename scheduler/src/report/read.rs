//! `read`: reads a file of `JsonLines` back.

use std::fmt;
use std::io::{self, BufRead, Read as _};
use std::iter;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::json_lines::VERSION;
use super::logged::{LoggedAttempt, LoggedEvent, LoggedKind, LoggedRecord, parse_moment};

/// Reads the events of a log that [`JsonLines`](super::JsonLines) has written, one by one.
///
/// Unknown events are skipped, and so is a line that was cut, which an application that was killed or a full disk may
/// leave: the last one of the log, or the one before the `opened` of the next application that added to it. A last line that is
/// complete but for its newline is read. If several
/// applications wrote to the same file, or several files are read one after another, the keys of the later ones are
/// raised, so that each job has its own.
///
/// # Errors
///
/// An item is an error if the log can't be read, if another line isn't JSON or lacks a field, if a line is longer than 1 GiB (the
/// first one: than 1 MiB), or if the version of its format is unknown. The message has the number of the line. No item follows it.
///
/// # Examples
///
/// A timeline, made afterwards:
///
/// ```
/// use std::fs::File;
/// use std::io::BufReader;
/// use scheduler::{job, jobs, report, Scheduler};
///
/// #[job]
/// fn square(n: u64) -> u64 { n * n }
///
/// #[scheduler::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let folder = tempfile::tempdir()?;
///     let log = folder.path().join("log.jsonl");
///     Scheduler::new().observer(report::JsonLines::create(&log)?).run(jobs![("a", square(3))])?;
///
///     let timeline = report::Timeline::create(folder.path().join("timeline.html"))?;
///     for event in report::read(BufReader::new(File::open(&log)?)) {
///         timeline.replay(&event?);
///     }
///     timeline.finish()?;
///     Ok(())
/// }
/// ```
pub fn read(log: impl BufRead) -> impl Iterator<Item = io::Result<LoggedEvent>> {
    let mut reader = Reader { log, number: 0, offset: 0, last_key: 0, is_opened: false, is_over: false };
    iter::from_fn(move || reader.next())
}

struct Reader<R> {
    log: R,
    /// The number of the current line, from 1.
    number: u64,
    /// What is added to the keys since the last `opened`.
    offset: u64,
    last_key: u64,
    is_opened: bool,
    is_over: bool,
}

/// The most bytes of a line, as of a line of `batch`.
const LONGEST_LINE: u64 = 1 << 30;

/// The most bytes of the line that opens a log, which has the name of a program.
const LONGEST_OPENED: u64 = 1 << 20;

/// The mark that some editors put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

impl<R: BufRead> Reader<R> {
    fn next(&mut self) -> Option<io::Result<LoggedEvent>> {
        // What is wrong with a line that was cut, unless the next application has opened the log after it.
        let mut cut: Option<String> = None;
        while !self.is_over {
            let mut line = Vec::new();
            // A file of another kind is refused before it is in memory.
            let longest = if self.is_opened { LONGEST_LINE } else { LONGEST_OPENED };
            if let Err(error) = (&mut self.log).take(longest + 1).read_until(b'\n', &mut line) {
                return Some(self.fail(error));
            }
            if line.is_empty() {
                return None;
            }
            self.number += 1;
            if line.len() as u64 > longest {
                let problem = self.at_line(&self.not_an_event(&"the line is too long"));
                return Some(self.fail(io::Error::new(io::ErrorKind::InvalidData, problem)));
            }
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            let line = if self.number == 1 { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
            if line.trim_ascii().is_empty() {
                continue;
            }
            let parsed = match self.parse(line) {
                Err(Unread::Cut(problem)) => {
                    cut.get_or_insert_with(|| self.at_line(&problem));
                    continue;
                }
                Err(Unread::Wrong(problem)) => Err(self.at_line(&problem)),
                Ok(parsed) => Ok(parsed),
            };
            let is_opened = matches!(&parsed, Ok(Some(LoggedEvent { kind: LoggedKind::Opened { .. }, .. })));
            if let Some(problem) = cut.take().filter(|_| !is_opened) {
                return Some(self.fail(io::Error::new(io::ErrorKind::InvalidData, problem)));
            }
            match parsed {
                Ok(None) => {}
                Ok(Some(event)) => return Some(Ok(event)),
                Err(problem) => return Some(self.fail(io::Error::new(io::ErrorKind::InvalidData, problem))),
            }
        }
        None
    }

    fn fail<T>(&mut self, error: io::Error) -> io::Result<T> {
        self.is_over = true;
        Err(error)
    }

    fn at_line(&self, problem: &str) -> String {
        format!("line {}: {problem}", self.number)
    }

    fn not_an_event(&self, error: &dyn fmt::Display) -> String {
        // If the first line is none, the file is of another kind.
        let hint = if self.number == 1 {
            "; only what `JsonLines` (on the command line `batch --log`) has written can be read"
        } else {
            ""
        };
        format!("not an event: {error}{hint}")
    }

    fn parse(&mut self, line: &[u8]) -> Result<Option<LoggedEvent>, Unread> {
        let text = match str::from_utf8(line) {
            Ok(text) => text,
            // It may be cut within a character.
            Err(error) if error.error_len().is_none() => {
                str::from_utf8(&line[..error.valid_up_to()]).unwrap_or_default()
            }
            Err(error) => return Err(Unread::Wrong(self.not_an_event(&error))),
        };
        let line: Line = serde_json::from_str(text).map_err(|error| {
            let problem = self.not_an_event(&error);
            let is_cut = error.is_eof() && text.starts_with('{');
            if is_cut { Unread::Cut(problem) } else { Unread::Wrong(problem) }
        })?;
        self.event(line).map_err(Unread::Wrong)
    }

    fn event(&mut self, line: Line) -> Result<Option<LoggedEvent>, String> {
        if line.event == "opened" {
            let version = given(line.version, "version")?;
            if version != VERSION {
                return Err(format!("version {version} of the format; this program reads version {VERSION}"));
            }
            self.offset = self.last_key;
            self.is_opened = true;
        } else if !self.is_opened {
            return Err(format!(
                "the first event is `{}`, and a log begins with `opened`: its beginning is missing",
                line.event.escape_debug()
            ));
        }
        let key = if line.event == "opened" { 0 } else { raised(line.key, self.offset)? };
        self.last_key = self.last_key.max(key);
        let Some((at, kind)) = parse_moment(&line.at).zip(kind(&line, self.offset)?) else { return Ok(None) };
        Ok(Some(LoggedEvent { at, key, job_id: line.job_id, job: line.job, kind }))
    }
}

/// A line that is no event.
enum Unread {
    /// It is the beginning of one.
    Cut(String),
    Wrong(String),
}

/// A line, with the fields of every event.
#[derive(Deserialize)]
#[serde(expecting = "an event, which is an object")]
struct Line {
    event: String,
    version: Option<u32>,
    at: String,
    #[serde(default)]
    key: u64,
    #[serde(default)]
    job_id: String,
    #[serde(default)]
    job: String,
    program: Option<String>,
    process: Option<u32>,
    host: Option<String>,
    group: Option<String>,
    follows: Option<u64>,
    /// A number, or the attempt itself.
    #[serde(default)]
    attempt: Value,
    slot: Option<usize>,
    done: Option<u64>,
    total: Option<u64>,
    text: Option<String>,
    bytes: Option<u64>,
    running: Option<usize>,
    reason: Option<String>,
    after_sec: Option<f64>,
    retry_in_sec: Option<f64>,
    stdout: Option<String>,
    stderr: Option<String>,
    stderr_tail: Option<String>,
    stacks_text: Option<String>,
    #[serde(default)]
    record: Value,
}

/// Returns what happened, or `None` for an event that a later version of this crate may have added.
fn kind(line: &Line, offset: u64) -> Result<Option<LoggedKind>, String> {
    let attempt = || number(&line.attempt);
    Ok(Some(match line.event.as_str() {
        "opened" => LoggedKind::Opened { program: line.program.clone(), process: line.process.unwrap_or_default() },
        "queued" => LoggedKind::Queued {
            group: line.group.clone(),
            follows: line.follows.map(|key| raised(key, offset)).transpose()?,
        },
        "postponed" => LoggedKind::Postponed {
            running: given(line.running, "running")?,
            reason: given(line.reason.clone(), "reason")?,
        },
        "started" => LoggedKind::Started {
            attempt: attempt()?,
            slot: given(line.slot, "slot")?,
            process: line.process,
            host: line.host.clone(),
        },
        "progress" => LoggedKind::Progress {
            attempt: attempt()?,
            done: given(line.done, "done")?,
            total: given(line.total, "total")?,
        },
        "message" => LoggedKind::Message { attempt: attempt()?, text: given(line.text.clone(), "text")? },
        "checkpoint_saved" => LoggedKind::CheckpointSaved { attempt: attempt()?, bytes: given(line.bytes, "bytes")? },
        "slow" => {
            let after = Duration::try_from_secs_f64(given(line.after_sec, "after_sec")?).unwrap_or_default();
            LoggedKind::Slow { attempt: attempt()?, after }
        }
        "terminating" => LoggedKind::Terminating { attempt: attempt()?, reason: given(line.reason.clone(), "reason")? },
        "attempt_ended" => {
            let mut attempt =
                LoggedAttempt::deserialize(&line.attempt).map_err(|error| format!("field `attempt`: {error}"))?;
            attempt.stdout.clone_from(&line.stdout);
            attempt.stderr.clone_from(&line.stderr);
            attempt.stderr_tail.clone_from(&line.stderr_tail);
            attempt.stacks.clone_from(&line.stacks_text);
            let retry_in = line.retry_in_sec.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            LoggedKind::AttemptEnded { attempt: Box::new(attempt), slot: line.slot, retry_in }
        }
        "recorded" => {
            let mut record =
                LoggedRecord::deserialize(&line.record).map_err(|error| format!("field `record`: {error}"))?;
            record.stacks.clone_from(&line.stacks_text);
            LoggedKind::Recorded(Box::new(record))
        }
        _ => return Ok(None),
    }))
}

/// Returns the key of a job that no job of an earlier run has.
fn raised(key: u64, offset: u64) -> Result<u64, String> {
    key.checked_add(offset).ok_or_else(|| "field `key` is too large".to_owned())
}

fn given<T>(value: Option<T>, name: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("field `{name}` is missing"))
}

fn number(value: &Value) -> Result<u32, String> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    given(number, "attempt")
}

#[cfg(test)]
mod tests;
