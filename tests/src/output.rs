//! Jobs that write to their standard streams.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "that is what they are for")]

use std::io::{self, Write};
#[cfg(target_os = "linux")]
use std::process::Command;

use scheduler::job;

use crate::jobs;

/// Writes to one stream after the other, each time when what was written before has been read.
///
/// # Errors
///
/// If it can't.
#[cfg(unix)]
#[job]
pub fn alternates(rounds: usize) -> io::Result<()> {
    for round in 0..rounds {
        println!("out {round}");
        io::stdout().flush()?;
        while unread(io::stdout())? > 0 {}
        eprintln!("err {round}");
        while unread(io::stderr())? > 0 {}
    }
    Ok(())
}

/// Returns how many bytes of what was written to a pipe have not been read.
#[cfg(unix)]
fn unread(stream: impl std::os::fd::AsFd) -> io::Result<u64> {
    std::thread::yield_now();
    Ok(rustix::io::ioctl_fionread(stream)?)
}

/// Writes `lines` numbered lines to standard output.
#[job]
pub fn counts(lines: usize) {
    (0..lines).for_each(|line| println!("line {line}"));
}

/// Writes to both streams, and hangs.
#[job]
pub fn speaks_and_hangs() {
    print!("last word");
    eprint!("last cry");
    let _ = io::stdout().flush();
    jobs::hangs();
}

/// Writes to both streams by another program, and leaves that running with them.
///
/// # Errors
///
/// If there is no shell.
#[cfg(target_os = "linux")]
#[job]
pub fn leaves_a_speaker() -> io::Result<()> {
    let child = Command::new("sh").args(["-c", "echo out; echo err >&2; exec sleep 1000"]).spawn()?;
    while std::fs::read_to_string(format!("/proc/{}/comm", child.id()))?.trim() != "sleep" {
        std::thread::yield_now();
    }
    Ok(())
}

/// Writes both streams to be captured.
#[job(stdout = "capture", stderr = "capture 1KiB")]
pub fn is_captured() {
    println!("out");
    eprintln!("err");
}

/// Writes to discarded streams.
#[job(stdout = "discard", stderr = "discard")]
pub fn is_discarded() {
    println!("out");
    eprintln!("err");
}

/// Writes lines, of which the last has no line break.
#[job(stdout = "lines", stderr = "lines")]
pub fn writes_lines() {
    print!("one\n\nthree");
    eprint!("err");
}

/// Writes `count` lines to standard error, far more than a pipe holds.
#[job(stderr = "lines")]
pub fn writes_many_lines(count: usize) {
    (0..count).for_each(|_| eprintln!("{}", "x".repeat(99)));
}

/// Writes forever.
#[job(stdout = "lines", stderr = "capture")]
pub fn writes_for_ever() {
    loop {
        println!("out");
        eprintln!("err");
    }
}
