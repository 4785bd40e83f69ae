//! The files of a run: written while it goes, or afterwards from its log.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Arg, ArgMatches, value_parser};

use super::file_check::uncreated;
use super::output::shown;
use crate::builder::Scheduler;
use crate::observer::Observer;
use crate::report::{Joblog, Junit, LoggedEvent, Timeline, Trace};

/// A report of which an event may come from a scheduler or from a log.
pub(super) trait WrittenReport: Observer {
    fn replay_event(&self, event: &LoggedEvent);

    /// Returns the first error of writing.
    fn finish_file(&self) -> io::Result<()>;
}

/// Implements the trait by the methods that all reports have.
macro_rules! written_reports {
    ($($report:ty),*) => {$(
        impl WrittenReport for $report {
            fn replay_event(&self, event: &LoggedEvent) {
                self.replay(event);
            }

            fn finish_file(&self) -> io::Result<()> {
                self.finish()
            }
        }
    )*};
}

written_reports!(Joblog, Junit, Timeline, Trace);

type Create = fn(&PathBuf) -> io::Result<Arc<dyn WrittenReport + Send + Sync>>;

/// A kind of report.
pub(super) struct ReportKind {
    /// The name of its option.
    name: &'static str,
    help: &'static str,
    /// Whether it has an entry for each job, and not one for each time that a job was run.
    is_of_jobs: bool,
    create: Create,
}

pub(super) const JOBLOG: &str = "joblog";

/// The kinds of reports. The job log of a batch is created in another way, as its jobs are entered once their records were printed.
const REPORT_KINDS: [ReportKind; 4] = [
    ReportKind {
        name: JOBLOG,
        help: "Write a line for each finished job, with the columns of GNU parallel's `--joblog`",
        is_of_jobs: true,
        create: |path| Ok(Arc::new(Joblog::create(path)?)),
    },
    ReportKind {
        name: "junit",
        help: "Write a JUnit report (XML), which CI systems show",
        is_of_jobs: true,
        create: |path| Ok(Arc::new(Junit::create(path)?)),
    },
    ReportKind {
        name: "timeline",
        help: "Write a page (HTML) with a lane for each slot, for a browser",
        is_of_jobs: false,
        create: |path| Ok(Arc::new(Timeline::create(path)?)),
    },
    ReportKind {
        name: "trace",
        help: "Write a trace (JSON) for Perfetto or `chrome://tracing`",
        is_of_jobs: false,
        create: |path| Ok(Arc::new(Trace::create(path)?)),
    },
];

/// Returns an option for each kind.
pub(super) fn options() -> impl Iterator<Item = Arg> {
    REPORT_KINDS.iter().map(|kind| file_option(kind.name, kind.help))
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    REPORT_KINDS.iter().map(|kind| kind.name)
}

pub(super) fn file_option(name: &'static str, help: &'static str) -> Arg {
    let option = Arg::new(name).long(name).value_name("FILE").value_parser(value_parser!(PathBuf));
    option.help(help).help_heading("Reports")
}

/// The paths of reports, with the names of their kinds.
#[derive(Clone, Debug)]
pub(super) struct ReportPaths(Vec<(&'static str, PathBuf)>);

impl ReportPaths {
    pub(super) fn of(matches: &ArgMatches) -> Self {
        let path = |name| Some((name, matches.get_one::<PathBuf>(name)?.clone()));
        Self(names().filter_map(path).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&PathBuf> {
        self.0.iter().find(|(own, _)| *own == name).map(|(_, path)| path)
    }

    /// Returns the options, and the files that they name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        self.0.iter().map(|(name, path)| (*name, path.as_path()))
    }

    /// Creates the files.
    pub(super) fn create(&self) -> Result<Reports, String> {
        self.create_except("")
    }

    /// Creates the files, but for those of the kind of this name.
    pub(super) fn create_except(&self, other: &str) -> Result<Reports, String> {
        let mut reports = Vec::new();
        for (name, path) in self.0.iter().filter(|(name, _)| *name != other) {
            let kind = REPORT_KINDS.iter().find(|kind| kind.name == *name).expect("it is one of them");
            let report = (kind.create)(path).map_err(|error| uncreated(path, &error))?;
            reports.push(OpenReport { path: path.clone(), report, is_of_jobs: kind.is_of_jobs });
        }
        Ok(Reports(reports))
    }
}

/// Reports that are being written.
pub(super) struct Reports(Vec<OpenReport>);

struct OpenReport {
    path: PathBuf,
    report: Arc<dyn WrittenReport + Send + Sync>,
    is_of_jobs: bool,
}

impl Reports {
    /// Lets them receive the events of a scheduler.
    pub(super) fn observe(&self, scheduler: Scheduler) -> Scheduler {
        self.0.iter().fold(scheduler, |scheduler, open| scheduler.observer(Arc::clone(&open.report)))
    }

    /// Returns whether one of them has an entry for each job.
    pub(super) fn are_of_jobs(&self) -> bool {
        self.0.iter().any(|open| open.is_of_jobs)
    }

    /// Writes an event of a log: to reports of jobs as it is merged with those of other runs, if it is not left out.
    pub(super) fn replay(&self, event: &LoggedEvent, merged: Option<&LoggedEvent>) {
        for open in &self.0 {
            if let Some(event) = if open.is_of_jobs { merged } else { Some(event) } {
                open.report.replay_event(event);
            }
        }
    }

    /// Returns a message for each file that could not be written.
    pub(super) fn finish(&self) -> Vec<String> {
        let errors = self.0.iter().filter_map(|open| Some((&open.path, open.report.finish_file().err()?)));
        errors.map(|(path, error)| format!("can't write {}: {error}", shown(path))).collect()
    }
}
