//! What observes a batch: its log, its reports, its progress bar; and what an earlier batch has left to do.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use super::BatchArguments;
use super::input;
use crate::builder::Scheduler;
use crate::cli::events::check_log;
use crate::cli::file_check::{UsedFile, check_files};
use crate::cli::output::{pass_on, shown};
use crate::cli::report_files::{JOBLOG, Reports};
use crate::cli::slow::SlowNotice;
use crate::progress::Bar;
use crate::record::Record;
use crate::report::{Joblog, JsonLines};
use crate::sync::lock;

/// Which lines a batch skips, by the job log of an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Resume {
    /// Those that were run, whatever their outcome.
    Rest,
    /// Those that succeeded.
    RestAndFailed,
}

/// The observers of a batch.
pub(super) struct BatchObservers {
    reports: Reports,
    log: Option<(PathBuf, Arc<JsonLines>)>,
    bar: Option<Arc<Bar>>,
    is_quiet: bool,
    /// It isn't an observer: a job is entered once its record was printed.
    joblog: Option<(PathBuf, Joblog)>,
    skipped: SkippedLines,
}

/// The lines that are skipped, by their numbers.
#[derive(Default)]
struct SkippedLines {
    all: BTreeSet<u64>,
    /// Those of them whose jobs failed.
    failed: BTreeSet<u64>,
}

impl BatchObservers {
    /// Opens the files. Fails with a message that names the one that can't be opened.
    pub(super) fn open(arguments: &BatchArguments) -> Result<Self, String> {
        let resume = arguments.resume;
        let file = arguments.file.as_path();
        let input = if input::is_stdin(file) { UsedFile::Stdin } else { UsedFile::Read(file) };
        let log = arguments.log.iter().map(|path| ("log", path.as_path()));
        check_files(&[input, UsedFile::Stdout, UsedFile::Stderr], arguments.reports.iter().chain(log))?;
        let (mut joblog, mut skipped) = (None, SkippedLines::default());
        if let Some(path) = arguments.reports.get(JOBLOG) {
            let opened = open_joblog(path, resume).map_err(|error| unopened(path, &error))?;
            (joblog, skipped) = (Some((path.clone(), opened.0)), opened.1);
        }
        // First what is added to, which may be refused.
        let log = arguments.log.as_ref().map(|path| {
            let log = match resume {
                Some(_) => check_log(path).and_then(|()| JsonLines::append(path)),
                None => JsonLines::create(path),
            };
            Ok::<_, String>((path.clone(), Arc::new(log.map_err(|error| unopened(path, &error))?)))
        });
        let log = log.transpose()?;
        let reports = arguments.reports.create_except(JOBLOG)?;
        let bar = arguments.is_progress.then(|| Arc::new(bar(&arguments.file, &skipped.all)));
        Ok(Self { reports, log, bar, is_quiet: arguments.is_quiet, joblog, skipped })
    }

    /// Lets them receive the events of a scheduler.
    pub(super) fn observe(&self, scheduler: Scheduler) -> Scheduler {
        let mut scheduler = self.reports.observe(scheduler);
        if let Some((_, log)) = &self.log {
            scheduler = scheduler.observer(Arc::clone(log));
        }
        let drawn = self.bar.as_ref().filter(|bar| bar.is_drawn());
        if !self.is_quiet {
            scheduler = scheduler.observer(SlowNotice { bar: drawn.cloned() });
        }
        if let Some(bar) = &self.bar {
            scheduler = scheduler.observer(Arc::clone(bar));
        }
        if let Some(bar) = drawn {
            *lock(&DRAWN) = Arc::downgrade(bar);
            scheduler = scheduler.print_lines(print_above);
        }
        scheduler
    }

    /// Returns whether an earlier batch has done the line of this number.
    pub(super) fn is_done(&self, number: u64) -> bool {
        self.skipped.all.contains(&number)
    }

