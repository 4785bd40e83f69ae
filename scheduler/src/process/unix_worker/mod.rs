//! The parent's side of a worker, on Linux and every other Unix: its control socket, and `wait`.

mod control_socket;
mod wait;

pub(crate) use control_socket::lacks_room;
pub(super) use control_socket::{ControlSocket, spawn};
pub(crate) use wait::{Interest, wait};
pub(super) use wait::{PollWorker, output_interest};
