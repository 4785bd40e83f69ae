//! The values of options as text: how each is read, and shown.

use std::fmt::{Debug, Display};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use crate::options::{Backoff, Cause, Cpus, Input, Output, Terminate, bytes};

pub(super) fn shown<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> Vec<String> {
    value.map(show).into_iter().collect()
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|problem| format!("expected a duration, such as `30s`: {problem}"))
}

/// Returns a limit, which may be lifted.
pub(super) fn limit(text: &str) -> Result<Duration, String> {
    if text == "none" {
        return Ok(Duration::MAX);
    }
    let problem = |problem| format!("expected a duration, such as `30s`, or `none` for no limit: {problem}");
    humantime::parse_duration(text).map_err(problem)
}

/// Returns the file that a job reads. In its process, a name of standard input is that of the job itself, which is empty.
pub(super) fn input(text: &str) -> Result<Input, String> {
    if ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].contains(&text) {
        let hint = if text == "-" { ", or `./-` for one of that name" } else { "" };
        return Err(format!(
            "`{text}` is the standard input of this program, which its jobs don't have; give a file{hint}"
        ));
    }
    Ok(Input::File(text.into()))
}

pub(super) fn above_zero(timeout: Duration) -> Result<Duration, String> {
    let message = "a timeout can't be zero: the job would be killed before it starts; give a longer one, such as `30s`";
    if timeout.is_zero() { Err(message.to_owned()) } else { Ok(timeout) }
}

pub(super) fn show_duration(duration: Duration) -> String {
    if duration == Duration::MAX { "none".to_owned() } else { humantime::format_duration(duration).to_string() }
}

/// Returns a size in the largest unit of which it is a whole number.
pub(super) fn show_bytes(bytes: u64) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = units.into_iter().find(|(_, shift)| bytes > 0 && bytes.trailing_zeros() >= *shift);
    unit.map_or_else(|| bytes.to_string(), |(unit, shift)| format!("{}{unit}", bytes >> shift))
}

pub(super) fn number<T: FromStr + PartialOrd + Display>(
    text: &str,
    bounds: RangeInclusive<T>,
    expected: &str,
) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| bounds.contains(number));
    number.ok_or_else(|| format!("expected {expected}"))
}

/// Returns the numbers of processors: `0-3,8`.
pub(super) fn cpus(text: &str) -> Result<Cpus, String> {
    let expected = || "expected numbers of processors and ranges of them, such as `0-3` or `0,2`".to_owned();
    let number = |number: &str| number.trim().parse::<usize>().map_err(|_| expected());
    let mut ranges = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let range = number(first)?..=number(last)?;
        if range.is_empty() {
            return Err("a range of processors ends with its highest number, such as `0-3`".to_owned());
        }
        ranges.push(range);
    }
    Ok(Cpus::of(ranges.into_iter().flatten()))
}

pub(super) fn show_input(input: &Input) -> String {
    match input {
        Input::Empty => "nothing".to_owned(),
        Input::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Input::File(path) => path.display().to_string(),
    }
}

pub(super) fn backoff(text: &str) -> Result<Backoff, String> {
    let Some((first, cap)) = text.split_once("..") else {
        return Ok(Backoff::fixed(duration(text)?));
    };
    Ok(Backoff::exponential(duration(first.trim())?, duration(cap.trim())?))
}

pub(super) fn output(text: &str) -> Result<Output, String> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    Ok(match (word, rest.trim()) {
        ("inherit", "") => Output::Inherit,
        ("discard", "") => Output::Discard,
        ("lines", "") => Output::Lines,
        ("capture", "") => Output::Capture,
        ("capture", size) => Output::CaptureUpTo(usize::try_from(bytes(size)?).unwrap_or(usize::MAX)),
        ("append", path) if !path.is_empty() => Output::append(path),
        _ => {
            let expected = "expected `inherit`, `discard`, `capture`, `capture 1MiB`, `lines` or `append FILE`";
            return Err(expected.to_owned());
        }
    })
}

pub(super) fn show_output(output: &Output) -> String {
    match output {
        Output::Inherit => "inherit".to_owned(),
        Output::Discard => "discard".to_owned(),
        Output::Capture => "capture".to_owned(),
        Output::CaptureUpTo(bytes) => format!("capture {}", show_bytes(u64::try_from(*bytes).unwrap_or(u64::MAX))),
        Output::Append(path) => format!("append {}", path.display()),
        Output::Lines => "lines".to_owned(),
    }
}

pub(super) const TERMINATES: [(&str, Terminate); 2] =
    [("cooperative", Terminate::Cooperative), ("signal", Terminate::Signal)];

/// The causes; after the first nine a job may be retried.
pub(super) const ENDS: [(&str, Cause); 11] = [
    ("timeout", Cause::Timeout),
    ("signal", Cause::Signal),
    ("panic", Cause::Panic),
    ("err", Cause::Returned),
    ("exit", Cause::Exit),
    ("out_of_memory", Cause::OutOfMemory),
    ("cpu_time", Cause::CpuTime),
    ("internal", Cause::Internal),
    ("lost", Cause::Lost),
    ("cancelled", Cause::Cancelled),
    ("ok", Cause::Ok),
];

pub(super) const RETRIED: &[(&str, Cause)] = ENDS.split_at(9).0;

pub(super) fn named<T: Copy>(text: &str, names: &[(&str, T)]) -> Result<T, String> {
    let found = names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let names: Vec<_> = names.iter().map(|(name, _)| format!("`{name}`")).collect();
        format!("expected one of {}", names.join(", "))
    })
}

pub(super) fn name_of<T: Copy + PartialEq + Debug>(value: T, names: &[(&str, T)]) -> String {
    let found = names.iter().find(|(_, known)| *known == value);
    found.map_or_else(|| format!("{value:?}"), |(name, _)| (*name).to_owned())
}
