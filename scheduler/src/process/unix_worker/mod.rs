//! The parent's side of a worker, on Linux and every other Unix: its control socket, and waiting for many of them.

mod control_socket;
mod poller;
#[cfg(feature = "remote")]
mod stream_poller;
mod wait;

pub(crate) use control_socket::lacks_room;
pub(super) use control_socket::{ControlSocket, spawn};
pub(super) use poller::{InterestPoller, KernelQueue};
#[cfg(feature = "remote")]
pub(crate) use stream_poller::ManyStreams;
pub(crate) use wait::{Interest, wait};
pub(super) use wait::{PollWorker, output_interest};
