//! A job without a warden: the copy is the job's process.

use super::exit::known_or_exit;
use super::job;
use crate::launcher::Launcher;
use crate::process;

pub(crate) use crate::process::{DIRECT_ROLE as ROLE, DIRECT_ROLE as STAYING_ROLE};

/// Runs the job of this role; returns if this process has none.
pub(super) fn run_role(role: &str, _: Launcher) {
    let Some(assignment) = known_or_exit(process::take_assignment(role)) else {
        return;
    };
    let (request, frames, data, milestones, prepared) = assignment.accept();
    job::run(&request, frames, data, milestones, prepared)
}
