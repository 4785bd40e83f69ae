//! What results and arguments of any size cost, beside the same bytes through a bare pipe: `cargo bench --bench bandwidth`.
//!
//! Each figure is a whole run, with the start of the process and the making of the text. Up to 1 GiB, less one kibibyte for
//! what stands around it, unless `BENCH_BYTES` says otherwise.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark reads the clock, and prints")]

mod figures;
mod machine;

use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use figures::Figures;
use machine::unbuffered_stdout;
use scheduler::{Outcome, run_job_with_timeout};
use scheduler_tests::jobs::{big, measure};
use scheduler_tests::values::{returns_bytes, takes_bytes};

/// The variable that makes a copy of this program write a number of bytes, or read its input.
const BARE: &str = "BENCH_BARE";
const READS: &str = "reads";

fn timed(run: impl FnOnce()) -> Duration {
    let clock = Instant::now();
    run();
    clock.elapsed()
}

/// What a copy of this program does.
fn bare(role: &str) -> io::Result<()> {
    if role == READS {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes)?;
        return Ok(());
    }
    let text = "x".repeat(role.parse().expect("a number"));
    // Not through the line buffer, which searches for line breaks.
    unbuffered_stdout()?.write_all(text.as_bytes())
}

fn copy(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("/proc is mounted"));
    command.env(BARE, role);
    command
}

fn result_through_a_pipe(length: usize) {
    let mut child = copy(&length.to_string()).stdout(Stdio::piped()).spawn().expect("this program");
    let mut bytes = Vec::new();
    child.stdout.take().expect("it is piped").read_to_end(&mut bytes).expect("a pipe");
    assert!(child.wait().is_ok_and(|status| status.success()));
    assert_eq!(bytes.len(), length);
}

fn result_of_a_job(length: usize) {
    let run = run_job_with_timeout(big::job(length), Duration::MAX).expect("the input is fine");
    assert!(matches!(run.outcome, Outcome::Ok(text) if text.len() == length));
}

fn bytes_of_a_job(length: usize) {
    let run = run_job_with_timeout(returns_bytes::job(length), Duration::MAX).expect("the input is fine");
    assert!(matches!(run.outcome, Outcome::Ok(Some(bytes)) if bytes.len() == length));
}

fn argument_through_a_pipe(text: &str) {
    let mut child = copy(READS).stdin(Stdio::piped()).spawn().expect("this program");
    child.stdin.take().expect("it is piped").write_all(text.as_bytes()).expect("a pipe");
    assert!(child.wait().is_ok_and(|status| status.success()));
}

fn argument_of_a_job(text: String) {
    let length = text.len();
    let run = run_job_with_timeout(measure::job(text), Duration::MAX).expect("the input is fine");
    assert_eq!(run.outcome, Outcome::Ok(length));
}

fn bytes_to_a_job(bytes: Vec<u8>) {
    let length = bytes.len();
    let run = run_job_with_timeout(takes_bytes::job(bytes), Duration::MAX).expect("the input is fine");
    assert_eq!(run.outcome, Outcome::Ok(length));
}

fn main() {
    if let Ok(role) = std::env::var(BARE) {
        return bare(&role).expect("the other end reads, or writes");
    }
    scheduler::init();
    let most = figures::number("BENCH_BYTES", (1 << 30) - 1024);
    println!("{}", Figures::HEAD);
    for length in [1, 1 << 10, 64 << 10, 1 << 20, 64 << 20, most].into_iter().filter(|length| *length <= most) {
        let [mut results, mut bare_results, mut arguments, mut bare_arguments, mut bytes, mut bytes_arguments] =
            [(); 6].map(|()| Figures::default());
        for _ in 0..if length > 1 << 20 { 5 } else { 100 } {
            bare_results.add(timed(|| result_through_a_pipe(length)));
            results.add(timed(|| result_of_a_job(length)));
            let text = "x".repeat(length);
            bare_arguments.add(timed(|| argument_through_a_pipe(&text)));
            arguments.add(timed(|| argument_of_a_job(text)));
            bytes.add(timed(|| bytes_of_a_job(length)));
            let block = vec![b'x'; length];
            bytes_arguments.add(timed(|| bytes_to_a_job(block)));
        }
        println!("{}", bare_results.row(&format!("{length} bytes from a process, through a pipe")));
        println!("{}", results.row(&format!("{length} bytes as the result of a job")));
        println!("{}", bytes.row(&format!("{length} bytes as a result that is a `Vec<u8>`")));
        println!("{}", bare_arguments.row(&format!("{length} bytes to a process, through a pipe")));
        println!("{}", arguments.row(&format!("{length} bytes as the argument of a job")));
        println!("{}", bytes_arguments.row(&format!("{length} bytes as an argument that is a `Vec<u8>`")));
    }
}
