//! `report`: reports of a run that is over, or was killed, from its log.

use std::io;
use std::path::{Path, PathBuf};

use super::ending::Ending;
use super::events::read_events;
use super::output::report_message;
use super::report_files::{ReportPaths, Reports, check_files};

#[derive(Clone, Debug)]
pub(super) struct ReportArguments {
    /// Logs of `batch --log`, or of `report::JsonLines`, and journals.
    pub(super) logs: Vec<PathBuf>,
    pub(super) reports: ReportPaths,
}

pub(super) fn execute(arguments: &ReportArguments) -> Ending {
    let logs = arguments.logs.iter().map(PathBuf::as_path);
    let checked = check_files(logs, arguments.reports.iter());
    let reports = match checked.and_then(|()| arguments.reports.create(None)) {
        Ok(reports) => reports,
        Err(problem) => {
            report_message(&problem);
            return Ending::OWN_FAILURE;
        }
    };
    for path in &arguments.logs {
        if let Err(error) = replay(path, &reports) {
            report_message(&format!("can't read {}: {error}", path.display()));
            return Ending::OWN_FAILURE;
        }
    }
    let problems = reports.finish();
    for problem in &problems {
        report_message(problem);
    }
    if problems.is_empty() { Ending::SUCCESS } else { Ending::OWN_FAILURE }
}

fn replay(log: &Path, reports: &Reports) -> io::Result<()> {
    for event in read_events(log)? {
        reports.replay(&event?);
    }
    Ok(())
}
