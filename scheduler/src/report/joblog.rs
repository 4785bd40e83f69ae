//! `Joblog`: an observer that writes the job log of GNU parallel.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::closed_file::create_file;
use super::lines_file::{CutLine, append_to_lines};
use super::logged::{LoggedEvent, LoggedKind, LoggedRecord};
use super::reporter::{Format, Reporter, report};
#[cfg(feature = "cli")]
use crate::clock::wall;
use crate::escape::OneLine;
use crate::outcome::Status;
#[cfg(feature = "cli")]
use crate::record::Record;

/// The first line of a job log.
const HEADING: &str = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

/// An [`Observer`](crate::Observer) that writes a line for each finished job, in the columns of [GNU
/// parallel](https://www.gnu.org/software/parallel/)'s `--joblog`, so that the tools of its users read it: `parallel
/// --resume
/// --joblog` skips the jobs that are in it. Needs the feature `report`.
///
/// | column | value |
/// |---|---|
/// | `Seq` | the number of the job in the order in which the jobs were queued, from 1, or that of [`seq`](Self::seq) |
/// | `Host` | `:`, which is this machine |
/// | `Starttime` | when the function was called in the last attempt, in seconds since 1970; when it was recorded if it was not called |
/// | `JobRuntime` | how long it ran in the last attempt, in seconds |
/// | `Send`, `Receive` | 0: no files are transferred |
/// | `Exitval`, `Signal` | as below |
/// | `Command` | the job's id, or the text of [`command`](Self::command); control characters are escaped |
///
/// | outcome | `Exitval` | `Signal` |
/// |---|---|---|
/// | a value | 0 | 0 |
/// | `Err` | 1 | 0 |
/// | a panic, as for a Rust program | 101 | 0 |
/// | a timeout, as for `timeout` of coreutils | 124 | 0 |
/// | no outcome for a reason of the scheduler's: undelivered, unserializable, a broken protocol | 125 | 0 |
/// | a value that the log from which this one is made could not hold as JSON | 125 | 0 |
/// | never started | 127 | 0 |
/// | an exit with another code, or 0 before there was a value | the code, or 125 | 0 |
/// | killed by a signal; the numbers of Linux for a stack overflow, memory, processor time and file size | 0 | the signal |
///
/// A job that [a stop has interrupted](crate::Record::is_interrupted) has no line, as with GNU parallel, so that a resumed run
/// starts it again. A [follow-up job](macro@crate::job#follow_up) has none either: it is no job of the list.
///
/// # Examples
///
/// ```
/// use scheduler::{job, jobs, report::Joblog, Scheduler};
///
/// #[job]
/// fn halve(n: u32) -> Result<u32, String> {
///     if n % 2 == 0 { Ok(n / 2) } else { Err(format!("{n} is odd")) }
/// }
///
/// #[scheduler::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let folder = tempfile::tempdir()?;
///     let path = folder.path().join("joblog");
///     Scheduler::new().observer(Joblog::create(&path)?).run(jobs![("even", halve(8)), ("odd", halve(7))])?;
///
///     let log = std::fs::read_to_string(&path)?;
///     let last: Vec<_> = log.lines().last().expect("two lines").split('\t').collect();
///     assert_eq!((last[0], last[6], last[8]), ("2", "1", "odd"));
///     assert_eq!(Joblog::finished(&path)?.len(), 2);
///     assert_eq!(Joblog::succeeded(&path)?.into_iter().collect::<Vec<_>>(), [1]);
///     Ok(())
/// }
/// ```
#[derive(Debug)]
#[doc(alias = "parallel")]
pub struct Joblog(Reporter<JoblogWriter>);

struct JoblogWriter {
    file: File,
    /// The numbers of the jobs that are not over.
    numbers: HashMap<u64, u64>,
    /// The follow-ups that are not over.
    follow_ups: HashSet<u64>,
    last_number: u64,
    seq: Option<NumberOf>,
    command: Option<CommandOf>,
}

