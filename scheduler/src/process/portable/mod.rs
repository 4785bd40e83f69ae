//! Unix without wardens: macOS and the BSDs, and for tests Linux (`--cfg scheduler_portable`).
//!
//! The copy of this binary is the job's process itself, the leader of a process group. The parent watches for its exit, and
//! sweeps. If the parent exits, a thread in the job's process detects that and kills the group.

mod exit_watch;
mod job_process;
mod lifeline;
mod limits;
mod listing;
mod milestone_times;
mod no_epoll;
mod worker;

pub(crate) use job_process::take_assignment;
pub(crate) use limits::apply_limits;
pub(crate) use milestone_times::MilestoneTimes;
pub(crate) use worker::Worker;

use super::unix_worker::InterestPoller;
#[cfg(feature = "remote")]
use super::unix_worker::ManyStreams;

/// Whether the processes of a job can be captured: an ancestor of them would have to be there.
pub(crate) const CAN_CAPTURE: bool = false;

/// Waits for any of many workers.
pub(crate) type Poller = InterestPoller<no_epoll::NoEpoll>;

/// Waits for any of many streams.
#[cfg(feature = "remote")]
pub(crate) type StreamPoller = ManyStreams<no_epoll::NoEpoll>;
