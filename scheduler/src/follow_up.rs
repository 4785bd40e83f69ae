//! `FollowUp`: what the parent runs after a timeout; and the default follow-up, which logs it.

use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::Local;

use crate::escape::OneLine;
use crate::journal::FollowUps;
use crate::outcome::{Overrun, OverrunKind, ProcessSnapshot};
use crate::process;
use crate::record::Record;

/// The function that a [`Scheduler`](crate::Scheduler) calls after a timeout, set by [`on_timeout`](crate::Scheduler::on_timeout).
///
/// Implemented by [`NoFollowUp`] and by every `Fn(&TimedOut)` that returns a [`FollowUpResult`]. This trait is sealed.
pub trait FollowUp: CallFollowUp {}

impl<F: CallFollowUp> FollowUp for F {}

/// The follow-up of a scheduler without one.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NoFollowUp;

/// The return type of a follow-up: `()`, or `Result<(), E>` where `E` converts into `Box<dyn Error + Send + Sync>`.
///
/// This trait is sealed. [`Scheduler::on_timeout`](crate::Scheduler::on_timeout) and
/// [`schedule_jobs`](crate::schedule_jobs) take closures of either return type.
///
/// # Examples
///
/// ```
/// use scheduler::{Scheduler, TimedOut};
///
/// fn ring(timed_out: &TimedOut<'_>) { eprintln!("{} timed out", timed_out.job_id()) }
///
/// fn page(timed_out: &TimedOut<'_>) -> Result<(), std::io::Error> {
///     Err(std::io::Error::other(format!("no pager for {}", timed_out.job_id())))
/// }
///
/// let infallible = Scheduler::new().on_timeout(ring);
/// let fallible = Scheduler::new().on_timeout(page);
/// # let _ = (infallible, fallible);
/// ```
#[diagnostic::on_unimplemented(
    message = "a follow-up can't return `{Self}`",
    label = "expected a closure that returns `()` or `Result<(), E>`, found one that returns `{Self}`",
    note = "`E` is any type that converts into `Box<dyn std::error::Error + Send + Sync>`: an error, a `String` or a `&str`; \
            end the closure with a semicolon to return `()`, and write `-> ()` before its body if it never returns"
)]
pub trait FollowUpResult: sealed::Sealed {
    #[doc(hidden)]
    fn into_result(self) -> Result<(), Box<dyn Error + Send + Sync>>;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for () {}

    impl<E> Sealed for Result<(), E> {}
}

#[diagnostic::do_not_recommend]
impl FollowUpResult for () {
    fn into_result(self) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl<E: Into<Box<dyn Error + Send + Sync>>> FollowUpResult for Result<(), E> {
    fn into_result(self) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.map_err(Into::into)
    }
}

/// The object-safe form of a follow-up. It isn't exported, which seals [`FollowUp`].
pub trait CallFollowUp {
    /// Returns `false` if it does nothing.
    #[doc(hidden)]
    fn does_something(&self) -> bool {
        true
    }

    #[doc(hidden)]
    fn call(&self, timed_out: &TimedOut<'_>) -> Result<(), Box<dyn Error + Send + Sync>>;
}

impl From<&(dyn CallFollowUp + '_)> for FollowUps {
    fn from(follow_up: &(dyn CallFollowUp + '_)) -> Self {
        if follow_up.does_something() { Self::OfTimeouts } else { Self::Never }
    }
}

impl CallFollowUp for NoFollowUp {
    fn does_something(&self) -> bool {
        false
    }

    fn call(&self, _: &TimedOut<'_>) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }
}

impl<F, R> CallFollowUp for F
where
    F: Fn(&TimedOut<'_>) -> R,
    R: FollowUpResult,
{
    fn call(&self, timed_out: &TimedOut<'_>) -> Result<(), Box<dyn Error + Send + Sync>> {
        self(timed_out).into_result()
    }
}

/// A timed-out run, as [`Scheduler::on_timeout`](crate::Scheduler::on_timeout) receives it.
#[derive(Clone, Copy, Debug)]
pub struct TimedOut<'a> {
    record: &'a Record,
    limit: Duration,
}

impl<'a> TimedOut<'a> {
    pub(crate) fn new(record: &'a Record, limit: Duration) -> Self {
        Self { record, limit }
    }

    /// Returns the id that the caller gave to the run.
    #[must_use]
    pub fn job_id(&self) -> &'a str {
        self.record.job_id()
    }

    /// Returns the registered name of the job.
    #[must_use]
    pub fn job(&self) -> &'static str {
        self.record.job()
    }

    /// Returns the reason why the run was stopped: `"timeout"`, also for that of the whole list, `"stall"` or `"silence"`.
    ///
    /// [`Overrun::kind`](crate::Overrun::kind) of the [record's](Self::record) outcome returns it as an enum.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self.record.run.outcome.overrun().map(Overrun::kind) {
            Some(kind @ (OverrunKind::Stall | OverrunKind::Silence)) => kind.as_str(),
            _ => self.record.status().as_str(),
        }
    }

    /// Returns the timeout that passed.
    #[must_use]
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Returns how long the function ran until it was stopped.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.record.duration()
    }

    /// Returns where the job was when its time was over, as [`Record::stacks`] does.
    #[must_use]
    pub fn stacks(&self) -> &'a [ProcessSnapshot] {
        self.record.stacks()
    }

    /// Returns the record of the run.
    #[must_use]
    pub fn record(&self) -> &'a Record {
        self.record
    }
}

