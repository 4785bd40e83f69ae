//! The files of a run: written while it goes, or afterwards from its log.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Arg, ArgMatches, value_parser};

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
    create: Create,
}

pub(super) const JOBLOG: &str = "joblog";

/// The kinds of reports. The job log of a batch is created in another way, with the numbers of the lines.
const REPORT_KINDS: [ReportKind; 4] = [
    ReportKind {
        name: JOBLOG,
        help: "Write a line for each finished job, with the columns of GNU parallel's `--joblog`",
        create: |path| Ok(Arc::new(Joblog::create(path)?)),
    },
    ReportKind {
        name: "junit",
        help: "Write a JUnit report (XML), which CI systems show",
        create: |path| Ok(Arc::new(Junit::create(path)?)),
    },
    ReportKind {
        name: "timeline",
        help: "Write a page (HTML) with a lane for each slot, for a browser",
        create: |path| Ok(Arc::new(Timeline::create(path)?)),
    },
    ReportKind {
        name: "trace",
        help: "Write a trace (JSON) for Perfetto or `chrome://tracing`",
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

    /// Creates the files, but for the job log if it is given.
    pub(super) fn create(&self, joblog: Option<Joblog>) -> Result<Reports, String> {
        let mut reports = Vec::new();
        if let (Some(joblog), Some(path)) = (joblog, self.get(JOBLOG)) {
            let joblog: Arc<dyn WrittenReport + Send + Sync> = Arc::new(joblog);
            reports.push((path.clone(), joblog));
        }
        let created: Vec<_> = reports.iter().map(|_| JOBLOG).collect();
        for (name, path) in self.0.iter().filter(|(name, _)| !created.contains(name)) {
            let kind = REPORT_KINDS.iter().find(|kind| kind.name == *name).expect("it is one of them");
            let report = (kind.create)(path).map_err(|error| uncreated(path, &error))?;
            reports.push((path.clone(), report));
        }
        Ok(Reports(reports))
    }
}

/// Returns an error if one of the files that are to be written is read, or is to be written twice.
pub(super) fn check_files<'a>(
    read: impl IntoIterator<Item = &'a Path>,
    written: impl IntoIterator<Item = (&'static str, &'a Path)>,
) -> Result<(), String> {
    let mut seen: Vec<_> = read.into_iter().filter_map(identity).map(|file| (file, "it is read".to_owned())).collect();
    for (option, path) in written {
        let Some(file) = identity(path) else { continue };
        if let Some((_, why)) = seen.iter().find(|(other, _)| *other == file) {
            return Err(format!("`--{option}` would overwrite {}: {why}", shown(path)));
        }
        seen.push((file, format!("`--{option}` writes it")));
    }
    Ok(())
}

/// Returns an error if one of the files can't be written, before the first of them is emptied.
pub(super) fn check_writable<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<(), String> {
    paths.into_iter().try_for_each(|path| can_be_written(path).map_err(|error| uncreated(path, &error)))
}

fn can_be_written(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        // A pipe whose reader would see an end, or a device.
        Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => Ok(()),
        Ok(_) => OpenOptions::new().append(true).open(path).map(drop),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            match OpenOptions::new().write(true).create_new(true).open(path) {
                Ok(_) => fs::remove_file(path),
                // A link to a file that doesn't exist.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

fn uncreated(path: &Path, error: &io::Error) -> String {
    format!("can't create {}: {error}", shown(path))
}

/// Returns the path without links, of a file that needn't exist; `None` if that can't be known, or of a device or a pipe.
fn identity(path: &Path) -> Option<PathBuf> {
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return None;
    }
    fs::canonicalize(path).ok().or_else(|| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(fs::canonicalize(folder).ok()?.join(path.file_name()?))
    })
}

/// Reports that are being written.
pub(super) struct Reports(Vec<(PathBuf, Arc<dyn WrittenReport + Send + Sync>)>);

impl Reports {
    /// Lets them receive the events of a scheduler.
    pub(super) fn observe(&self, scheduler: Scheduler) -> Scheduler {
        self.0.iter().fold(scheduler, |scheduler, (_, report)| scheduler.observer(Arc::clone(report)))
    }

    pub(super) fn replay(&self, event: &LoggedEvent) {
        self.0.iter().for_each(|(_, report)| report.replay_event(event));
    }

    /// Returns a message for each file that could not be written.
    pub(super) fn finish(&self) -> Vec<String> {
        let errors = self.0.iter().filter_map(|(path, report)| Some((path, report.finish_file().err()?)));
        errors.map(|(path, error)| format!("can't write {}: {error}", shown(path))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_checked_without_a_change() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (file, new, inside) =
            (folder.path().join("file"), folder.path().join("a/new"), folder.path().join("file/x"));
        fs::write(&file, "kept").expect("the folder is ours");
        assert_eq!(check_writable([&*file, &*new, Path::new("/dev/null")]), Ok(()));
        assert_eq!((fs::read_to_string(&file).ok().as_deref(), new.exists()), (Some("kept"), false));
        for path in [folder.path(), &inside, Path::new("")] {
            let problem = check_writable([path]).expect_err("it is no place for a file");
            assert!(problem.starts_with("can't create "), "{problem}");
        }
    }

    #[test]
    fn a_file_that_is_read_or_written_twice_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("calls"), "").expect("the folder is ours");
        let (calls, same, new, other) = (path("calls"), folder.path().join("./calls"), path("new"), path("./new"));
        let check = |written: &[(&'static str, &PathBuf)]| {
            check_files([calls.as_path()], written.iter().map(|(option, path)| (*option, path.as_path())))
        };
        assert_eq!(check(&[("log", &new), ("junit", &path("more"))]), Ok(()));
        let problem = check(&[("log", &same)]).expect_err("it is read");
        assert!(problem.starts_with("`--log` would overwrite ") && problem.ends_with(": it is read"), "{problem}");
        let problem = check(&[("log", &new), ("junit", &other)]).expect_err("it is written twice");
        assert!(problem.ends_with("new: `--log` writes it"), "{problem}");
        assert_eq!(check(&[("log", &"/dev/null".into()), ("junit", &"/dev/null".into())]), Ok(()));
    }
}