type NumberOf = Box<dyn Fn(&str) -> Option<u64> + Send>;
type CommandOf = Box<dyn Fn(&str, &str) -> String + Send>;

impl Joblog {
    /// Creates the job log, or empties it if it exists. Folders above it are created as well.
    ///
    /// # Errors
    ///
    /// Fails if the file can't be created.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::begin(create_file(path.as_ref())?)
    }

    /// Opens the job log to add to it, or creates it. The numbers begin at 1 again, so give each job its own with
    /// [`seq`](Self::seq).
    ///
    /// A last line that was cut, as the application that wrote it was killed or the disk was full, is removed: its job has
    /// not finished for [`finished`](Self::finished), and GNU parallel refuses a log with such a line.
    ///
    /// # Errors
    ///
    /// Fails if the file can't be opened, and with [`InvalidData`](io::ErrorKind::InvalidData) if it holds something else
    /// than a job log: one begins with the names of the columns.
    pub fn append(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        check_heading(path)?;
        let choose = |line: &[u8]| if parse_line(line).is_some() { CutLine::End } else { CutLine::Remove };
        Self::begin(append_to_lines(path, choose)?)
    }

    fn begin(mut file: File) -> io::Result<Self> {
        if file.metadata()?.len() == 0 {
            file.write_all(HEADING.as_bytes())?;
        }
        let (seq, command) = (None, None);
        Ok(Self(Reporter::new(JoblogWriter {
            file,
            numbers: HashMap::new(),
            follow_ups: HashSet::new(),
            last_number: 0,
            seq,
            command,
        })))
    }

    /// Sets the function that returns the number of a job from its id, such as its line in an input file. Where it
    /// returns `None`, the job has the number after the last one.
    #[must_use]
    pub fn seq(self, seq: impl Fn(&str) -> Option<u64> + Send + 'static) -> Self {
        self.0.configure(|writer| writer.seq = Some(Box::new(seq)));
        self
    }

    /// Sets the function that returns the text of the last column from a job's id and its registered name. `parallel
    /// --retry-failed` runs that text in a shell.
    #[must_use]
    pub fn command(self, command: impl Fn(&str, &str) -> String + Send + 'static) -> Self {
        self.0.configure(|writer| writer.command = Some(Box::new(command)));
        self
    }

    /// Returns the numbers of the jobs in a job log, whatever their outcome: those that `parallel --resume` skips. The
    /// log may be GNU parallel's own. A line counts if it has all nine columns, with numbers where they belong: one that
    /// was cut does not.
    ///
    /// # Errors
    ///
    /// Fails if the file can't be read.
    pub fn finished(path: impl AsRef<Path>) -> io::Result<BTreeSet<u64>> {
        Ok(numbers(path.as_ref())?.into_iter().map(|(number, _)| number).collect())
    }

    /// Returns the numbers of the jobs in a job log that succeeded: those that `parallel --resume-failed` skips. If a
    /// job is there several times, its last line counts.
    ///
    /// # Errors
    ///
    /// Fails if the file can't be read.
    pub fn succeeded(path: impl AsRef<Path>) -> io::Result<BTreeSet<u64>> {
        let mut succeeded = BTreeSet::new();
        for (number, is_success) in numbers(path.as_ref())? {
            if is_success {
                succeeded.insert(number);
            } else {
                succeeded.remove(&number);
            }
        }
        Ok(succeeded)
    }
}

/// For an application that enters a job when it has delivered its record, instead of observing it.
#[cfg(feature = "cli")]
impl Joblog {
    /// Returns the line of a job; `None` for one that a stop has interrupted. A result that can't be read where it was delivered
    /// counts as none.
    pub(crate) fn line_of(number: u64, record: &Record, is_unreadable: bool) -> Option<String> {
        let command = if record.job_id().is_empty() { record.job() } else { record.job_id() };
        let failure = record.run.outcome.without_value().into_result().err();
        let failure = failure.and_then(|failure| serde_json::to_value(failure).ok());
        let ended = if is_unreadable { NO_RESULT } else { exit_and_signal(record.status(), failure.as_ref()) };
        let started = record.started_at().unwrap_or_else(wall);
        (!record.is_interrupted()).then(|| line(number, started, record.duration(), ended, command))
    }

