//! Signals to processes that are known by their numbers.

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

/// Sends a signal to a process, which may have exited meanwhile.
///
/// # Panics
///
/// Panics if the number is 0, which is no process.
pub fn signal(process: u32, signal: Signal) {
    let process = Pid::from_raw(process.cast_signed()).expect("processes have numbers from 1");
    let _ = kill_process(process, signal);
}
