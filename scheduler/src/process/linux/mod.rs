//! Linux: the warden is a subreaper on a Unix socket, and processes are named by pidfds where there are any.

mod cgroup;
mod children;
mod job_process;
mod limits;
mod memory;
mod milestones;
mod own_image;
mod priority;
mod search;
mod sigchld;
mod sweep;
mod warden_process;
mod worker;

use std::time::Duration;

use rustix::time::ClockId;

use super::RunMarker;
pub(crate) use super::unix::channel::{Streams, take_along};
pub(crate) use super::unix::descriptor::clear_of;
use super::unix::{ControlSocket, channel, poll, signals};

pub(crate) use super::unix::{
    Announced, ChildPid, ControlChild, DataChild, DataSocket, Incoming, Interest, LentStdout, LoopWaker, Outgoing,
    OwnStream, ParentWatch, Source, SourceWriter, Woken, exit_class, forget_kept, is_kept, lacks_room, limit,
    makes_privileged_copies, redirect, signal_name, take_input, wait, was_started_as_copy,
};
pub(crate) use cgroup::{Cgroup, CgroupHome, end_cgroup};
pub(crate) use job_process::become_job;
pub(crate) use limits::{hold_memory, share_by_niceness, time_out};
pub(crate) use memory::{OomCounter, OomKills};
pub(crate) use milestones::Milestones;
pub(crate) use own_image::{EXECUTED, find_own_image};
pub(crate) use search::{Search, adopt_orphans};
pub(crate) use sweep::sweep;
pub(crate) use warden_process::{
    Fork, Reaped, SigchldEvent, become_warden, can_count_threads, execute, exit_warden, fork, has_other_threads,
    inheritable, input_with, reap,
};
pub(crate) use worker::Worker;

/// Returns the time since boot, including suspends: the kernel dates processes by it.
fn since_boot() -> Duration {
    kernel_clock(ClockId::Boottime)
}

/// Returns the reading of the monotonic clock, which is the same in every process of the machine.
fn monotonic() -> Duration {
    kernel_clock(ClockId::Monotonic)
}

fn kernel_clock(id: ClockId) -> Duration {
    let now = rustix::time::clock_gettime(id);
    Duration::new(now.tv_sec.try_into().unwrap_or_default(), now.tv_nsec.try_into().unwrap_or_default())
}

/// Whether a copy of this binary can stay and fork one job after the other.
pub(crate) const HAS_FORK_SERVERS: bool = true;

/// The signal that ends every process.
pub(crate) const KILL_SIGNAL: i32 = libc::SIGKILL;