    /// Writes these lines.
    pub(crate) fn add_lines(&self, lines: &str) {
        self.0.write_with(|writer| writer.file.write_all(lines.as_bytes()));
    }
}

report!(Joblog of queued(Queued), recorded(Recorded));

/// Refuses a file that has something else than a job log. One with a part of the heading is a job log that was cut.
fn check_heading(path: &Path) -> io::Result<()> {
    let file = match File::open(path) {
        Ok(file) if file.metadata()?.is_file() => file,
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => return Ok(()),
    };
    let mut start = Vec::new();
    file.take(HEADING.len() as u64).read_to_end(&mut start)?;
    if HEADING.as_bytes().starts_with(&start) {
        return Ok(());
    }
    let names = OneLine(HEADING.trim_end());
    let problem = format!(
        "not a job log: it doesn't begin with `{names}`, as what `Joblog` (on the command line `--joblog`) and GNU \
         parallel's `--joblog` write"
    );
    Err(io::Error::new(io::ErrorKind::InvalidData, problem))
}

/// Returns the number of each line, and whether it is of a success. Lines in another form are skipped, such as the
/// heading and one that was cut.
fn numbers(path: &Path) -> io::Result<Vec<(u64, bool)>> {
    let mut numbers = Vec::new();
    for line in BufReader::new(File::open(path)?).split(b'\n') {
        numbers.extend(parse_line(&line?));
    }
    Ok(numbers)
}

/// Returns the number of a line, and whether it is of a success; `None` unless it has every column. A command may
/// contain tabs: GNU parallel doesn't escape them.
fn parse_line(line: &[u8]) -> Option<(u64, bool)> {
    let columns: Vec<_> = line.splitn(9, |byte| *byte == b'\t').map(String::from_utf8_lossy).collect();
    let [seq, _, started, took, sent, received, exit, signal, _] = &columns[..] else { return None };
    // A line that was continued by the next one has that one's host, `:`, among them.
    let is_number = |column: &str| {
        let digits = column.trim();
        digits.contains(|c: char| c.is_ascii_digit()) && digits.chars().all(|c| c.is_ascii_digit() || "-.,".contains(c))
    };
    if ![started, took, sent, received].into_iter().all(|column| is_number(column)) {
        return None;
    }
    let (exit, signal): (i64, i64) = (exit.trim().parse().ok()?, signal.trim().parse().ok()?);
    Some((seq.trim().parse().ok()?, (exit, signal) == (0, 0)))
}

impl Format for JoblogWriter {
    fn write(&mut self, event: &LoggedEvent) -> io::Result<()> {
        match &event.kind {
            // It is part of its job, and has no number: those of the others stay what they are without it.
            LoggedKind::Queued { follows: Some(_), .. } => {
                self.follow_ups.insert(event.key);
                Ok(())
            }
            LoggedKind::Recorded(_) if self.follow_ups.remove(&event.key) => Ok(()),
            LoggedKind::Queued { .. } => {
                let own = self.seq.as_ref().and_then(|seq| seq(&event.job_id));
                self.last_number = own.unwrap_or(self.last_number + 1);
                self.numbers.insert(event.key, self.last_number);
                Ok(())
            }
            LoggedKind::Recorded(record) => {
                let number = self.numbers.remove(&event.key).unwrap_or_default();
                let line = self.line(number, event, record);
                line.map_or(Ok(()), |line| self.file.write_all(line.as_bytes()))
            }
            _ => Ok(()),
        }
    }
}

