//! Linux: the warden is a subreaper on a Unix socket, and processes are named by pidfds where there are any.

mod channel;
mod doorbell;
mod job_process;
mod memory;
mod pid;
mod poll;
mod printer;
mod relay;
mod search;
mod signals;
mod stream;
mod sweep;
mod wait;
mod warden_process;
mod worker;

pub(crate) use channel::{
    Control, Data, Outgoing, makes_privileged_copies, take_input, was_started_as_job, was_started_as_warden,
};
pub(crate) use doorbell::Doorbell;
pub(crate) use job_process::become_job;
pub(crate) use memory::{MemoryKills, MemoryWitness};
pub(crate) use pid::ChildPid;
pub(crate) use search::{COOKIE, Cookie, Orphans, Search};
pub(crate) use signals::signal_name;
pub(crate) use stream::Stream;
pub(crate) use sweep::sweep;
pub(crate) use wait::Ready;
pub(crate) use wait::{Interests, wait};
pub(crate) use warden_process::{
    Bell, Fork, Reaped, become_warden, execute, exit_warden, fork, has_other_threads, inheritable, nameless_file, reap,
    wait_for,
};
pub(crate) use worker::{Outlet, Worker, lacks_room};

/// Whether a copy of this binary can stay and fork one job after the other.
pub(crate) const HAS_FORK_SERVERS: bool = true;

/// The signal that ends every process.
pub(crate) const KILL_SIGNAL: i32 = libc::SIGKILL;
/// The signal by which `abort` ends a process, and the standard library one whose stack overflowed.
pub(crate) const ABORT_SIGNAL: i32 = libc::SIGABRT;
