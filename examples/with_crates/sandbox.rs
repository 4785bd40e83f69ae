//! Reads untrusted documents in a sandbox: their jobs can neither reach the network nor start programs.
//!
//! Run it with `cargo run -p with-crates --example sandbox` on Linux. The sandbox is a filter of system calls, which the function
//! in the option `setup` installs in the process of each job, before the job's arguments are decoded. Where there are no such
//! filters, no document is read.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::env;
use std::error::Error;
use std::io;
use std::net::TcpStream;
use std::process::Command;

use scheduler::{Scheduler, job, jobs};

/// Counts the words of a document. Like many an old format, this one has commands that nobody should obey.
#[job(timeout = "10s", setup = confine)]
fn count_words(document: String) -> io::Result<usize> {
    let mut words = 0;
    for line in document.lines() {
        match line.split_once(' ') {
            Some(("!fetch", address)) => drop(TcpStream::connect(address)?),
            Some(("!run", program)) => drop(Command::new(program).status()?),
            _ => words += line.split_whitespace().count(),
        }
    }
    Ok(words)
}

/// Makes the kernel refuse new sockets and programs to this process, for good.
#[cfg(all(target_os = "linux", any(target_arch = "aarch64", target_arch = "riscv64", target_arch = "x86_64")))]
fn confine() -> Result<(), Box<dyn Error + Send + Sync>> {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

    let refused = [libc::SYS_socket, libc::SYS_execve, libc::SYS_execveat].map(|call| (call, Vec::new()));
    let filter = SeccompFilter::new(
        refused.into(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        env::consts::ARCH.try_into()?,
    )?;
    seccompiler::apply_filter_all_threads(&BpfProgram::try_from(filter)?)?;
    Ok(())
}

#[cfg(not(all(target_os = "linux", any(target_arch = "aarch64", target_arch = "riscv64", target_arch = "x86_64"))))]
fn confine() -> Result<(), Box<dyn Error + Send + Sync>> {
    Err(format!("there are no filters of system calls on {} {}", env::consts::OS, env::consts::ARCH).into())
}

#[scheduler::main]
fn main() -> Result<(), scheduler::Error> {
    let records = Scheduler::new().run(jobs![
        ("letter", count_words("Dear reader,\nall is well.".into())),
        ("spy", count_words("Hello!\n!fetch 127.0.0.1:80".into())),
        ("worm", count_words("!run sh".into())),
    ])?;
    for record in &records {
        let outcome = match record.result::<usize>() {
            Ok(words) => format!("{words} words"),
            Err(_) => record.error().unwrap_or_default(),
        };
        println!("{:<8}{:<8}{outcome}", record.job_id(), record.status());
    }
    Ok(())
}
