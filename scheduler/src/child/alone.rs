//! What a copy does where there is no warden: it is the job's process itself.

use super::{confirmed, job};
use crate::launcher::Launcher;
use crate::process;
use crate::wire::codec;
use crate::wire::frame::{self, Kind};
use crate::wire::message::Hello;

/// What stands in the marker of a copy, until its streams are named there.
pub(crate) const ROLE: &str = "job";

/// Does what a copy with this role is there for, and returns if this process is none.
pub(super) fn take_up(role: &str, _: Launcher) {
    let Some(assignment) = confirmed(process::take_assignment(role)) else {
        return;
    };
    let (request, frames, data, prepared) = assignment.accept();
    let (incoming, mut outgoing) = data.split();
    let hello = codec::encode(&Hello { job: std::process::id() }).expect("numbers always encode");
    // If the parent is gone, the end of the stream says so next.
    let _ = frame::write(&mut outgoing, request.mark, Kind::Hello, &hello);
    job::run(&request, job::Incoming { frames, stream: incoming }, outgoing, prepared)
}