    /// Returns whether the job of this line, which an earlier batch has done, failed then.
    pub(super) fn has_failed(&self, number: u64) -> bool {
        self.skipped.failed.contains(&number)
    }

    /// Returns the line of the job log for the record of the call of this line, if there is a job log.
    pub(super) fn joblog_line(&self, number: u64, record: &Record, is_unreadable: bool) -> Option<String> {
        self.joblog.as_ref().and_then(|_| Joblog::line_of(number, record, is_unreadable))
    }

    /// Writes these lines to the job log, unless the log has missed an event: one of them may be the record of a job.
    pub(super) fn enter(&self, lines: &[String]) {
        let is_logged = self.log.as_ref().is_none_or(|(_, log)| !log.has_failed());
        if let Some((_, joblog)) = self.joblog.as_ref().filter(|_| is_logged && !lines.is_empty()) {
            joblog.add_lines(&lines.concat());
        }
    }

    /// Calls `print` while no progress bar is drawn.
    pub(super) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// As [`suspend`](Self::suspend), if `print` prints to the terminal of the bar.
    pub(super) fn suspend_if<T>(&self, is_terminal: bool, print: impl FnOnce() -> T) -> T {
        if is_terminal { self.suspend(print) } else { print() }
    }

    /// Removes the progress bar, and returns a message for each file that could not be written.
    pub(super) fn finish(&self) -> Vec<String> {
        if let Some(bar) = &self.bar {
            bar.clear();
        }
        let log = self.log.as_ref().and_then(|(path, log)| Some((path, log.finish().err()?)));
        let joblog = self.joblog.as_ref().and_then(|(path, joblog)| Some((path, joblog.finish().err()?)));
        let unwritten = log.into_iter().chain(joblog);
        let unwritten = unwritten.map(|(path, error)| format!("can't write {}: {error}", shown(path)));
        self.reports.finish().into_iter().chain(unwritten).collect()
    }
}

/// The bar of the batch, if it is drawn on a terminal.
static DRAWN: Mutex<Weak<Bar>> = Mutex::new(Weak::new());

/// Prints lines of jobs above the bar.
fn print_above(line: &str) {
    let bar = lock(&DRAWN).upgrade();
    match bar {
        Some(bar) => bar.pass_on(line),
        None => pass_on(&format!("{line}\n")),
    }
}

fn unopened(path: &Path, error: &io::Error) -> String {
    format!("can't open {}: {error}", shown(path))
}

/// Opens the job log, and returns the lines that it leaves out.
fn open_joblog(path: &Path, resume: Option<Resume>) -> io::Result<(Joblog, SkippedLines)> {
    let Some(resume) = resume else {
        return Ok((Joblog::create(path)?, SkippedLines::default()));
    };
    // A pipe without a writer would be waited for, and what was written to one is gone.
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        let problem = "it is no regular file, and has no jobs to resume from";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    let skipped = match Joblog::succeeded(path) {
        // The first batch, which has nothing to resume.
        Err(error) if error.kind() == io::ErrorKind::NotFound => SkippedLines::default(),
        Ok(all) if resume == Resume::RestAndFailed => SkippedLines { all, failed: BTreeSet::new() },
        succeeded => {
            let (all, succeeded) = (Joblog::finished(path)?, succeeded?);
            SkippedLines { failed: all.difference(&succeeded).copied().collect(), all }
        }
    };
    Ok((Joblog::append(path)?, skipped))
}

/// Returns the progress bar. The total is known if the lines can be counted: those of a file, which is read twice.
fn bar(file: &Path, done: &BTreeSet<u64>) -> Bar {
    let (mut number, mut calls) = (0, 0);
    if file.is_file()
        && let Ok(mut input) = input::open(file)
    {
        while let Ok(Some(_)) = input::next(&mut *input, &mut number) {
            calls += u64::from(!done.contains(&number));
        }
    }
    // More lines may come from a pipe when all jobs so far are over.
    let bar = Bar::new().open_ended();
    if calls > 0 { bar.expecting(calls) } else { bar }
}
