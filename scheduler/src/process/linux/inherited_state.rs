//! `InheritedState`: what a process inherits from the one that starts it, and can't be given later.
//!
//! A warden that stays was started earlier than the call that it serves. The environment and the working directory travel
//! with each request. Everything here doesn't: so it is compared, and a warden from before a change serves no further call.

#![expect(unsafe_code, reason = "rustix has neither the scheduling policy nor limits that can't be read")]

use std::ffi::CStr;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read as _;

use rustix::fs::{Mode, OFlags};
use rustix::process::getpriority_process;

use super::descriptor_limit::applications_own;
use super::worker::current_folder;

/// The state that a process of the calling thread would inherit: a hash of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InheritedState {
    hash: u64,
    can_be_kept: bool,
}

/// The lines of `/proc/thread-self/status` that count.
const LINES: [&str; 16] = [
    "Umask:",
    "Uid:",
    "Gid:",
    "Groups:",
    "CapInh:",
    "CapPrm:",
    "CapEff:",
    "CapBnd:",
    "CapAmb:",
    "NoNewPrivs:",
    "Seccomp:",
    "Seccomp_filters:",
    "Cpus_allowed:",
    "Mems_allowed:",
    "THP_enabled:",
    "Speculation_Store_Bypass:",
];

/// The number of limits that Linux has.
pub(super) const LIMITS: u8 = 16;

/// The links to the namespaces in which a new process begins.
const NAMESPACES: [&CStr; 8] =
    [c"cgroup", c"ipc", c"mnt", c"net", c"pid_for_children", c"time_for_children", c"user", c"uts"];

/// The longest file that is read: what is beyond doesn't count.
const LONGEST: usize = 8192;

impl InheritedState {
    /// Returns the state of the calling thread.
    pub(crate) fn current() -> Self {
        let mut hasher = DefaultHasher::new();
        let mut buffer = [0; LONGEST];
        let status = read("/proc/thread-self/status", &mut buffer);
        for line in status.split(|byte| *byte == b'\n') {
            if LINES.iter().any(|name| line.starts_with(name.as_bytes())) {
                line.hash(&mut hasher);
            }
        }
        for file in ["/proc/thread-self/cgroup", "/proc/self/oom_score_adj"] {
            read(file, &mut buffer).hash(&mut hasher);
        }
        // To read the links takes a third of the time of following them.
        let folder = rustix::fs::open(c"/proc/thread-self/ns", OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        if let Ok(folder) = folder {
            let mut buffer = [0_u8; 64];
            for name in NAMESPACES {
                let link = rustix::fs::readlinkat_raw(&folder, name, &mut buffer[..]);
                link.ok().map(|length| &buffer[..length]).hash(&mut hasher);
            }
        }
        rustix::fs::stat(c"/").map(|root| (root.st_dev, root.st_ino)).ok().hash(&mut hasher);
        (0..LIMITS).map(limit).collect::<Vec<_>>().hash(&mut hasher);
        getpriority_process(None).ok().hash(&mut hasher);
        scheduling().hash(&mut hasher);
        Self { hash: hasher.finish(), can_be_kept: current_folder().is_ok() }
    }

    /// Returns whether a process that is kept can serve a call of this state. It can't if the working directory can't be
    /// sent to it: then only a process that is started now has it.
    pub(crate) fn can_be_kept(self) -> bool {
        self.can_be_kept
    }
}

/// Reads the beginning of a file; nothing if there is no such file.
pub(super) fn read<'a>(path: &str, buffer: &'a mut [u8]) -> &'a [u8] {
    let Ok(mut file) = File::open(path) else {
        return &[];
    };
    let mut length = 0;
    while let Ok(count @ 1..) = file.read(&mut buffer[length..]) {
        length += count;
    }
    &buffer[..length]
}

/// Returns the soft and the hard limit of a resource. rustix takes it for granted that they can be read.
pub(super) fn limit(resource: u8) -> (u64, u64) {
    let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: The call writes to a variable of ours.
    unsafe { libc::getrlimit64(resource.into(), &raw mut limit) };
    // It may be raised for this process alone.
    let own =
        if i64::from(resource) == i64::from(libc::RLIMIT_NOFILE) { applications_own(limit.rlim_cur) } else { None };
    (own.unwrap_or(limit.rlim_cur), limit.rlim_max)
}

/// Returns the scheduling policy and its priority, the priority of input and output, and the personality.
pub(super) fn scheduling() -> (libc::c_long, i32, libc::c_long, i32) {
    /// `IOPRIO_WHO_PROCESS`
    const PROCESS: libc::c_int = 1;
    // SAFETY: All-zero is a valid `sched_param`.
    let mut parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: The calls query this thread; one writes to a variable of ours.
    unsafe {
        // musl's functions of these names do nothing.
        let policy = libc::syscall(libc::SYS_sched_getscheduler, 0);
        libc::syscall(libc::SYS_sched_getparam, 0, &raw mut parameters);
        let io_priority = libc::syscall(libc::SYS_ioprio_get, PROCESS, 0);
        (policy, parameters.sched_priority, io_priority, libc::personality(0xFFFF_FFFF))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_the_same_until_something_changes() {
        // On a thread of its own, whose scheduling policy no other has.
        let check = || {
            let before = InheritedState::current();
            assert_eq!(before, InheritedState::current());
            assert!(before.can_be_kept());
            // SAFETY: All-zero is a valid `sched_param`, and the call reads it.
            let result = unsafe {
                let parameters: libc::sched_param = std::mem::zeroed();
                libc::syscall(libc::SYS_sched_setscheduler, 0, libc::SCHED_BATCH, &raw const parameters)
            };
            assert_eq!(result, 0);
            assert_ne!(before, InheritedState::current());
        };
        std::thread::spawn(check).join().expect("it doesn't panic");
    }
}
