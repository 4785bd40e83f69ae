//! The input and the output of the tests' application (`src/bin/app`).

use std::process::Output;

use scheduler::StartMethod;
use serde_json::Value;

use crate::platform::METHODS;

/// Returns the sweeps that the application printed, one for each job, on the line before the last.
///
/// # Panics
///
/// Panics if that line is something else.
#[must_use]
pub fn sweeps(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().rev().nth(1).unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Returns what the application printed as its records, the last line.
///
/// # Panics
///
/// Panics if that line is something else.
#[must_use]
pub fn records(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {text}{errors}"))
}

/// Returns the values of `APP_METHOD` for the ways to make processes that this platform has.
pub fn methods() -> impl Iterator<Item = &'static str> {
    METHODS.into_iter().map(|method| if method == StartMethod::ForkServer { "forks" } else { "" })
}
