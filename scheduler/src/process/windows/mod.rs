//! Windows: the parent holds a job object around each job's process, and exchanges data with the process through two pipes.

mod append;
#[cfg(feature = "ctrlc")]
mod console_events;
mod create;
#[cfg(feature = "cli")]
mod diverted_stdout;
mod exit_wait;
#[cfg(feature = "cli")]
mod file_id;
#[cfg(feature = "journal")]
mod file_lock;
mod folder;
mod iocp;
mod job_object;
mod job_process;
mod limits;
mod machine;
mod milestone_times;
#[cfg(feature = "remote")]
mod no_slots;
mod overlapped;
mod own_stream;
mod pipe;
mod process_query;
mod process_tree;
mod wait;
mod worker;

pub(crate) use append::{append_line, append_to};
#[cfg(feature = "ctrlc")]
pub(crate) use console_events::on_ctrl_c;
#[cfg(feature = "signals")]
pub(crate) use console_events::on_termination;
#[cfg(feature = "cli")]
pub(crate) use diverted_stdout::DivertedStdout;
pub(crate) use exit_wait::{ChildPid, exit_class, signal_name};
#[cfg(feature = "cli")]
pub(crate) use file_id::{FileId, file_id, stream_id};
#[cfg(feature = "journal")]
pub(crate) use file_lock::{lock_file, names_of_file, write_obstacle};
pub(super) use folder::Folder;
pub(crate) use job_process::{Incoming, Outgoing, makes_privileged_copies, redirect, redirect_stdin, take_assignment};
pub(crate) use limits::apply_limits;
pub(crate) use machine::{free_memory, machine_load, since_boot};
pub(crate) use milestone_times::MilestoneTimes;
#[cfg(feature = "remote")]
pub(crate) use no_slots::{
    AgentInput, AgentOutput, Client, ClientEnd, ClientRead, ClientStream, SLOTS_EXIST, StreamPoller, host_name,
    take_agent_streams,
};
pub(crate) use own_stream::{OwnStream, StdoutGuard};
pub(crate) use pipe::{DataSocket, OutputReader, OutputWriter};
pub(crate) use process_query::is_traced;
#[cfg(feature = "cli")]
pub(crate) use process_query::process_exists;
pub(crate) use wait::{Interest, LoopWaker, Poller};
pub(crate) use worker::{Worker, lacks_room};

/// Whether the processes of a job can be captured: without their threads.
pub(crate) const CAN_CAPTURE: bool = true;

/// Returns: no limit on the size of files ends a process here.
#[cfg(feature = "cli")]
#[expect(clippy::unnecessary_wraps, reason = "on Unix it may fail")]
pub(crate) fn report_file_size_limit() -> std::io::Result<()> {
    Ok(())
}

/// Returns: no process here ends by a signal.
#[cfg(feature = "cli")]
pub(crate) fn die_of(_: super::FatalSignal) {}
