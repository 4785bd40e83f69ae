//! `read`: reads a file of `JsonLines` back.

use std::fmt;
use std::io::{self, BufRead};
use std::iter;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::json_lines::VERSION;
use super::logged::{LoggedAttempt, LoggedEvent, LoggedKind, LoggedRecord, parse_moment};

/// Reads the events of a log that [`JsonLines`](super::JsonLines) has written, one by one.
///
/// Unknown events are skipped, and so is a line that was cut, which an application that was killed or a full disk may
/// leave: the last one of the log, or the one before the `opened` of the next application that added to it. If several
/// applications wrote to the same file, or several files are read one after another, the keys of the later ones are
/// raised, so that each job has its own.
///
/// # Errors
///
/// An item is an error if the log can't be read, if another line isn't JSON or lacks a field, or if the version of its format
/// is unknown. The message has the number of the line. No item follows it.
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

/// The mark that some editors put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

impl<R: BufRead> Reader<R> {
    fn next(&mut self) -> Option<io::Result<LoggedEvent>> {
        // What is wrong with a line that was cut, unless the next application has opened the log after it.
        let mut cut: Option<String> = None;
        while !self.is_over {
            let mut line = Vec::new();
            if let Err(error) = self.log.read_until(b'\n', &mut line) {
                return Some(self.fail(error));
            }
            // The last line, or the end.
            let line = line.strip_suffix(b"\n")?;
            self.number += 1;
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
            let version = line.version.unwrap_or_default();
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
        let key = if line.event == "opened" { 0 } else { line.key + self.offset };
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
        "queued" => LoggedKind::Queued { group: line.group.clone(), follows: line.follows.map(|key| key + offset) },
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

fn given<T>(value: Option<T>, name: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("field `{name}` is missing"))
}

fn number(value: &Value) -> Result<u32, String> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    given(number, "attempt")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Status;

    const OPENED: &str =
        r#"{"event":"opened","version":1,"at":"2026-11-23T17:09:00.123456+01:00","program":"/a","process":7}"#;

    fn events(log: &str) -> Vec<Result<LoggedEvent, String>> {
        read(log.as_bytes()).map(|event| event.map_err(|error| error.to_string())).collect()
    }

    fn queued(key: u64) -> String {
        format!(r#"{{"event":"queued","at":"2026-11-23T17:09:00+01:00","key":{key},"job_id":"a\n","job":"f"}}"#)
    }

    #[test]
    fn a_last_line_that_is_cut_is_skipped_wherever_it_is_cut() {
        let log = format!("{OPENED}\n{}\n{}", queued(1), queued(2).replace("a\\n", "é"));
        let bytes = log.as_bytes();
        let two = format!("{OPENED}\n{}\n", queued(1)).len();
        for end in two..bytes.len() {
            let events: Vec<_> = read(&bytes[..end]).collect();
            assert_eq!(events.len(), 2, "{end}");
            assert!(events.iter().all(Result::is_ok), "{events:?}");
        }
    }

    #[test]
    fn a_line_that_is_cut_before_another_run_is_skipped_wherever_it_is_cut() {
        let cut = queued(7).replace("a\\n", "é\\ud83e\\udd80\\u0007\\t🦀");
        let unended = OPENED.len() / 2;
        for end in 1..cut.len() {
            // The next run may be cut as well, before it had opened the log.
            for between in [&b""[..], &OPENED.as_bytes()[..unended], b"{"] {
                let (cut, first) = (&cut.as_bytes()[..end], queued(1));
                let log = [OPENED.as_bytes(), first.as_bytes(), cut, between, OPENED.as_bytes(), first.as_bytes(), b""];
                let log = log.join(&b'\n');
                let keys: Result<Vec<_>, _> = read(&log[..]).map(|event| Ok::<_, io::Error>(event?.key)).collect();
                assert_eq!(keys.unwrap_or_else(|error| panic!("{end}: {error}")), [0, 1, 0, 2], "{end}");
            }
            // Nothing follows, as the disk was still full.
            let log = [OPENED.as_bytes(), &cut.as_bytes()[..end], b""].join(&b'\n');
            assert!(read(&log[..]).map(Result::ok).eq([events(&format!("{OPENED}\n")).remove(0).ok()]), "{end}");
            // Without a run that follows it is wrong.
            let log = [OPENED.as_bytes(), &cut.as_bytes()[..end], queued(1).as_bytes(), b""].join(&b'\n');
            let error = read(&log[..]).nth(1).expect("there is a second").expect_err("it can't be read");
            assert!(error.to_string().starts_with("line 2: not an event: "), "{end}: {error}");
        }
    }

    #[test]
    fn a_wrong_line_before_another_run_is_an_error() {
        let mut lines: Vec<_> = ["}", "[", "x", "{\"event\":7", "{}", "{\"event\" \"a"].map(str::as_bytes).to_vec();
        lines.push(b"{\"event\":\"\xff");
        for line in lines {
            let log = [OPENED.as_bytes(), line, OPENED.as_bytes(), b""].join(&b'\n');
            let events: Vec<_> = read(&log[..]).collect();
            let [Ok(_), Err(error)] = &events[..] else { panic!("{}: {events:?}", line.escape_ascii()) };
            assert!(error.to_string().starts_with("line 2: not an event: "), "{error}");
        }
    }

    #[test]
    fn a_log_that_an_editor_has_marked_is_read() {
        assert!(events(&format!("\u{feff}{OPENED}\n")).remove(0).is_ok());
    }

    #[test]
    fn a_second_run_in_the_same_log_has_keys_of_its_own() {
        let log = [OPENED, &queued(1), &queued(2), OPENED, &queued(1), ""].join("\n");
        let keys: Vec<_> = events(&log).into_iter().map(|event| event.expect("it can be read").key).collect();
        assert_eq!(keys, [0, 1, 2, 0, 3]);
    }

    #[test]
    fn stacks_and_jobs_that_wait_for_room_are_read() {
        let postponed =
            queued(1).replace("queued", "postponed").replace("\"key\"", r#""running":3,"reason":"full","key""#);
        let record = r#"{"status":"timeout","duration_sec":1.0,"total_duration_sec":1.0}"#;
        let recorded = queued(1)
            .replace("queued", "recorded")
            .replace('}', &format!(r#","record":{record},"stacks_text":"a\nb"}}"#));
        let log = [OPENED, &postponed, &recorded, ""].join("\n");
        let [_, Ok(first), Ok(second)] = &events(&log)[..] else { panic!("{:?}", events(&log)) };
        assert_eq!(first.kind, LoggedKind::Postponed { running: 3, reason: "full".to_owned() });
        let LoggedKind::Recorded(record) = &second.kind else { panic!("{second:?}") };
        assert_eq!((record.status, record.stacks.as_deref()), (Status::Timeout, Some("a\nb")));
    }

    #[test]
    fn unknown_events_and_fields_are_skipped() {
        let unknown = r#"{"event":"danced","at":"2026-11-23T17:09:00+01:00","key":1,"partner":[]}"#;
        let log = [OPENED, unknown, &queued(1).replace("\"key\"", "\"new\":{},\"key\""), ""].join("\n");
        assert_eq!(events(&log).len(), 2);
    }

    #[test]
    fn a_line_that_can_not_be_read_is_an_error_with_its_number() {
        let newer = OPENED.replace("\"version\":1", "\"version\":2");
        let started = r#"{"event":"started","at":"2026-11-23T17:09:00+01:00","key":1,"attempt":1}"#;
        for (line, expected) in [
            ("{", "line 2: not an event: EOF while parsing an object"),
            (newer.as_str(), "line 2: version 2 of the format; this program reads version 1"),
            (started, "line 2: field `slot` is missing"),
        ] {
            let events = events(&format!("{OPENED}\n{line}\n{}\n", queued(1)));
            assert_eq!(events.len(), 2, "{events:?}");
            let error = events[1].as_ref().expect_err("it can't be read");
            assert!(error.starts_with(expected), "{error}");
            assert!(!error.contains("JsonLines"), "{error}");
        }
    }

    #[test]
    fn a_file_of_another_kind_is_an_error_that_names_the_right_kind() {
        for other in ["Seq\tHost\tStarttime", "<?xml version=\"1.0\"?>", "[]", "{}"] {
            let events = events(&format!("{other}\n{OPENED}\n"));
            let [Err(error)] = events.as_slice() else { panic!("{events:?}") };
            assert!(error.starts_with("line 1: not an event: "), "{error}");
            assert!(
                error.ends_with("; only what `JsonLines` (on the command line `batch --log`) has written can be read"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_log_without_its_beginning_is_an_error() {
        let events = events(&format!("\n{}\n{OPENED}\n", queued(1)));
        let [Err(error)] = events.as_slice() else { panic!("{events:?}") };
        let expected = "line 2: the first event is `queued`, and a log begins with `opened`: its beginning is missing";
        assert_eq!(error, expected);
    }
}