/// Appends one line about a timed-out job to `log_file`: the usual follow-up for [`schedule_jobs`](crate::schedule_jobs).
///
/// The line is UTF-8, in local time, and written with one write, so that the lines of several processes don't mix:
///
/// ```text
/// 2026-11-23 17:09:00 - Job ID: J2, Reason: timeout, Elapsed Time: 1.000123 seconds
/// ```
///
/// Missing parent folders are created. Control characters in the id and the reason are escaped, so one event is one line.
///
/// # Errors
///
/// Fails if a folder or the file can't be created or written to, with the kind of error that the file system reports. The error
/// names the file, and its `source` is the error of the file system. It also fails if the file is a FIFO without a reader, at once,
/// or a terminal or a FIFO that accepts nothing within a second.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::default_follow_up_logger;
///
/// let folder = tempfile::tempdir()?;
/// let log = folder.path().join("logs/job_followups.log");
/// default_follow_up_logger("J2", "timeout", Duration::from_micros(1_000_123), &log)?;
/// let line = std::fs::read_to_string(&log)?;
/// assert!(line.ends_with(" - Job ID: J2, Reason: timeout, Elapsed Time: 1.000123 seconds\n"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn default_follow_up_logger(job_id: &str, reason: &str, duration: Duration, log_file: &Path) -> io::Result<()> {
    append(&line(job_id, reason, duration), log_file)
}

