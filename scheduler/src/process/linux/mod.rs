//! Linux: a warden, which is a subreaper, starts jobs and sweeps what they leave; pidfds name processes where the kernel
//! has them.

mod cgroup;
mod children;
mod clean_state;
mod command_line;
mod crash_signals;
mod descriptor_limit;
mod epoll;
mod inherited_state;
mod job_process;
mod limits;
mod milestone_times;
mod name;
mod oom_counter;
mod own_image;
mod priority;
mod search;
mod sigchld;
mod stacks;
mod sweep;
mod system_calls;
mod tree_memory;
mod warden_process;
mod warden_signals;
mod worker;

use std::time::Duration;

use rustix::time::ClockId;

use super::unix_worker::InterestPoller;
#[cfg(feature = "remote")]
use super::unix_worker::ManyStreams;

pub(crate) use cgroup::{Cgroup, CgroupHome, clean_up_cgroup};
pub(crate) use children::has_only_child;
pub(crate) use clean_state::CleanState;
pub(crate) use crash_signals::capture_crashes;
pub(crate) use descriptor_limit::DescriptorLimit;
pub(crate) use inherited_state::InheritedState;
pub(crate) use job_process::{StandardStreams, anonymous_file, become_job, equip_job, leave_warden, notify_warden};
pub(crate) use limits::apply_limits;
pub(crate) use milestone_times::MilestoneTimes;
pub(crate) use name::{name_job, name_standby, name_warden};
pub(crate) use oom_counter::{OomCounter, OomKills};
pub(crate) use own_image::{EXECUTED, own_image};
#[cfg(feature = "cli")]
pub(crate) use search::process_age;
pub(crate) use search::{Search, adopt_orphans};
pub(crate) use sigchld::SigchldEvent;
#[cfg(any(test, fuzzing))]
pub(crate) use stacks::walk_fuzzed;
pub(crate) use stacks::{Capture, SeizedProcesses};
pub(crate) use sweep::sweep;
pub(crate) use system_calls::system_call_name;
pub(crate) use tree_memory::TreeMemory;
pub(crate) use warden_process::{
    Fork, ForkStandby, ReapResult, become_warden, can_count_threads, enter_folder, exit_warden, fork, fork_standby,
    has_other_threads, leave_folder, reap, send_request, spawn_job,
};
pub(crate) use worker::Worker;

/// Returns the reading of the monotonic clock, which is the same in every process of the machine.
fn monotonic() -> Duration {
    let now = rustix::time::clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.try_into().unwrap_or_default(), now.tv_nsec.try_into().unwrap_or_default())
}

/// Whether a copy of this binary can stay and fork one job after the other.
pub(crate) const HAS_FORK_SERVERS: bool = true;

/// Whether the processes of a job can be captured.
pub(crate) const CAN_CAPTURE: bool = true;

/// Waits for any of many workers.
pub(crate) type Poller = InterestPoller<epoll::Epoll>;

/// Waits for any of many streams.
#[cfg(feature = "remote")]
pub(crate) type StreamPoller = ManyStreams<epoll::Epoll>;

/// The number of SIGKILL.
pub(crate) const KILL_SIGNAL: i32 = libc::SIGKILL;
