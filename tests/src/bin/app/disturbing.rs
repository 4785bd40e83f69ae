//! An application that disturbs what its scheduler keeps, between two calls: a call afterwards works, and touches nothing
//! of the application's.

#![expect(unsafe_code, reason = "it does to itself what has no safe API")]

use std::error::Error;
use std::io::{ErrorKind, Read as _};
use std::os::unix::net::UnixStream;
use std::ptr;

use scheduler::Scheduler;
use scheduler_tests::isolation::introduces_itself;
use scheduler_tests::signals::{Signal, signal};

/// What it does between two calls, by its name.
type Disturbance = (&'static str, fn(&Scheduler) -> Result<(), Box<dyn Error>>);

const DISTURBANCES: [Disturbance; 5] = [
    ("SIGCHLD is ignored", ignore_children),
    ("a fork has everything open", beside_a_fork),
    ("a fork that is a daemon makes calls as well", in_a_daemon),
    ("its descriptors are closed", |scheduler| {
        close_descriptors();
        call(scheduler).map(drop)
    }),
    ("its descriptors are other files", behind_other_files),
];

/// Does what the mode names.
pub(crate) fn run(mode: &str, scheduler: &Scheduler) -> Result<(), Box<dyn Error>> {
    if mode == "disturbs" { disturb(scheduler) } else { collect_any_child(scheduler) }
}

/// Disturbs the scheduler in each way, and prints which call failed.
fn disturb(scheduler: &Scheduler) -> Result<(), Box<dyn Error>> {
    for (name, disturb) in DISTURBANCES {
        call(scheduler)?;
        let disturbed = disturb(scheduler).and_then(|()| call(scheduler).map(drop));
        disturbed.unwrap_or_else(|error| println!("{name}: {error}"));
    }
    println!("done");
    Ok(())
}

/// Collects every child, as a shell does, after the one that was kept has exited, and prints how many there were.
fn collect_any_child(scheduler: &Scheduler) -> Result<(), Box<dyn Error>> {
    for _ in 0..3 {
        signal(call(scheduler)?, Signal::KILL);
        let mut collected = 0;
        // SAFETY: A null pointer means that no status is wanted.
        while unsafe { libc::waitpid(-1, ptr::null_mut(), 0) } > 0 {
            collected += 1;
        }
        println!("{collected}");
    }
    Ok(())
}

/// Runs one job, and returns the id of its warden.
fn call(scheduler: &Scheduler) -> Result<u32, Box<dyn Error>> {
    let (_, warden, _): (u32, u32, u32) = scheduler.run([("a", introduces_itself::job())])?[0].result()?;
    Ok(warden)
}

fn ignore_children(scheduler: &Scheduler) -> Result<(), Box<dyn Error>> {
    // SAFETY: It installs no handler.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    let warden = call(scheduler)?;
    signal(warden, Signal::KILL);
    let called = call(scheduler);
    // SAFETY: As above.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    called.map(drop)
}

fn beside_a_fork(scheduler: &Scheduler) -> Result<(), Box<dyn Error>> {
    let fork = fork(|| {
        loop {
            // SAFETY: It waits for a signal.
            unsafe { libc::pause() };
        }
    });
    let called = call(scheduler).and_then(|_| call(scheduler));
    signal(fork, Signal::KILL);
    wait(fork);
    called.map(drop)
}

fn in_a_daemon(scheduler: &Scheduler) -> Result<(), Box<dyn Error>> {
    let fork = fork(|| {
        // SAFETY: It has no preconditions.
        let is_leader = unsafe { libc::setsid() } > 0;
        let called = std::env::set_current_dir("/").is_ok() && call(scheduler).and_then(|_| call(scheduler)).is_ok();
        // SAFETY: It exits the fork at once.
        unsafe { libc::_exit(i32::from(!(is_leader && called))) }
    });
    let called = call(scheduler);
    match wait(fork) {
        0 => called.map(drop),
        status => Err(format!("the daemon has exited with {status}").into()),
    }
}

fn behind_other_files(scheduler: &Scheduler) -> Result<(), Box<dyn Error>> {
    close_descriptors();
    let pairs: Vec<_> = (0..40).map(|_| UnixStream::pair()).collect::<Result<_, _>>()?;
    let called = call(scheduler);
    for mut end in pairs.into_iter().flat_map(|(one, other)| [one, other]) {
        end.set_nonblocking(true)?;
        match end.read(&mut [0]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            other => return Err(format!("a socket of the application was used: {other:?}").into()),
        }
        // The other end reads its end of file otherwise.
        std::mem::forget(end);
    }
    called.map(drop)
}

/// Closes what it doesn't know, as a daemon does.
fn close_descriptors() {
    // SAFETY: The program uses none of them afterwards.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
}

fn fork(child: impl FnOnce()) -> u32 {
    // SAFETY: This process has one thread.
    match unsafe { libc::fork() } {
        0 => {
            child();
            std::process::abort()
        }
        pid => u32::try_from(pid).expect("there is room"),
    }
}

/// Returns the status with which a fork has exited.
fn wait(fork: u32) -> i32 {
    let mut status = 0;
    // SAFETY: The pointer is to a variable of ours.
    unsafe { libc::waitpid(fork.cast_signed(), ptr::from_mut(&mut status), 0) };
    status
}
