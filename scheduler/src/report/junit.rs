//! `Junit`: an observer that writes a JUnit report.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use chrono::{DateTime, FixedOffset};
use quick_junit::{FlakyOrRerun, NonSuccessKind, TestCase, TestCaseStatus, TestRerun, TestSuite};
use serde_json::Value;

use super::closed_file::ClosedFile;
use super::logged::{LoggedAttempt, LoggedEvent, LoggedKind, LoggedRecord, begins_earlier};
use super::program::{program, short_name};
use super::reporter::{Format, Reporter, report};
use super::xml::{in_attribute, in_text, restored};
use crate::clock::{self, local_time, rfc_3339};
use crate::escape::OneLine;
use crate::outcome::Status;

/// An [`Observer`](crate::Observer) that writes a JUnit report, which CI systems show, in the form that
/// [nextest](https://nexte.st) writes (the crate is its own, [`quick-junit`](https://docs.rs/quick-junit)). Needs the
/// feature `report`.
///
/// Without the attributes that nextest adds (`timestamp` and `skipped` of all elements, `time` of a repeated attempt) a
/// report is valid by Jenkins' schema, `junit-10.xsd`.
///
/// Each finished job is a test case: `name` is its id, `classname` its registered name, `time` how long the last
/// attempt ran. All are in one suite with the name of the application.
///
/// | job | test case |
/// |---|---|
/// | a value | passed; after a retry it is flaky, with a `flakyFailure` for each earlier attempt |
/// | no value | `failure`, with the [kind](crate::Failure::kind) as its type; after retries with a `rerunFailure` for each earlier one |
/// | no outcome for a reason of the scheduler's: never started, undelivered, a broken protocol | `error`, `flakyError`, `rerunError` |
/// | cancelled before it began | `skipped` |
///
/// The text of a failure has what is known beyond the one line of its message: sources, the place and the backtrace of
/// a panic, other panics, the [stacks](macro@crate::job#stacks) at a timeout, processes that were left behind. `system-out` and `system-err` are the captured streams, or
/// the end of the standard error of a job that failed; that of the suite has a line for each time that a job was
/// [postponed](crate::Observer::postponed). Control characters that XML 1.0 can't represent are left out, as are U+FFFE,
/// U+FFFF and the sequences that color a terminal; everything else is kept, line breaks and tabs in attributes as
/// character references.
///
/// `timestamp` of the suite is when the report was created, `time` how long after that the last job was recorded; in a
/// report of a log they are those of the logged run.
///
/// The report is complete after each job, so an application that is killed leaves one of the jobs that have finished.
///
/// # Examples
///
/// ```
/// use scheduler::{job, jobs, report::Junit, Scheduler};
///
/// #[job]
/// fn halve(n: u32) -> Result<u32, String> {
///     if n % 2 == 0 { Ok(n / 2) } else { Err(format!("{n} is odd")) }
/// }
///
/// #[scheduler::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let folder = tempfile::tempdir()?;
///     let path = folder.path().join("junit.xml");
///     Scheduler::new().observer(Junit::create(&path)?).run(jobs![("even", halve(8)), ("odd", halve(7))])?;
///
///     let report = std::fs::read_to_string(&path)?;
///     assert!(report.contains(r#"tests="2" skipped="0" errors="0" failures="1""#));
///     assert!(report.contains(r#"<failure message="returned an error: 7 is odd" type="returned">"#));
///     Ok(())
/// }
/// ```
#[derive(Debug)]
#[doc(alias = "xunit")]
pub struct Junit(Reporter<JunitWriter>);

struct JunitWriter {
    file: ClosedFile,
    /// The report with its counts, and no test case.
    report: quick_junit::Report,
    /// The length of what stands before the first test case.
    beginning: usize,
    /// When the first event of a logged run happened.
    logged_begin: Option<SystemTime>,
    /// When the last job was recorded.
    last_recorded: Option<SystemTime>,
    /// The times that jobs were postponed, a line for each.
    postponed: String,
    /// The earlier attempts of the jobs that are not over.
    retried: HashMap<u64, Vec<LoggedAttempt>>,
}

