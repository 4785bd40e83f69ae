//! Jobs that go as far as their limits let them.

#![expect(unsafe_code, reason = "a process asks the kernel about itself")]
#![expect(clippy::must_use_candidate, reason = "as jobs they are used")]

use std::fs::File;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;

use scheduler::{Output, Scheduler, job};
use serde::{Deserialize, Serialize};

use crate::platform::HAS_WARDENS;

/// Computes forever, and ignores SIGXCPU.
#[job]
pub fn spins_on() {
    // SAFETY: Ignoring a signal has no preconditions.
    unsafe { libc::signal(libc::SIGXCPU, libc::SIG_IGN) };
    crate::jobs::spins();
}

/// Makes a child compute forever, and returns the signal that killed it.
///
/// # Errors
///
/// If there is no shell.
#[job]
pub fn makes_a_child_spin() -> std::io::Result<Option<i32>> {
    Ok(Command::new("sh").args(["-c", "while :; do :; done"]).status()?.signal())
}

/// Prints what C++ prints for lack of memory, and aborts as it does.
#[job]
pub fn fails_as_cpp_does() {
    eprint_line("terminate called after throwing an instance of 'std::bad_alloc'");
    std::process::abort()
}

/// Aborts with other last output than that of a failed allocation.
#[job]
pub fn aborts_for_another_reason() {
    eprint_line("memory allocation of another kind");
    std::process::abort()
}

fn eprint_line(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Reserves `bytes` of address space. Returns whether that succeeded.
#[job]
pub fn reserves(bytes: usize) -> bool {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: The kernel chooses a place where nothing is.
    unsafe { libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_NONE, flags, -1, 0) != libc::MAP_FAILED }
}

/// Opens files until it can't, and returns how many, and the error's number.
#[job]
pub fn opens_files() -> (usize, Option<i32>) {
    let mut open = Vec::new();
    loop {
        match File::open("/dev/null") {
            Ok(file) => open.push(file),
            Err(error) => return (open.len(), error.raw_os_error()),
        }
    }
}

/// Writes `bytes` bytes to a file.
///
/// # Errors
///
/// If it can't.
#[job]
pub fn writes(path: std::path::PathBuf, bytes: usize) -> std::io::Result<()> {
    File::create(path)?.write_all(&vec![b'x'; bytes])
}

/// The limits that the kernel enforces on a process.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enforced {
    /// The limits on memory, processor time, open files, processes, the size of a file and of a core dump.
    pub limits: [u64; 6],
    /// The process's own niceness.
    pub niceness: i32,
    /// That of its session, where there is such a thing.
    pub autogroup: Option<String>,
}

/// Returns the limits that the kernel enforces on it.
#[job]
pub fn returns_its_limits() -> Enforced {
    let resources = [
        // What counts as memory.
        if HAS_WARDENS { libc::RLIMIT_DATA } else { libc::RLIMIT_AS },
        libc::RLIMIT_CPU,
        libc::RLIMIT_NOFILE,
        libc::RLIMIT_NPROC,
        libc::RLIMIT_FSIZE,
        libc::RLIMIT_CORE,
    ];
    let limits = resources.map(|resource| {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: The pointer is to a variable of ours.
        unsafe { libc::getrlimit(resource, &raw mut limit) };
        if limit.rlim_cur == libc::RLIM_INFINITY { u64::MAX } else { widened(limit.rlim_cur) }
    });
    // SAFETY: It has no preconditions.
    let niceness = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    let autogroup = std::fs::read_to_string("/proc/self/autogroup").ok();
    let autogroup = autogroup.and_then(|text| Some(text.trim().rsplit_once(' ')?.1.to_owned()));
    Enforced { limits, niceness, autogroup }
}

/// Returns a limit as 64 bits, of which the platform's type may have 32.
fn widened(limit: impl Into<u64>) -> u64 {
    limit.into()
}

/// Starts a thread, which exceeds its limit on processes, and returns the error's number.
#[job(processes = 2)]
pub fn starts_a_thread() -> Option<i32> {
    let thread = std::thread::Builder::new().spawn(|| {});
    thread.err().and_then(|error| error.raw_os_error())
}

/// Has a niceness that needs privileges.
#[job(niceness = -5)]
pub fn is_important() {}

/// Has a limit of more files than any process may have.
#[job(open_files = 1_000_000_000_000)]
pub fn wants_many_files() {}

/// Returns a scheduler with every option of its jobs' environment, with values that don't disturb them.
pub fn with_every_option(scheduler: Scheduler) -> Scheduler {
    let scheduler = scheduler.memory(1 << 30).cpu_time(Duration::from_secs(20)).open_files(500).file_size(1 << 20);
    let scheduler = scheduler.core_size(0).niceness(1).env_clear().env("PATH", "/usr/bin:/bin").env_remove("HOME");
    scheduler.current_dir("/").stdout(Output::Capture).stderr(Output::Lines)
}

/// Returns the lines that name its cgroups.
///
/// # Errors
///
/// If there is no `/proc`.
#[job]
pub fn own_cgroup() -> std::io::Result<String> {
    std::fs::read_to_string("/proc/self/cgroup")
}
