//! A program with jobs, whose `main` is the one line that a user writes for a command line.
//!
//! The documentation of `scheduler::cli` shows it (`scheduler/src/docs/cli.md`), and is tested with it.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "these jobs do what jobs should not"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use scheduler::{Ended, job, this_job};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Size {
    width: u32,
    height: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Image {
    path: PathBuf,
    size: Size,
}

/// Returns what an image would be, without making it.
#[job(timeout = "5s", memory = "1GiB")]
fn resize(path: PathBuf, size: Size, suffix: Option<String>) -> Result<Image, String> {
    if size.width == 0 || size.height == 0 {
        return Err(format!("{}x{} is no size", size.width, size.height));
    }
    let name = format!("{}{}", path.display(), suffix.unwrap_or_default());
    Ok(Image { path: name.into(), size })
}

#[job]
fn add(a: u32, b: u32) -> u32 {
    a + b
}

#[job(timeout = "200ms")]
fn hang() {
    loop {
        std::thread::park();
    }
}

#[job(name = "ends::panics")]
fn panics() {
    panic!("no image");
}

#[job(name = "ends::aborts")]
fn aborts() {
    std::process::abort();
}

#[job(name = "ends::exits")]
fn exits(code: i32) {
    std::process::exit(code);
}

/// Its result is no JSON.
#[job(name = "ends::unwritable")]
fn unwritable() -> BTreeMap<(u8, u8), u8> {
    BTreeMap::from([((1, 2), 3)])
}

#[job]
fn prints(text: String) -> usize {
    println!("to standard output: {text}");
    eprintln!("to standard error: {text}");
    text.len()
}

/// Prints that it has begun, and continues until it is stopped.
#[job(grace = "30s", group = "waiting")]
fn waits() {
    eprintln!("begun");
    this_job::cancelled().wait();
    eprintln!("asked to stop");
}

/// Prints that it has begun, and continues until the file is there.
#[job]
fn sleeps_until(file: PathBuf) {
    eprintln!("begun");
    while !file.exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Says of which job it was, and why it ended.
#[job]
fn explains(ended: Ended) -> String {
    format!("{} ended by {:?}", ended.job_id(), ended.cause())
}

/// Returns how many bytes it has filled.
#[job]
fn fills(bytes: usize) -> usize {
    vec![1_u8; bytes].len()
}

fn main() -> ExitCode {
    scheduler::cli::main()
}
