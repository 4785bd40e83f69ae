//! Windows: a job's process is in a job object, which the parent holds, and speaks with the parent through two pipes.

mod append;
mod create;
#[cfg(feature = "ctrlc")]
mod ctrl_c;
mod job_object;
mod job_process;
mod limits;
mod listed;
mod milestones;
mod operation;
mod own_stream;
mod pipe;
mod port;
mod process_end;
mod wait;
mod worker;

pub(crate) use append::{append_line, append_to};
#[cfg(feature = "ctrlc")]
pub(crate) use ctrl_c::on_ctrl_c;
pub(crate) use job_process::{Incoming, Outgoing, makes_privileged_copies, redirect, take_assignment};
pub(crate) use limits::limit;
pub(crate) use milestones::Milestones;
pub(crate) use own_stream::{LentStdout, OwnStream};
pub(crate) use pipe::{Link, Source, SourceWriter};
pub(crate) use process_end::{ChildPid, manner, signal_name};
pub(crate) use wait::{Doorbell, Interests, wait};
pub(crate) use worker::{Worker, lacks_room};
