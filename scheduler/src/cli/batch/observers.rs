//! What observes a batch: its log, its reports, its progress bar; and what an earlier batch has left to do.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::BatchArguments;
use super::calls::LineNumbers;
use super::input;
use crate::builder::Scheduler;
use crate::cli::report_files::{JOBLOG, Reports, check_files};
use crate::progress::Bar;
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
    /// `None` without a job log.
    numbers: Option<LineNumbers>,
    /// The lines that are skipped.
    done: BTreeSet<u64>,
}

impl BatchObservers {
    /// Opens the files. Fails with a message that names the one that can't be opened.
    pub(super) fn open(arguments: &BatchArguments) -> Result<Self, String> {
        let resume = arguments.resume;
        let input = (!input::is_stdin(&arguments.file)).then_some(arguments.file.as_path());
        let log = arguments.log.iter().map(|path| ("log", path.as_path()));
        check_files(input, arguments.reports.iter().chain(log))?;
        let (mut joblog, mut numbers, mut done) = (None, None, BTreeSet::new());
        if let Some(path) = arguments.reports.get(JOBLOG) {
            let opened = open_joblog(path, resume).map_err(|error| unopened(path, &error))?;
            let queue = LineNumbers::default();
            let theirs = Arc::clone(&queue);
            joblog = Some(opened.0.seq(move |_| lock(&theirs).pop_front()));
            (numbers, done) = (Some(queue), opened.1);
        }
        let reports = arguments.reports.create(joblog)?;
        let log = arguments.log.as_ref().map(|path| {
            let log = if resume.is_some() { JsonLines::append(path) } else { JsonLines::create(path) };
            Ok::<_, String>((path.clone(), Arc::new(log.map_err(|error| unopened(path, &error))?)))
        });
        let bar = arguments.is_progress.then(|| Arc::new(bar(&arguments.file, &done)));
        Ok(Self { reports, log: log.transpose()?, bar, numbers, done })
    }

    /// Lets them receive the events of a scheduler.
    pub(super) fn observe(&self, scheduler: Scheduler) -> Scheduler {
        let mut scheduler = self.reports.observe(scheduler);
        if let Some((_, log)) = &self.log {
            scheduler = scheduler.observer(Arc::clone(log));
        }
        if let Some(bar) = &self.bar {
            scheduler = scheduler.observer(Arc::clone(bar));
        }
        scheduler
    }

    /// Returns whether an earlier batch has done the line of this number.
    pub(super) fn is_done(&self, number: u64) -> bool {
        self.done.contains(&number)
    }

    /// Returns where the numbers of the lines are noted whose jobs are queued next, if there is a job log.
    pub(super) fn numbers(&self) -> Option<LineNumbers> {
        self.numbers.clone()
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

    /// Ends the progress bar, and returns a message for each file that could not be written.
    pub(super) fn finish(&self) -> Vec<String> {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
        let log = self.log.as_ref().and_then(|(path, log)| Some((path, log.finish().err()?)));
        let log = log.map(|(path, error)| format!("can't write {}: {error}", path.display()));
        self.reports.finish().into_iter().chain(log).collect()
    }
}

fn unopened(path: &Path, error: &io::Error) -> String {
    format!("can't open {}: {error}", path.display())
}

/// Opens the job log, and returns the lines that it leaves out.
fn open_joblog(path: &Path, resume: Option<Resume>) -> io::Result<(Joblog, BTreeSet<u64>)> {
    let done = match resume {
        None => return Ok((Joblog::create(path)?, BTreeSet::new())),
        Some(Resume::Rest) => Joblog::finished(path),
        Some(Resume::RestAndFailed) => Joblog::succeeded(path),
    };
    let done = match done {
        // The first batch, which has nothing to resume.
        Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeSet::new(),
        done => done?,
    };
    Ok((Joblog::append(path)?, done))
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
    if calls > 0 { Bar::new().expecting(calls) } else { Bar::new() }
}