/// What stands after the last test case.
const END: &str = "    </testsuite>\n</testsuites>\n";

/// The room for the digits of the counts and times, in bytes.
const ROOM: usize = 128;

impl Junit {
    /// Creates the report, or empties it if it exists. Folders above it are created as well.
    ///
    /// # Errors
    ///
    /// Fails if the file can't be created.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let report = empty_report(program().as_deref(), clock::wall());
        let beginning = beginning(&report)?;
        let length = beginning.len() + ROOM;
        let file = ClosedFile::create(path.as_ref(), &padded(&beginning, length)?, END)?;
        Ok(Self(Reporter::new(JunitWriter {
            file,
            report,
            beginning: length,
            logged_begin: None,
            last_recorded: None,
            postponed: String::new(),
            retried: HashMap::new(),
        })))
    }
}

report!(Junit of postponed(Postponed), attempt_ended(AttemptEnded), recorded(Recorded));

impl Format for JunitWriter {
    fn write(&mut self, event: &LoggedEvent) -> io::Result<()> {
        match &event.kind {
            LoggedKind::Postponed { running, reason } => self.postpone(event, *running, reason),
            LoggedKind::AttemptEnded { attempt, retry_in: Some(_), .. } => {
                self.retried.entry(event.key).or_default().push((**attempt).clone());
                Ok(())
            }
            LoggedKind::Recorded(record) => {
                let mut retried = self.retried.remove(&event.key).unwrap_or_default();
                // A stop may keep the next attempt from being made: then the last one is that of the record.
                retried.truncate(record.attempts.saturating_sub(1));
                self.add(event, record, &retried)
            }
            _ => Ok(()),
        }
    }

    fn replaying(&mut self, event: &LoggedEvent) -> io::Result<()> {
        if let LoggedKind::Opened { program, .. } = &event.kind
            && self.logged_begin.is_none()
        {
            let report = empty_report(program.as_deref(), event.at);
            let beginning = beginning(&report)?;
            let length = beginning.len() + ROOM;
            if self.file.begin_again(&padded(&beginning, length)?)? {
                (self.report, self.beginning) = (report, length);
            }
        }
        if !begins_earlier(&mut self.logged_begin, event.at) {
            return Ok(());
        }
        begin(&mut self.report, event.at);
        self.update_times();
        self.file.replace_beginning(&padded(&beginning(&self.report)?, self.beginning)?)
    }
}

impl JunitWriter {
    fn update_times(&mut self) {
        let suite = &mut self.report.test_suites[0];
        let began = suite.timestamp.map(SystemTime::from);
        suite.time = self.last_recorded.zip(began).and_then(|(last, began)| last.duration_since(began).ok());
        self.report.time = suite.time;
    }

    fn postpone(&mut self, event: &LoggedEvent, running: usize, reason: &str) -> io::Result<()> {
        let at = rfc_3339(event.at).unwrap_or_default();
        let (id, reason) = (OneLine(&event.job_id), OneLine(reason));
        writeln!(self.postponed, "{at}: `{id}` waits, as only {running} jobs can run: {reason}")
            .expect("a string grows");
        self.file.replace_end(end(&self.postponed)?)
    }

    fn add(&mut self, event: &LoggedEvent, record: &LoggedRecord, retried: &[LoggedAttempt]) -> io::Result<()> {
        let case = test_case(event, record, retried);
        let suite = &mut self.report.test_suites[0];
        suite.tests += 1;
        match &case.status {
            TestCaseStatus::Success { .. } => {}
            TestCaseStatus::NonSuccess { kind: NonSuccessKind::Failure, .. } => suite.failures += 1,
            TestCaseStatus::NonSuccess { kind: NonSuccessKind::Error, .. } => suite.errors += 1,
            TestCaseStatus::Skipped { .. } => suite.skipped += 1,
        }
        (self.report.tests, self.report.failures) = (suite.tests, suite.failures);
        (self.report.errors, self.report.skipped) = (suite.errors, suite.skipped);
        self.last_recorded = self.last_recorded.max(Some(event.at));
        self.update_times();
        let (beginning, case) = parts(&self.report, case)?;
        self.file.append(&case)?;
        self.file.replace_beginning(&padded(&beginning, self.beginning)?)
    }
}

