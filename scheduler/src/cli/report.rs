//! `report`: reports of a run that is over, or was killed, from its log.

use std::io;
use std::iter::Peekable;
use std::path::{Path, PathBuf};

use super::ending::Ending;
use super::events::{Events, name, not_a_log, read_events, used_file};
use super::file_check::check_files;
use super::merged_runs::MergedRuns;
use super::output::report_message;
use super::report_files::{ReportPaths, Reports};

#[derive(Clone, Debug)]
pub(super) struct ReportArguments {
    /// Logs of `batch --log`, or of `report::JsonLines`, and journals.
    pub(super) logs: Vec<PathBuf>,
    pub(super) reports: ReportPaths,
}

pub(super) fn execute(arguments: &ReportArguments) -> Ending {
    let problems = match make(arguments) {
        Ok(reports) => reports.finish(),
        Err(problem) => vec![problem],
    };
    for problem in &problems {
        report_message(problem);
    }
    if problems.is_empty() { Ending::SUCCESS } else { Ending::OWN_FAILURE }
}

fn make(arguments: &ReportArguments) -> Result<Reports, String> {
    let paths = arguments.logs.iter().map(PathBuf::as_path);
    let used: Vec<_> = paths.clone().map(used_file).collect();
    check_files(&used, arguments.reports.iter())?;
    let unreadable = |path: &Path, error: &io::Error| format!("can't read {}: {error}", name(path));
    // Before a report is emptied.
    let logs = paths.map(|path| Ok((path, open(path).map_err(|error| unreadable(path, &error))?)));
    let logs = logs.collect::<Result<Vec<_>, String>>()?;
    let reports = arguments.reports.create()?;
    for (path, events) in logs {
        // The log is read once more for that.
        let runs = if reports.are_of_jobs() { MergedRuns::find(path) } else { Ok(MergedRuns::default()) };
        let runs = runs.map_err(|error| unreadable(path, &error))?;
        for event in events {
            let event = event.map_err(|error| unreadable(path, &error))?;
            reports.replay(&event, runs.merged(&event).as_deref());
        }
    }
    Ok(reports)
}

/// Returns the events of a log, of which the first one has been read.
fn open(path: &Path) -> io::Result<Peekable<Events>> {
    let mut events = read_events(path)?.peekable();
    match events.next_if(Result::is_err) {
        Some(Err(error)) => Err(error),
        _ if events.peek().is_none() => Err(not_a_log()),
        _ => Ok(events),
    }
}
