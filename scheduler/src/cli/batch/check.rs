//! `check`: the lines of a batch that are refused, reported without running anything.

use std::io;

use super::BatchArguments;
use super::input::{self, NumberedLine};
use super::line::{self, RefusedLine};
use crate::cli::ending::Ending;
use crate::cli::output::{Snippet, note, report_message};
use crate::json_call::position;
use crate::supervisor::CancelToken;

/// Checks every line, and reports those that are refused.
pub(super) fn check(mut input: Box<dyn io::BufRead + Send>, arguments: &BatchArguments) -> Ending {
    let scheduler = super::scheduler(arguments, &CancelToken::new());
    let (mut number, mut calls, mut refused) = (0, 0, 0);
    loop {
        match input::next(&mut *input, &mut number) {
            Ok(Some(text)) => match line::call(&text, number, &arguments.options, &scheduler) {
                Ok(_) => calls += 1,
                Err(problem) => {
                    refused += 1;
                    report_line(arguments, &NumberedLine { number, text }, problem);
                }
            },
            Ok(None) => break,
            Err(error) if input::is_no_text(&error) => {
                refused += 1;
                report_unreadable(arguments, number, &error);
            }
            Err(error) => {
                report_unreadable(arguments, number, &error);
                return Ending::OWN_FAILURE;
            }
        }
    }
    if !arguments.is_quiet {
        note(&summary(calls, refused));
    }
    if refused == 0 { Ending::SUCCESS } else { Ending::OWN_FAILURE }
}

fn summary(calls: u64, refused: u64) -> String {
    let valid = if calls == 1 { "call is valid" } else { "calls are valid" };
    let not = if refused == 1 { "is not" } else { "are not" };
    format!("{calls} {valid}, {refused} {not}")
}

pub(super) fn report_line(arguments: &BatchArguments, line: &NumberedLine, problem: RefusedLine) {
    let RefusedLine { message, span, entry } = problem;
    report_message(&message);
    let (_, column) = position(&line.text, span.start);
    let origin = format!("{}:{}:{column}", input::name(&arguments.file), line.number);
    note(&Snippet { origin, text: &line.text, span }.to_string());
    if let Some(entry) = entry {
        note(&format!("  = the job is `{entry}`, declared at {}:{}", entry.file(), entry.line()));
    }
}

pub(super) fn report_unreadable(arguments: &BatchArguments, number: u64, error: &io::Error) {
    report_message(&format!("can't read line {number} of {}: {error}", input::name(&arguments.file)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_is_no_several_calls() {
        assert_eq!(summary(1, 0), "1 call is valid, 0 are not");
        assert_eq!(summary(2, 1), "2 calls are valid, 1 is not");
    }
}