/// Returns the report of a program's run that began then, without a test case.
fn empty_report(program: Option<&str>, began: SystemTime) -> quick_junit::Report {
    let name = in_attribute(&short_name(program));
    let mut report = quick_junit::Report::new(&name);
    report.add_test_suite(TestSuite::new(&name));
    begin(&mut report, began);
    report
}

/// Sets when the run began.
fn begin(report: &mut quick_junit::Report, moment: SystemTime) {
    report.timestamp = date(Some(moment));
    report.test_suites[0].timestamp = report.timestamp;
}

/// Returns what stands before the first test case.
fn beginning(report: &quick_junit::Report) -> io::Result<String> {
    Ok(parts(report, TestCase::new("", TestCaseStatus::success()))?.0)
}

/// Returns what stands before the test case in a report of this one case, and the case itself.
fn parts(report: &quick_junit::Report, case: TestCase) -> io::Result<(String, String)> {
    let mut report = report.clone();
    // Added without being counted, as the counts are those of all cases.
    report.test_suites[0].test_cases.push(case);
    let text = report.to_string().map_err(io::Error::other)?;
    // Markup in ids and output is escaped, so that each tag is found where it stands.
    let case = text.find("        <testcase").zip(text.rfind(END));
    let (begin, end) = case.ok_or_else(|| io::Error::other("the report has no test case"))?;
    Ok((restored(&text[..begin]), restored(&text[begin..end])))
}

/// Returns what stands after the last test case of a suite with this standard error.
fn end(system_err: &str) -> io::Result<String> {
    const SYSTEM_ERR: &str = "        <system-err>";
    let mut suite = TestSuite::new("");
    suite.set_system_err(in_text(system_err));
    let mut report = quick_junit::Report::new("");
    report.add_test_suite(suite);
    let text = report.to_string().map_err(io::Error::other)?;
    let begin = text.find(SYSTEM_ERR).ok_or_else(|| io::Error::other("the suite has no standard error"))?;
    Ok(restored(&text[begin..]))
}

/// Returns the beginning with spaces after the declaration, where XML allows any number, up to this length.
fn padded(beginning: &str, length: usize) -> io::Result<String> {
    let (declaration, rest) = beginning.split_once("?>").ok_or_else(|| io::Error::other("no declaration"))?;
    let room =
        length.checked_sub(beginning.len()).ok_or_else(|| io::Error::other("the counts have too many digits"))?;
    Ok(format!("{declaration}?>{:room$}{rest}", ""))
}

fn test_case(event: &LoggedEvent, record: &LoggedRecord, retried: &[LoggedAttempt]) -> TestCase {
    // A result that the log lacks is no success: nobody has got it.
    let error = record.error.as_deref().or(record.result_error.as_deref()).unwrap_or_default();
    let kind = if record.result_error.is_some() { "unserializable" } else { kind(record.failure.as_ref()) };
    let is_unbegun = kind == "cancelled" && record.started_at.is_none();
    let is_ok = record.status == Status::Ok && record.result_error.is_none();
    let mut status = if is_ok {
        TestCaseStatus::success()
    } else if is_unbegun {
        TestCaseStatus::skipped()
    } else {
        TestCaseStatus::non_success(non_success(kind))
    };
    if !is_ok {
        status.set_message(in_attribute(error)).set_type(in_attribute(kind));
        let details = details(record.failure.as_ref(), &record.panics, record.stacks.as_deref(), &record.sweep);
        if !is_unbegun {
            status.set_description(in_text(if details.is_empty() { error } else { &details }));
        }
    }
    if !is_unbegun {
        status.set_rerun_kind(FlakyOrRerun::Rerun);
        status.add_reruns(retried.iter().map(rerun));
    }
    let mut case = TestCase::new(in_attribute(event.name()), status);
    case.set_classname(in_attribute(&event.job)).set_time(record.duration);
    if let Some(started) = date(record.started_at) {
        case.set_timestamp(started);
    }
    if let Some(output) = written(record.stdout.as_deref()) {
        case.set_system_out(in_text(output));
    }
    if let Some(output) = written(record.stderr.as_deref()).or(written(record.stderr_tail.as_deref())) {
        case.set_system_err(in_text(output));
    }
    case
}

