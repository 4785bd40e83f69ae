//! Unix without wardens: macOS and the BSDs, and Linux where it is told so to be tested (`--cfg scheduler_portable`).
//!
//! The copy of this binary is the job's process itself, the leader of a process group. The parent watches over it, and
//! witnesses its end; should the parent die, a thread in the job's process sees that and ends the group.

mod exit_watch;
mod job_process;
mod lifeline;
mod limits;
mod listing;
mod milestone_times;
mod worker;

pub(crate) use job_process::take_assignment;
pub(crate) use limits::apply_limits;
pub(crate) use milestone_times::MilestoneTimes;
pub(crate) use worker::Worker;
