//! Everything that Linux and every other Unix do alike: descriptors, sockets, signals, limits, and waiting with `poll`.

#[cfg(feature = "remote")]
mod agent_streams;
mod append;
mod at_start;
#[cfg(feature = "remote")]
mod client;
mod control_child;
mod copy_check;
mod data_child;
mod data_socket;
pub(super) mod descriptor;
#[cfg(feature = "cli")]
mod diverted_stdout;
#[cfg(feature = "cli")]
mod file_id;
#[cfg(feature = "journal")]
mod file_lock;
mod folder;
mod job_descriptors;
pub(super) mod limits;
mod loop_waker;
mod machine;
mod own_stream;
mod parent;
mod pid;
pub(super) mod poll;
mod reap;
mod saved_stdio;
#[cfg(feature = "ctrlc")]
mod signal_listener;
pub(super) mod signals;
pub(super) mod socket;
mod stdout_guard;
mod traced;

#[cfg(feature = "remote")]
pub(crate) use agent_streams::{AgentInput, AgentOutput, take_agent_streams};
pub(crate) use append::{append_line, append_to};
#[cfg(feature = "remote")]
pub(crate) use client::{Client, ClientEnd, ClientRead, ClientStream, SLOTS_EXIST};
pub(crate) use control_child::ControlChild;
pub(crate) use copy_check::{makes_privileged_copies, was_started_as_copy};
pub(crate) use data_child::{DataChild, Incoming, Outgoing};
pub(crate) use data_socket::DataSocket;
pub(crate) use descriptor::clear_of;
#[cfg(feature = "cli")]
pub(crate) use diverted_stdout::DivertedStdout;
#[cfg(feature = "cli")]
pub(crate) use file_id::{FileId, file_id, stream_id};
#[cfg(feature = "journal")]
pub(crate) use file_lock::{lock_file, names_of_file, write_obstacle};
pub(super) use folder::Folder;
pub(crate) use job_descriptors::{JobDescriptors, redirect, redirect_stdin};
pub(crate) use loop_waker::LoopWaker;
#[cfg(feature = "remote")]
pub(crate) use machine::host_name;
pub(crate) use machine::{free_memory, machine_load, since_boot};
pub(crate) use own_stream::{OutputReader, OutputWriter, OwnStream};
pub(crate) use parent::{AnnouncedParent, ParentWatch, WakeReason};
pub(crate) use pid::ChildPid;
#[cfg(feature = "cli")]
pub(crate) use pid::process_exists;
pub(super) use reap::reap_child;
pub(crate) use reap::{ExitedChild, own_usage};
pub(crate) use saved_stdio::{discard_saved_stdio, has_saved_stdio, take_stdin};
#[cfg(feature = "ctrlc")]
pub(crate) use signal_listener::on_ctrl_c;
#[cfg(feature = "signals")]
pub(crate) use signal_listener::on_termination;
#[cfg(feature = "cli")]
pub(crate) use signal_listener::report_file_size_limit;
#[cfg(feature = "cli")]
pub(crate) use signals::die_of;
pub(crate) use signals::{exit_class, signal_name};
pub(crate) use stdout_guard::StdoutGuard;
pub(crate) use traced::is_traced;
