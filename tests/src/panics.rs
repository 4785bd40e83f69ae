//! Jobs that panic: in other threads and tasks, caught or not catchable, and what they do afterwards.

#![expect(unsafe_code, reason = "these jobs do to their own process what has no safe API")]
#![expect(
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::disallowed_methods,
    reason = "these jobs panic, kill their process and read the clock, and they are not called as functions"
)]

use std::backtrace::Backtrace;
use std::cell::Cell;
use std::panic::{catch_unwind, resume_unwind};
use std::thread;
use std::time::{Duration, Instant};

use scheduler::job;
use serde::{Deserialize, Serialize};

use crate::jobs::{hangs, overflows};

/// What a job does after a panic that did not kill it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Afterwards {
    /// It returns.
    Returns,
    /// It waits forever.
    Hangs,
    /// It calls `abort`.
    Aborts,
    /// It fails an assertion as a C library does.
    FailsAnAssertion,
    /// It sends itself a signal that aborts.
    SignalsItself,
    /// It overflows its stack.
    Overflows,
    /// It exits with code 3.
    Exits,
}

#[expect(clippy::print_stderr, reason = "the job's process ends here")]
fn go_on(then: Afterwards) -> i32 {
    match then {
        Afterwards::Returns => return 1,
        Afterwards::Hangs => hangs(),
        Afterwards::Aborts => std::process::abort(),
        Afterwards::FailsAnAssertion => {
            eprintln!("job: table.c:7: insert: Assertion `n < size' failed.");
            std::process::abort()
        }
        // SAFETY: It has no preconditions.
        #[cfg(unix)]
        Afterwards::SignalsItself => drop(unsafe { libc::kill(libc::getpid(), libc::SIGABRT) }),
        #[cfg(not(unix))]
        Afterwards::SignalsItself => {}
        Afterwards::Overflows => drop(overflows()),
        Afterwards::Exits => std::process::exit(3),
    }
    unreachable!("the process has ended")
}

/// Catches `count` panics of its own thread, and continues.
#[job]
pub fn catches_panics_and(count: usize, then: Afterwards) -> i32 {
    for number in 0..count {
        let caught = catch_unwind(|| panic!("caught {number}"));
        assert!(caught.is_err());
    }
    go_on(then)
}

/// Makes a thread panic, waits for its exit, and continues.
#[job]
pub fn panics_elsewhere_and(then: Afterwards) -> i32 {
    let other = thread::Builder::new().name("other".to_owned()).spawn(|| panic!("the cause"));
    assert!(other.expect("there is room for a thread").join().is_err());
    go_on(then)
}

/// Raises another thread's panic once more.
#[job]
pub fn passes_a_panic_on() {
    // Not the cause of anything.
    assert!(catch_unwind(|| panic!("caught before")).is_err());
    let panic = thread::spawn(|| panic!("the cause")).join().expect_err("it panics");
    resume_unwind(panic)
}

/// Panics where nothing may unwind.
#[job]
pub fn panics_in_a_callback() {
    extern "C" fn callback() {
        panic!("the cause")
    }
    assert!(catch_unwind(|| panic!("caught before")).is_err());
    callback();
}

/// Does so in another thread.
#[job]
pub fn panics_in_a_callback_elsewhere() {
    let _ = thread::spawn(panics_in_a_callback).join();
}

/// Breaks a rule that the standard library checks, at which it panics without unwinding.
#[job]
pub fn breaks_a_precondition() -> u8 {
    let bytes = std::hint::black_box([1_u8, 2]);
    // SAFETY: It isn't safe: the standard library detects that.
    unsafe { *bytes.get_unchecked(std::hint::black_box(7)) }
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("the cause")
    }
}

thread_local! {
    static BOMB: Cell<Option<PanicsWhenDropped>> = const { Cell::new(None) };
}

/// Makes a thread panic as its thread-local values are dropped, at which the standard library aborts.
#[job]
pub fn panics_as_a_thread_ends() {
    let _ = thread::spawn(|| BOMB.set(Some(PanicsWhenDropped))).join();
    hangs();
}

/// Returns, and panics as its process exits.
#[job]
pub fn panics_at_exit() -> i32 {
    BOMB.set(Some(PanicsWhenDropped));
    7
}

/// Returns how long it takes to give the frames of this thread their names, for the first time in this process.
#[job]
pub fn resolves_a_backtrace() -> Duration {
    let backtrace = Backtrace::force_capture();
    let begun = Instant::now();
    assert!(!backtrace.to_string().is_empty());
    begun.elapsed()
}

/// Panics in a task that is not awaited, and continues.
#[cfg(feature = "tokio")]
#[job]
pub async fn panics_in_a_task_and_waits() {
    tokio::spawn(async { panic!("the cause") });
    std::future::pending::<()>().await;
}