/// Returns a follow-up for [`Scheduler::on_timeout`](crate::Scheduler::on_timeout) that appends to `log_file` where a timed-out job
/// was: the line of [`default_follow_up_logger`], and below it the job's [stacks](macro@crate::job#stacks), indented by two spaces.
///
/// Line and stacks are written with one write. Without stacks it is the line alone. Programs that read the line need not change: a
/// line that begins with a space belongs to the one above it.
///
/// ```text
/// 2026-11-23 17:09:00 - Job ID: J2, Reason: timeout, Elapsed Time: 1.000123 seconds
///   process 4711: app: job app::nightly [J2]
///     thread 4711, waiting for process 4712 (`sleep 300`)
///       std::process::Child::wait
///       app::ask at src/ask.rs:17
///     process 4712: sleep 300
///       thread 4712, in clock_nanosleep
/// ```
///
/// Command lines and names are those that the job's processes state. Control characters in them are escaped.
///
/// # Errors
///
/// The follow-up fails as [`default_follow_up_logger`] does.
///
/// # Examples
///
/// ```
/// use scheduler::{detailed_follow_up_logger, job, jobs, Scheduler};
///
/// #[job(timeout = "100ms", stacks = true)]
/// fn hang() { loop { std::thread::park() } }
///
/// #[scheduler::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let folder = tempfile::tempdir()?;
///     let log = folder.path().join("logs/job_followups.log");
///     Scheduler::new().on_timeout(detailed_follow_up_logger(&log)).run(jobs![("J1", hang)])?;
///     let text = std::fs::read_to_string(&log)?;
///     assert!(text.lines().next().is_some_and(|line| line.contains(" - Job ID: J1, Reason: timeout, ")));
///     assert!(text.lines().skip(1).all(|line| line.starts_with("  ")));
///     Ok(())
/// }
/// ```
pub fn detailed_follow_up_logger(
    log_file: impl Into<PathBuf>,
) -> impl Fn(&TimedOut<'_>) -> io::Result<()> + Send + Sync + 'static {
    let log_file = log_file.into();
    move |timed_out| {
        let mut text = line(timed_out.job_id(), timed_out.reason(), timed_out.elapsed());
        for line in ProcessSnapshot::tree(timed_out.stacks()).to_string().lines() {
            text.extend(["  ", line, "\n"]);
        }
        append(&text, &log_file)
    }
}

/// Returns the line about a timed-out job.
fn line(job_id: &str, reason: &str, duration: Duration) -> String {
    format!(
        "{} - Job ID: {}, Reason: {}, Elapsed Time: {:.6} seconds\n",
        Local::now().format("%Y-%m-%d %H:%M:%S"),
        OneLine(job_id),
        OneLine(reason),
        duration.as_secs_f64(),
    )
}

/// Appends an event to a log file.
fn append(event: &str, log_file: &Path) -> io::Result<()> {
    if let Some(folder) = log_file.parent() {
        fs::create_dir_all(folder).map_err(|error| named(error, folder, "be created"))?;
    }
    process::append_line(log_file, event.as_bytes()).map_err(|error| named(error, log_file, "be appended to"))
}

/// Adds the path and the failed action to an error, and keeps its kind.
fn named(source: io::Error, path: &Path, action: &'static str) -> io::Error {
    io::Error::new(source.kind(), FileError { path: path.into(), action, source })
}

/// An error of the file system, with its path.
#[derive(Debug)]
struct FileError {
    path: PathBuf,
    action: &'static str,
    source: io::Error,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.to_string_lossy();
        write!(f, "`{}` can't {}: {}", OneLine(&path), self.action, self.source)
    }
}

impl Error for FileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(job_id: &str) -> String {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = folder.path().join("a/b.log");
        default_follow_up_logger(job_id, "timeout", Duration::from_millis(1500), &log).expect("the folder is ours");
        fs::read_to_string(&log).expect("it was written")
    }

    #[test]
    fn a_line_has_the_time_and_all_details() {
        let line = logged("J2");
        let (time, rest) = line.split_at("2026-11-23 17:09:00".len());
        assert_eq!(rest, " - Job ID: J2, Reason: timeout, Elapsed Time: 1.500000 seconds\n");
        let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00 00:00:00");
    }

    #[test]
    fn an_id_with_a_newline_is_still_one_line() {
        let line = logged("J2\n2026-01-01 00:00:00 - Job ID: forged\u{1b}[2J");
        assert_eq!(line.lines().count(), 1);
        assert!(line.contains(r"J2\n2026-01-01 00:00:00 - Job ID: forged\u{1b}[2J,"), "{line}");
    }

    #[test]
    fn an_error_names_the_file_and_keeps_the_error_of_the_system() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let blocked = folder.path().join("file");
        fs::write(&blocked, "").expect("the folder is ours");
        let below = blocked.join("below");
        let cases =
            [(folder.path().to_owned(), folder.path(), "be appended to"), (below.join("b.log"), &*below, "be created")];
        for (log, named, action) in cases {
            let error = default_follow_up_logger("a", "timeout", Duration::ZERO, &log).expect_err("it is no file");
            let cause = error.get_ref().and_then(|inner| inner.source()?.downcast_ref::<io::Error>());
            let cause = cause.expect("it was the file system's");
            assert!(cause.raw_os_error().is_some(), "{cause:?}");
            assert_eq!(error.kind(), cause.kind());
            assert_eq!(error.to_string(), format!("`{}` can't {action}: {cause}", named.display()));
        }
    }

    #[test]
    fn lines_are_appended() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = folder.path().join("b.log");
        for id in ["a", "b"] {
            default_follow_up_logger(id, "timeout", Duration::ZERO, &log).expect("the folder is ours");
        }
        let text = fs::read_to_string(&log).expect("it was written");
        let ids: Vec<_> = text.lines().map(|line| line.contains("Job ID: a,")).collect();
        assert_eq!(ids, [true, false]);
    }
}
