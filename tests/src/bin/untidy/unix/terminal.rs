//! Its jobs change the terminal, or the flags of the file, that they share with it.

use std::io;
use std::mem::MaybeUninit;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use scheduler::{Scheduler, job, jobs};
use serde_json::{Value, json};

use super::Invocation;

/// Does what an interactive program does, and puts nothing back.
fn change() {
    // SAFETY: The pointers are to a variable of ours, which the first call initializes where it succeeds.
    unsafe {
        // Without a session of its own the job is in the background.
        libc::signal(libc::SIGTTOU, libc::SIG_IGN);
        let flags = libc::fcntl(1, libc::F_GETFL);
        libc::fcntl(1, libc::F_SETFL, flags | libc::O_NONBLOCK);
        let mut modes = MaybeUninit::uninit();
        if libc::tcgetattr(1, modes.as_mut_ptr()) == 0 {
            libc::cfmakeraw(modes.as_mut_ptr());
            libc::tcsetattr(1, libc::TCSANOW, modes.as_ptr());
        }
    }
}

/// Changes them, and hangs.
#[job(timeout = "100ms")]
fn changes_and_hangs() {
    change();
    loop {
        thread::park();
    }
}

/// Changes them, and returns.
#[job]
fn changes() {
    change();
}

/// Changes them, and panics.
#[job]
fn changes_and_panics() {
    change();
    panic!("it leaves the terminal as it is");
}

/// Waits until the file is there.
#[job]
fn waits_for(file: PathBuf) {
    while !file.exists() {
        thread::sleep(Duration::from_millis(2));
    }
}

/// Returns whether writing waits, and whether the terminal, if it is one, echoes and edits lines.
fn state() -> Value {
    // SAFETY: The pointers are to variables of ours; where the call fails, the modes are not looked at.
    unsafe {
        let flags = libc::fcntl(1, libc::F_GETFL);
        let mut modes = MaybeUninit::<libc::termios>::uninit();
        let modes = (libc::tcgetattr(1, modes.as_mut_ptr()) == 0).then(|| modes.assume_init().c_lflag);
        json!({ "waits": flags & libc::O_NONBLOCK == 0, "modes": modes })
    }
}

/// Puts another process in the foreground of the terminal, as a shell is after `bg`.
fn go_to_the_background() -> io::Result<Child> {
    let other = Command::new("sleep").arg("100").process_group(0).stdin(Stdio::null()).spawn()?;
    // SAFETY: The call has no preconditions.
    match unsafe { libc::tcsetpgrp(1, i32::try_from(other.id()).expect("it is small")) } {
        0 => Ok(other),
        _ => Err(io::Error::last_os_error()),
    }
}

fn touch(path: &Path) {
    std::fs::write(path, "").expect("the folder is the test's");
}

pub(super) fn run(task: &Invocation) {
    let is_in_the_background = task.rest.first().is_some_and(|place| place == "in the background");
    let other = is_in_the_background.then(|| go_to_the_background().expect("it leads a session"));
    let before = state();
    let states = Mutex::new(Vec::new());
    for list in [jobs![("a", changes_and_hangs)], jobs![("a", changes)], jobs![("a", changes_and_panics)]] {
        Scheduler::new().start_method(task.method).run(list).expect("the input is fine");
        states.lock().expect("the lock is not poisoned").push(state());
    }
    // As soon as one job has finished, although another one still runs.
    let go_on = task.report.with_extension("go_on");
    let scheduler = Scheduler::new().start_method(task.method).concurrency(2).on_timeout(|_| {
        states.lock().expect("the lock is not poisoned").push(state());
        touch(&go_on);
    });
    scheduler.run(jobs![("a", waits_for(go_on.clone())), ("b", changes_and_hangs)]).expect("the input is fine");
    let after = states.lock().expect("the lock is not poisoned").clone();
    task.report(&json!({ "before": before, "after": after }));
    if let Some(mut other) = other {
        other.kill().and_then(|()| other.wait()).expect("it is ours");
    }
}
