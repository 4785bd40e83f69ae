//! Jobs with many children, for the captures of their processes.

#![expect(unsafe_code, reason = "the wait that leaves a child's exit status has no safe API here")]

use std::mem;
use std::path::PathBuf;
use std::process::Command;

use scheduler::job;

use crate::stuck::ready;

/// Starts children that exit, and for which it doesn't wait, and one that sleeps, for which it does.
///
/// # Panics
///
/// If there is no room for a process.
#[job]
pub fn waits_among_exited_children(exited: usize, mark: PathBuf) {
    let start = |program: &str, argument: &str| {
        let child = Command::new(program).arg(argument).spawn();
        child.expect("every system has it")
    };
    for _ in 0..exited {
        wait_without_reaping(start("true", "").id());
    }
    let mut child = start("sleep", "300");
    ready(&mark);
    let _ = child.wait();
}

fn wait_without_reaping(child: u32) {
    // SAFETY: All-zero is a valid `siginfo_t`, which the call writes.
    unsafe {
        let mut info: libc::siginfo_t = mem::zeroed();
        assert_eq!(libc::waitid(libc::P_PID, child, &raw mut info, libc::WEXITED | libc::WNOWAIT), 0);
    }
}

/// Starts children that sleep.
#[expect(clippy::zombie_processes, reason = "the warden collects them")]
pub(crate) fn start_children(count: usize) {
    for _ in 0..count {
        Command::new("sleep").arg("300").spawn().expect("every system has it");
    }
}
