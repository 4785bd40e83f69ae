//! A job that leaves something behind in its process, which may serve another call.

#![expect(
    clippy::must_use_candidate,
    clippy::print_stdout,
    clippy::zombie_processes,
    reason = "it does what jobs should not, and is not called as a function"
)]
#![expect(unsafe_code, reason = "a process changes itself")]

use std::fs::File;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit};
use scheduler::{job, this_job};
use serde::{Deserialize, Serialize};

use crate::leftovers::{Leftover, leave};

/// What a call leaves behind in its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trace {
    /// Nothing.
    Nothing,
    /// What is over by the end of the call: a thread, a child, a file, memory, a panic that was caught, a wait for the parent.
    Passing,
    /// A thread that runs.
    Thread,
    /// A child that runs.
    Child,
    /// A process in a session of its own, an orphan.
    Daemon,
    /// A child that has exited and was not waited for.
    Zombie,
    /// An open file.
    File,
    /// A variable that was not there.
    Variable,
    /// A variable less.
    RemovedVariable,
    /// Another working directory.
    Folder,
    /// Another umask.
    Umask,
    /// A lower limit.
    Limit,
    /// A lower priority.
    Priority,
    /// A signal that is ignored.
    IgnoredSignal,
    /// A signal that is blocked.
    BlockedSignal,
    /// An alarm.
    Timer,
    /// 300 MiB of memory.
    Memory,
    /// Fewer privileges.
    Privileges,
}

impl Trace {
    /// Those after which the process must end, each with a part of the reason.
    pub const UNCLEAN: [(Self, &str); 16] = [
        (Self::Thread, "it has left a thread"),
        (Self::Child, "it has left a process"),
        (Self::Daemon, "it has left a process"),
        (Self::Zombie, "it has left a process"),
        (Self::File, "it has left `/dev/zero` open, as descriptor "),
        (Self::Variable, "it has changed the environment variable `TRACE`"),
        (Self::RemovedVariable, "it has changed the environment variable `PATH`"),
        (Self::Folder, "it has changed its working directory"),
        (Self::Umask, "it has changed its umask"),
        (Self::Limit, "it has changed its resource limits"),
        (Self::Priority, "it has changed its priority"),
        (Self::IgnoredSignal, "it has changed how it handles signals"),
        (Self::BlockedSignal, "it has changed which signals are blocked"),
        (Self::Timer, "it has left a timer"),
        (Self::Memory, "its memory has grown by "),
        (Self::Privileges, "it has changed its credentials or capabilities"),
    ];
}

/// The calls that this process has served.
static CALLS: AtomicU32 = AtomicU32::new(0);

/// Keeps a file open from before the first call.
///
/// # Errors
///
/// If there is no null device.
pub fn opens_a_file() -> std::io::Result<()> {
    std::mem::forget(File::open("/dev/null")?);
    Ok(())
}

/// Leaves something behind, and returns the number of the call in its process, and whether that is the first one.
#[job]
pub fn leaves_a_trace(trace: Trace) -> (u32, bool) {
    println!("printed by Rust");
    // SAFETY: It is a string without directives.
    unsafe { libc::printf(c"printed by C\n".as_ptr()) };
    leave_trace(trace);
    (CALLS.fetch_add(1, Ordering::Relaxed) + 1, this_job::is_first_call())
}

/// Counts its calls. With `closing` it closes the file of its set-up.
#[job(setup = opens_a_file)]
pub fn has_a_file(closing: bool) -> u32 {
    if closing {
        // SAFETY: It is the descriptor of `opens_a_file`, which nothing uses.
        unsafe { libc::close(null_descriptor()) };
    }
    CALLS.fetch_add(1, Ordering::Relaxed) + 1
}

/// Returns the value of this variable.
#[job]
pub fn reads_a_variable(name: String) -> Option<String> {
    std::env::var(name).ok()
}

fn leave_trace(trace: Trace) {
    match trace {
        Trace::Nothing => {}
        Trace::Passing => pass(),
        Trace::Thread => {
            std::thread::spawn(|| {
                loop {
                    std::thread::park();
                }
            });
        }
        Trace::Child => leave(Leftover::Plain, "86402"),
        Trace::Daemon => leave(Leftover::Daemon, "86402"),
        Trace::Zombie => {
            let mut child = Command::new("true").stdout(Stdio::piped()).spawn().expect("it is everywhere");
            // It has exited once its output has ended.
            std::io::copy(&mut child.stdout.take().expect("it is piped"), &mut std::io::sink()).expect("it is a pipe");
        }
        Trace::File => std::mem::forget(File::open("/dev/zero").expect("it is everywhere")),
        // SAFETY: No other thread reads the environment.
        Trace::Variable => unsafe { std::env::set_var("TRACE", "x") },
        // SAFETY: As above.
        Trace::RemovedVariable => unsafe { std::env::remove_var("PATH") },
        Trace::Folder => std::env::set_current_dir("/").expect("it is everywhere"),
        Trace::Umask => drop(rustix::process::umask(Mode::RWXG)),
        Trace::Limit => {
            let limit = Rlimit { current: Some(1 << 20), maximum: Some(1 << 30) };
            rustix::process::setrlimit(Resource::Core, limit).expect("a lower limit is allowed");
        }
        Trace::Priority => drop(rustix::process::nice(1).expect("a lower priority is allowed")),
        // SAFETY: The disposition is a valid one.
        Trace::IgnoredSignal => drop(unsafe { libc::signal(libc::SIGUSR1, libc::SIG_IGN) }),
        Trace::BlockedSignal => {
            // SAFETY: All-zero is a valid set.
            let mut set = unsafe { std::mem::zeroed() };
            // SAFETY: The set is ours.
            unsafe {
                libc::sigaddset(&raw mut set, libc::SIGUSR2);
                libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
            }
        }
        // SAFETY: It has no pointers.
        Trace::Timer => drop(unsafe { libc::alarm(10_000) }),
        Trace::Memory => std::mem::forget(vec![1_u8; 300 << 20]),
        // SAFETY: It has no pointers.
        Trace::Privileges => drop(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }),
    }
}

fn pass() {
    std::thread::spawn(|| ()).join().expect("it doesn't panic");
    assert!(Command::new("true").status().expect("it is everywhere").success());
    drop(File::open("/dev/zero"));
    drop(vec![1_u8; 300 << 20]);
    std::panic::catch_unwind(|| panic!("caught")).expect_err("it panics");
    assert!(!this_job::cancelled().wait_timeout(Duration::from_millis(1)));
    // Not a whole line.
    print!("the end");
    std::io::stderr().write_all(b"an error").expect("it is captured");
}

/// Returns the descriptor of `opens_a_file`.
fn null_descriptor() -> i32 {
    let open = std::fs::read_dir("/proc/self/fd").expect("/proc is mounted").flatten();
    let numbers = open.filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|file| file.ends_with("null")));
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|number| *number > 2).min().expect("the set-up opened it")
}
