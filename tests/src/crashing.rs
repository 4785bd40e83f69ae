//! Jobs that crash, for the captures of their processes.

#![expect(unsafe_code, reason = "crashes have no safe API")]

use std::hint::black_box;
use std::thread;

use scheduler::job;
use serde::{Deserialize, Serialize};

/// How a job crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Crash {
    /// It writes where nothing is.
    Null,
    /// It aborts.
    Abort,
    /// It sends itself a signal.
    Raise(i32),
    /// Another thread writes where nothing is.
    InThread,
    /// It calls itself without end.
    StackOverflow,
}

/// Crashes.
#[job]
pub fn crashes(how: Crash) {
    match how {
        Crash::Null => writes_to_null(),
        Crash::Abort => std::process::abort(),
        Crash::Raise(signal) => {
            // SAFETY: The call has no preconditions.
            unsafe { libc::raise(signal) };
        }
        Crash::InThread => {
            let _ = thread::spawn(writes_to_null).join();
        }
        Crash::StackOverflow => drop(black_box(recurses(0))),
    }
}

#[inline(never)]
fn writes_to_null() {
    let address = black_box(8_usize) as *mut u64;
    // SAFETY: There is no memory there: it crashes, which is what it is for.
    unsafe { address.write_volatile(7) };
}

#[inline(never)]
#[expect(unconditional_recursion, reason = "this is what it is for")]
fn recurses(depth: u64) -> u64 {
    black_box(recurses(black_box(depth + 1))) + 1
}