impl JoblogWriter {
    fn line(&self, number: u64, event: &LoggedEvent, record: &LoggedRecord) -> Option<String> {
        if record.interrupted {
            return None;
        }
        let unreadable = record.result_error.as_ref().map(|_| NO_RESULT);
        let ended = unreadable.unwrap_or_else(|| exit_and_signal(record.status, record.failure.as_ref()));
        let command = match &self.command {
            Some(command) => command(&event.job_id, &event.job),
            None => event.job_id.clone(),
        };
        // GNU parallel refuses a log with an empty column.
        let command = if command.is_empty() { &event.job } else { &command };
        Some(line(number, record.started_at.unwrap_or(event.at), record.duration, ended, command))
    }
}

/// Returns the line of a job that ended with this exit value and this signal.
fn line(number: u64, started: SystemTime, took: Duration, (exit, signal): (i64, i64), command: &str) -> String {
    let started = started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = |time: Duration| format!("{:10.3}", time.as_secs_f64());
    let (started, took) = (seconds(started), seconds(took));
    format!("{number}\t:\t{started}\t{took}\t0\t0\t{exit}\t{signal}\t{}\n", OneLine(command))
}

/// The exit value and the signal of a job without an outcome for a reason of the scheduler's.
const NO_RESULT: (i64, i64) = (125, 0);

