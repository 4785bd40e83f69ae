//! What a copy does where there is no warden: it is the job's process itself.

use super::{confirmed, job};
use crate::launcher::Launcher;
use crate::process;

pub(crate) use crate::process::ALONE as ROLE;

/// Does what a copy with this role is there for, and returns if this process is none.
pub(super) fn run_role(role: &str, _: Launcher) {
    let Some(assignment) = confirmed(process::take_assignment(role)) else {
        return;
    };
    let (request, frames, (stream, outgoing), milestones, prepared) = assignment.accept();
    job::run(&request, job::ParentStream { frames, stream }, outgoing, milestones, prepared)
}