fn rerun(attempt: &LoggedAttempt) -> TestRerun {
    let kind = kind(attempt.failure.as_ref());
    let mut rerun = TestRerun::new(non_success(kind));
    let error = attempt.error.as_deref().unwrap_or_default();
    rerun.set_time(attempt.duration).set_message(in_attribute(error)).set_type(in_attribute(kind));
    let details = details(attempt.failure.as_ref(), &[], attempt.stacks.as_deref(), &attempt.sweep);
    rerun.set_description(in_text(&details));
    if let Some(started) = date(attempt.started_at) {
        rerun.set_timestamp(started);
    }
    if let Some(trace) = text(attempt.failure.as_ref(), "backtrace") {
        rerun.set_stack_trace(in_text(trace));
    }
    if let Some(output) = written(attempt.stdout.as_deref()) {
        rerun.set_system_out(in_text(output));
    }
    if let Some(output) = written(attempt.stderr.as_deref()).or(written(attempt.stderr_tail.as_deref())) {
        rerun.set_system_err(in_text(output));
    }
    rerun
}

/// Returns an output that isn't empty.
fn written(output: Option<&str>) -> Option<&str> {
    output.filter(|output| !output.is_empty())
}

fn text<'a>(failure: Option<&'a Value>, field: &str) -> Option<&'a str> {
    failure?.get(field)?.as_str()
}

fn kind(failure: Option<&Value>) -> &str {
    text(failure, "kind").unwrap_or_default()
}

/// Returns whether the job failed, or the scheduler.
fn non_success(kind: &str) -> NonSuccessKind {
    match kind {
        "never_started" | "undelivered" | "protocol_broken" => NonSuccessKind::Error,
        _ => NonSuccessKind::Failure,
    }
}

/// Returns what is known of a failure beyond its message, a line for each part.
fn details(failure: Option<&Value>, panics: &[Value], stacks: Option<&str>, sweep: &Value) -> String {
    let mut lines = Vec::new();
    if let Some(message) = text(failure, "message") {
        lines.push(message.to_owned());
    }
    let sources = failure.and_then(|failure| failure.get("sources")?.as_array()).into_iter().flatten();
    lines.extend(sources.filter_map(Value::as_str).map(|source| format!("caused by: {source}")));
    lines.extend(failure.and_then(location));
    lines.extend(text(failure, "backtrace").map(str::to_owned));
    for panic in panics {
        let place = location(panic).unwrap_or_default();
        lines.push(format!("another panic: {} {place}", text(Some(panic), "message").unwrap_or_default()));
    }
    lines.extend(stacks.map(str::to_owned));
    match kind(Some(sweep)) {
        "killed" => lines.push(format!("left behind and killed: {} processes", sweep["killed"])),
        "escaped" => lines.push(format!("could not be killed in time: processes {}", sweep["pids"])),
        _ => {}
    }
    lines.join("\n")
}

fn location(panic: &Value) -> Option<String> {
    let location = panic.get("location")?;
    Some(format!("at {}:{}:{}", location.get("file")?.as_str()?, location.get("line")?, location.get("column")?))
}

fn date(moment: Option<SystemTime>) -> Option<DateTime<FixedOffset>> {
    Some(local_time(moment?)?.fixed_offset())
}

#[cfg(test)]
mod tests;
