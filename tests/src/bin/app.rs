//! An application: runs the jobs that are named on its command line and prints their records as JSON.
//!
//! `APP_MODE` says what is odd about it. It is a variable, as a re-executed copy gets no arguments.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    unsafe_code,
    reason = "this program talks to its test, and does what applications sometimes do"
)]

use std::error::Error;
use std::io::{Read, Write};
use std::time::Duration;

use scheduler::{AnyJob, Record, Scheduler};
use scheduler_tests::ending::Ending;
use scheduler_tests::leavings::{FAMILY, Leaving, alive};

fn main() -> Result<(), Box<dyn Error>> {
    let mode = std::env::var("APP_MODE").unwrap_or_default();
    match mode.as_str() {
        // Something has started a thread before `main` came to `init`.
        "threaded" => drop(std::thread::spawn(|| {
            loop {
                std::thread::park();
            }
        })),
        "prints early" => println!("a line that some constructor prints before `init`"),
        "exits early" if std::env::args().len() < 2 => {
            eprintln!("usage: app TIMEOUT JOB…");
            std::process::exit(64)
        }
        "hangs early" if std::env::args().len() < 2 => loop {
            std::thread::park();
        },
        _ => {}
    }
    if mode != "uninitialised" {
        scheduler::init();
    }
    match mode.as_str() {
        "ignores SIGCHLD" => {
            // SAFETY: No handler is installed.
            unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
        }
        "ignores all signals" => {
            for signal in 1..=libc::SIGRTMAX() {
                // SAFETY: No handler is installed.
                unsafe { libc::signal(signal, libc::SIG_IGN) };
            }
            // SAFETY: `sigfillset` initialises the set that `sigprocmask` then reads.
            unsafe {
                let mut all = std::mem::zeroed();
                libc::sigfillset(&raw mut all);
                libc::sigprocmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
            }
        }
        "is deleted" => std::fs::remove_file(std::env::current_exe()?)?,
        "is replaced" => {
            let path = std::env::current_exe()?;
            std::fs::remove_file(&path)?;
            std::fs::write(&path, "#!/bin/sh\necho replaced\nexit 0\n")?;
        }
        _ => {}
    }
    let mut arguments = std::env::args().skip(1);
    let timeout = Duration::from_millis(arguments.next().unwrap_or_default().parse()?);
    let jobs: Vec<_> = arguments
        .map(|name| {
            let call = match name.split_once(' ') {
                Some(("leaves", tag)) => AnyJob::named("leaves", (Leaving::Daemon, Ending::Hangs, tag.to_owned())),
                Some(("loses", tag)) => AnyJob::named("leaves", (Leaving::Daemon, Ending::KillsWarden, tag.to_owned())),
                Some(("storms", tag)) => AnyJob::named("storms", (6_u32, tag.to_owned())),
                Some((job, number)) => AnyJob::named(job, (number.parse::<usize>().unwrap_or_default(),)),
                None => AnyJob::named(&name, ()),
            };
            Ok((name, call?))
        })
        .collect::<Result<_, scheduler::Error>>()?;
    // The test may wait for this line, and kill the application when it pleases.
    println!("ready");
    std::io::stdout().flush()?;
    if mode == "waits" {
        std::io::stdin().read_exact(&mut [0])?;
    }
    let scheduler = Scheduler::new().timeout(timeout);
    let scheduler = if mode == "adopts" { scheduler.adopt_orphans() } else { scheduler };
    match mode.as_str() {
        "main thread ends" => {
            std::thread::spawn(move || {
                print_records(&Scheduler::new().run(jobs).expect("the input is fine"));
                std::process::exit(0)
            });
            // SAFETY: Nothing on this thread's stack is needed by the other. The call ends the thread alone.
            unsafe { libc::syscall(libc::SYS_exit, 0) };
            unreachable!("this thread has ended")
        }
        "exits in the middle" => {
            std::thread::spawn(move || Scheduler::new().run(jobs));
            let tag = std::env::var(FAMILY)?;
            // The application, a warden, a job and its daemon.
            while alive(&tag).len() < 4 {
                std::thread::yield_now();
            }
            Ok(())
        }
        _ => {
            print_records(&scheduler.run(jobs)?);
            Ok(())
        }
    }
}

fn print_records(records: &[Record]) {
    println!("{}", serde_json::to_string(records).expect("records can be written"));
}
