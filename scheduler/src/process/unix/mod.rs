//! What Linux and every other Unix do in the same way: descriptors, sockets, signals, and waiting for them with `poll`.

mod append;
mod at_start;
pub(super) mod channel;
mod collect;
mod control_socket;
#[cfg(feature = "ctrlc")]
mod ctrl_c;
mod data_socket;
pub(super) mod descriptor;
mod kept;
mod lent_stdout;
pub(super) mod limits;
mod loop_waker;
mod own_stream;
mod parent;
mod pid;
pub(super) mod poll;
pub(super) mod signals;
mod wait;

pub(crate) use append::{append_line, append_to};
pub(crate) use channel::{
    ControlChild, DataChild, Incoming, Outgoing, makes_privileged_copies, redirect, take_input, was_started_as_copy,
};
pub(super) use collect::{Collected, collect};
pub(crate) use control_socket::lacks_room;
pub(super) use control_socket::{ControlSocket, spawn};
#[cfg(feature = "ctrlc")]
pub(crate) use ctrl_c::on_ctrl_c;
pub(crate) use data_socket::DataSocket;
pub(crate) use kept::{forget_kept, is_kept};
pub(crate) use lent_stdout::LentStdout;
pub(crate) use limits::limit;
pub(crate) use loop_waker::LoopWaker;
pub(crate) use own_stream::{OwnStream, Source, SourceWriter};
pub(crate) use parent::{Announced, ParentWatch, Woken};
pub(crate) use pid::ChildPid;
pub(crate) use signals::{exit_class, signal_name};
pub(crate) use wait::{Interest, wait};
