//! What Linux and every other Unix do in the same way: descriptors, sockets, signals, and waiting for them with `poll`.

mod append;
mod at_start;
pub(super) mod channel;
mod collect;
#[cfg(feature = "ctrlc")]
mod ctrl_c;
pub(super) mod descriptor;
mod doorbell;
mod kept;
mod lent;
pub(super) mod limits;
mod link;
mod orders;
mod own_stream;
mod parent;
mod pid;
pub(super) mod poll;
pub(super) mod signals;
mod wait;

pub(crate) use append::{append_line, append_to};
pub(crate) use channel::{
    Control, Data, Incoming, Outgoing, makes_privileged_copies, redirect, take_input, was_started_as_copy,
};
#[cfg(all(target_os = "linux", not(scheduler_portable)))]
pub(super) use collect::Collected;
pub(super) use collect::collect;
#[cfg(feature = "ctrlc")]
pub(crate) use ctrl_c::on_ctrl_c;
pub(crate) use doorbell::Doorbell;
pub(crate) use kept::{forget_kept, is_kept};
pub(crate) use lent::LentStdout;
pub(crate) use limits::limit;
pub(crate) use link::Link;
pub(crate) use orders::lacks_room;
pub(super) use orders::{Orders, spawn};
pub(crate) use own_stream::{OwnStream, Source, SourceWriter};
pub(crate) use parent::{Announced, ParentWatch, Woken};
pub(crate) use pid::ChildPid;
pub(crate) use signals::{manner, signal_name};
pub(crate) use wait::{Glance, Interests, wait};
