//! `run`: one job, with its arguments from the command line.

use super::ending::Ending;
use super::output::{Results, Snippet, note, pass_on, report, report_message, unwritable};
use super::presses::Presses;
use super::result::{result_error, result_in};
use super::slow::SlowNotice;
use super::words;
use crate::builder::Scheduler;
use crate::call::AnyJob;
use crate::error::Error;
use crate::json_call::position;
use crate::options::{Options, StartMethod};
use crate::outcome::{Failure, ProcessSnapshot, Status};
use crate::process::FatalSignal;
use crate::record::Record;
use crate::registry::{self, Entry};
use crate::supervisor::CancelToken;

#[derive(Clone, Debug)]
pub(super) struct RunArguments {
    pub(super) job: String,
    pub(super) words: Vec<String>,
    /// Whether the whole record is printed, and not just the result.
    pub(super) is_json: bool,
    pub(super) id: Option<String>,
    pub(super) options: Options,
    pub(super) start_method: StartMethod,
}

pub(super) fn execute(arguments: &RunArguments) -> Ending {
    let entry = match registry::find(&arguments.job) {
        Ok(entry) => entry,
        Err(error) => {
            report(&error);
            return Ending::NOT_FOUND;
        }
    };
    let Some(call) = checked(entry, &arguments.words) else {
        return Ending::OWN_FAILURE;
    };
    let mut results = match Results::open() {
        Ok(results) => results,
        Err(error) => return unwritable(&error),
    };
    match run(entry, call, arguments) {
        Ok(record) => print(&record, arguments, &mut results),
        Err(error) => {
            report(&error);
            Ending::OWN_FAILURE
        }
    }
}

/// Returns the call, or reports why its arguments are refused.
fn checked(entry: &'static Entry, words: &[String]) -> Option<AnyJob> {
    let refused = match words::call(entry, words) {
        Ok(call) => return Some(call),
        Err(refused) => refused,
    };
    report_message(&refused.message);
    if let Some(span) = refused.span {
        let text = words::joined(words);
        let origin = match position(&text, span.start) {
            (1, column) => format!("arguments, column {column}"),
            (line, column) => format!("arguments, line {line} column {column}"),
        };
        note(&Snippet { origin, text: &text, span }.to_string());
    }
    note(&format!("  = the job is `{entry}`, declared at {}:{}", entry.file(), entry.line()));
    None
}

fn run(entry: &Entry, mut call: AnyJob, arguments: &RunArguments) -> Result<Record, Error> {
    let token = CancelToken::new();
    Presses::listen(&token, [CancelToken::cancel, CancelToken::kill])
        .map_err(|error| Error::internal("install a handler for Ctrl-C", error))?;
    let mut scheduler = Scheduler::new().start_method(arguments.start_method).cancel_token(&token);
    scheduler = scheduler.observer(SlowNotice::default());
    let options = arguments.options.clone().over(&entry.options());
    if let Some(group) = options.group {
        // The job is alone.
        scheduler = scheduler.limit_group(group, 1);
    }
    call.options = Some(Box::new(arguments.options.clone()));
    let id = arguments.id.as_deref().unwrap_or_else(|| entry.name());
    let mut records = scheduler.run([(id, call)])?;
    Ok(records.pop().expect("there is a record for the job"))
}

fn print(record: &Record, arguments: &RunArguments, results: &mut Results) -> Ending {
    let whole = serde_json::to_string(record).map_err(|error| format!("the record can't be written: {error}"));
    let line = match (arguments.is_json, record.status()) {
        (true, _) => whole.map(Some),
        (false, Status::Ok) => whole.and_then(|whole| result_in(&whole).map(str::to_owned)).map(Some),
        (false, _) => Ok(None),
    };
    let unreadable = line.as_ref().ok().and_then(Option::as_deref).filter(|_| arguments.is_json).and_then(result_error);
    if !arguments.is_json {
        // What was captured belongs to standard error as well; in the record it is already.
        [record.stdout(), record.stderr()].iter().flatten().for_each(|output| pass_on(output));
    }
    if let Some(error) = record.error() {
        report_message(&format!("`{}` {error}", record.job()));
    }
    for follow_up in record.follow_ups() {
        if let Some(error) = follow_up.error() {
            report_message(&format!("the follow-up `{}` {error}", follow_up.job()));
        }
    }
    if !arguments.is_json && record.run.late_result().is_some() {
        note("  = it returned a value after it was asked to stop, which `--json` shows");
    }
    if !record.stacks().is_empty() {
        note(&ProcessSnapshot::tree(record.stacks()).to_string());
    }
    if let Some(problem) = &unreadable {
        report_message(problem);
    }
    let line = match line {
        Ok(line) => line,
        Err(problem) => {
            report_message(&problem);
            return Ending::OWN_FAILURE;
        }
    };
    let written = line.map_or(Ok(()), |line| results.line(&line)).and_then(|()| results.flush());
    match (written, record.failure()) {
        (Err(error), _) => unwritable(&error),
        (Ok(()), Some(Failure::Cancelled { .. })) => Ending::Signal(FatalSignal::Interrupt),
        (Ok(()), _) if unreadable.is_some() => Ending::OWN_FAILURE,
        (Ok(()), _) => Ending::of(record),
    }
}