/// Returns the exit value and the signal of an outcome.
fn exit_and_signal(status: Status, failure: Option<&Value>) -> (i64, i64) {
    if status == Status::Ok {
        return (0, 0);
    }
    let field = |name: &str| failure.and_then(|failure| failure.get(name));
    let number = |name: &str| field(name).and_then(Value::as_i64);
    match field("kind").and_then(Value::as_str).unwrap_or_default() {
        "timeout" => (124, 0),
        "returned" => (1, 0),
        "panicked" => (101, 0),
        "exited" | "bad_exit" => (number("code").filter(|code| *code != 0).unwrap_or(125).rem_euclid(1 << 32), 0),
        "never_started" => (127, 0),
        "signaled" => (0, number("signal").unwrap_or(9)),
        "stack_overflow" => (0, 6),
        "out_of_memory" if number("limit_bytes").is_some() => (0, 6),
        "out_of_memory" => (0, 9),
        "cpu_time" => (0, 24),
        "file_size" => (0, 25),
        _ => NO_RESULT,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_failure_has_an_exit_value_or_a_signal() {
        let of = |failure: Value| exit_and_signal(Status::Error, Some(&failure));
        assert_eq!(exit_and_signal(Status::Ok, None), (0, 0));
        assert_eq!(of(json!({"kind": "returned"})), (1, 0));
        assert_eq!(of(json!({"kind": "panicked"})), (101, 0));
        assert_eq!(of(json!({"kind": "exited", "code": 3})), (3, 0));
        assert_eq!(of(json!({"kind": "exited", "code": 0})), (125, 0));
        assert_eq!(of(json!({"kind": "exited", "code": -1_073_741_819})), (0xC000_0005, 0));
        assert_eq!(of(json!({"kind": "signaled", "signal": 11})), (0, 11));
        assert_eq!(of(json!({"kind": "out_of_memory", "limit_bytes": 1})), (0, 6));
        assert_eq!(of(json!({"kind": "out_of_memory", "limit_bytes": null})), (0, 9));
        assert_eq!(of(json!({"kind": "invented later"})), (125, 0));
    }

    #[test]
    fn the_numbers_of_a_log_are_read_of_either_program() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("joblog");
        let lines = "1\t:\t1790000000.123\t     0.004\t0\t12\t0\t0\techo a\tb\n\
                     2\t:\t1790000000.123\t     0.004\t0\t12\t-1\t15\tsleep 9\n\
                     3\tserver\t1790000000.123\t0.004\t0\t12\t0\t9\tcat\n\
                     3\tserver\t1790000000.123\t0.004\t0\t12\t0\t0\tcat\n\
                     4\t:\t179000";
        std::fs::write(&path, format!("{HEADING}{lines}")).expect("it can be written");
        assert_eq!(Vec::from_iter(Joblog::finished(&path).expect("it is there")), [1, 2, 3]);
        assert_eq!(Vec::from_iter(Joblog::succeeded(&path).expect("it is there")), [1, 3]);
    }

    const LINE: &str = "7\t:\t1790000000.123\t     0.004\t0\t12\t0\t0\tapp::wörk\n";

    /// Appends the line of a job that was recorded to a log with this content, and returns what it has then.
    fn appended(content: &[u8]) -> io::Result<String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("joblog");
        std::fs::write(&path, content).expect("the folder is ours");
        let log = Joblog::append(&path)?.seq(|_| Some(8));
        let event = |kind| {
            let (job_id, job) = ("next".to_owned(), "app::next".to_owned());
            LoggedEvent { at: SystemTime::UNIX_EPOCH, key: 1, job_id, job, kind }
        };
        log.replay(&event(LoggedKind::Queued { group: None, follows: None }));
        let record = json!({"status": "ok", "duration_sec": 0.0, "total_duration_sec": 0.0});
        let record = serde_json::from_value(record).expect("it is a record");
        log.replay(&event(LoggedKind::Recorded(Box::new(record))));
        log.finish().expect("there is room");
        Ok(std::fs::read_to_string(&path).expect("it is text"))
    }

    #[test]
    fn a_job_log_that_was_cut_anywhere_is_continued_on_a_line_of_its_own() {
        let new = "8\t:\t     0.000\t     0.000\t0\t0\t0\t0\tnext\n";
        for end in 0..=HEADING.len() {
            assert_eq!(
                appended(&HEADING.as_bytes()[..end]).expect("it is a job log"),
                format!("{HEADING}{new}"),
                "{end}"
            );
        }
        let command = LINE.find("app").expect("it is the last column");
        let before = format!("{HEADING}{LINE}");
        // Not within a character, as the command is kept as it is.
        for end in (0..LINE.len()).filter(|end| LINE.is_char_boundary(*end)) {
            let log = appended(format!("{before}{}", &LINE[..end]).as_bytes()).expect("it is a job log");
            // A line is kept if only its command is cut.
            let kept = if end >= command { format!("{}\n", &LINE[..end]) } else { String::new() };
            assert_eq!(log, format!("{before}{kept}{new}"), "{end}");
        }
    }

    #[test]
    fn a_file_of_another_kind_is_not_added_to() {
        for other in ["<?xml version=\"1.0\"?>", "{\"event\":\"opened\"}\n", "\n", LINE, "Seq\tHost\tOther\n", "\0"] {
            let error = appended(other.as_bytes()).expect_err("it is no job log");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(
                error.to_string().starts_with(r"not a job log: it doesn't begin with `Seq\tHost\tStart"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_line_that_another_one_continues_is_not_of_a_finished_job() {
        let number = |line: &str| parse_line(line.trim_end().as_bytes());
        assert_eq!(number(LINE), Some((7, true)));
        assert_eq!(number("1\t:\t179571\t:\t1795792687.914\t     0.000\t0\t0\t1\t0\tapp::fail:1"), None);
        let next = LINE.replace("7\t:", "9\t:");
        let signal = LINE.find("\t0\tapp").expect("it is the last but one");
        // Within its number nothing distinguishes it from the next line.
        for end in 2..signal {
            let glued = format!("{}{next}", &LINE[..end]);
            assert_eq!(number(&glued), None, "{glued}");
        }
        // The number of the next line is then its signal.
        assert_eq!(number(&format!("{}{next}", &LINE[..=signal])), Some((7, false)));
        for other in [
            "",
            "x\t:\t1\t1\t0\t0\t0\t0\ta",
            "-1\t:\t1\t1\t0\t0\t0\t0\ta",
            "1\t:\t1\t1\t0\t0\t0\t0",
            "1\t:\t\t1\t0\t0\t0\t0\ta",
        ] {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
