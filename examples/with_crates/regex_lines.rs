//! Matches a regular expression against every line of a file: `cargo run -p with-crates --example regex_lines [PATTERN FILE]`.
//!
//! An expression with look-around or back-references needs an engine that backtracks. For such an engine some lines are
//! traps: on `aaaa…` without a match it tries every way to divide the letters. One such line hangs the whole program,
//! unless each line is matched by a job of its own.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use fancy_regex::RegexBuilder;
use scheduler::{Scheduler, Status, job};

/// A phrase, `and`, and the same phrase again.
const PATTERN: &str = r"^((\w+\s?)+) and \1$";

/// Returns whether the line matches.
#[job(timeout = "500ms")]
fn matches(pattern: String, line: String) -> Result<bool, fancy_regex::Error> {
    // By default this engine gives up after a million steps. Many engines have no such limit.
    RegexBuilder::new(&pattern).backtrack_limit(usize::MAX).build()?.is_match(&line)
}

#[scheduler::main]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let pattern = arguments.next().unwrap_or_else(|| PATTERN.to_owned());
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("lines.txt");
    let file = arguments.next().map_or(own, PathBuf::from);
    let text = fs::read_to_string(&file)?;

    let jobs = text
        .lines()
        .enumerate()
        .map(|(index, line)| (format!("{}", index + 1), matches::job(pattern.clone(), line.to_owned())));
    let records = Scheduler::new().concurrency(2).run(jobs)?;

    for (record, line) in records.iter().zip(text.lines()) {
        let verdict = match record.status() {
            Status::Ok if record.result::<bool>()? => "match".to_owned(),
            Status::Ok => "-".to_owned(),
            Status::Timeout => format!("gave up after {:?}", record.duration()),
            Status::Error => record.error().unwrap_or_default(),
        };
        println!("{:>4}  {line:<48}  {verdict}", record.job_id());
    }
    let given_up = records.iter().filter(|record| record.status() == Status::Timeout).count();
    println!("\n{} lines of {}, {given_up} of them given up", records.len(), file.display());
    Ok(())
}
