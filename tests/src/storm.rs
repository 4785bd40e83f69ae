//! Jobs that make processes faster than they can be listed. They do nothing where their number has no limit.

#![expect(unsafe_code, reason = "a storm is made of bare system calls")]

use std::fs;

use scheduler::job;

use crate::jobs::hangs;

/// How long a storm lasts that is not killed.
const LASTS: libc::time_t = 25;

/// The most processes that a storm may be allowed.
const MOST: u32 = 2000;

/// Starts `count` processes, each in a session of its own. Each forks and exits, and so do its children, forever.
#[job]
pub fn comets(count: usize) {
    storm(
        count,
        || {
            // SAFETY: It has no preconditions.
            unsafe { libc::setsid() };
        },
        || {},
    );
}

/// Does the same with processes that take a new session after each fork.
#[job]
pub fn shooting_stars(count: usize) {
    storm(
        count,
        || {},
        || {
            // SAFETY: It has no preconditions.
            unsafe { libc::setsid() };
        },
    );
}

/// Forks, and so do its children, forever.
#[job]
pub fn fork_bomb() {
    assert_is_capped();
    let end = now() + LASTS;
    while now() < end {
        // SAFETY: Neither side does more than these calls.
        unsafe { libc::fork() };
    }
    // SAFETY: It exits at once, whichever process this is.
    unsafe { libc::_exit(0) }
}

fn storm(count: usize, first: fn(), each: fn()) {
    assert_is_capped();
    let end = now() + LASTS;
    for _ in 0..count {
        // SAFETY: The child makes system calls only.
        unsafe {
            if libc::fork() == 0 {
                first();
                while now() < end {
                    each();
                    if libc::fork() > 0 {
                        break;
                    }
                }
                libc::_exit(0);
            }
        }
    }
    hangs();
}

fn now() -> libc::time_t {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: The call writes a `timespec`.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec
}

/// Panics unless the kernel limits the number of processes here.
fn assert_is_capped() {
    let cgroups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let candidates = cgroups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let mount = if controllers == "pids" { "/sys/fs/cgroup/pids" } else { "/sys/fs/cgroup" };
        fs::read_to_string(format!("{mount}{path}/pids.max")).ok()?.trim().parse::<u32>().ok()
    });
    assert!(candidates.min().is_some_and(|limit| limit <= MOST), "a storm without a limit takes the machine down");
}
