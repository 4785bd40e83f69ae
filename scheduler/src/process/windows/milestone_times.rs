//! `Milestones`: a no-op, as no process but the parent enforces deadlines on Windows.

use crate::process::Milestone;

#[derive(Debug, Default)]
pub(crate) struct Milestones(());

impl Milestones {
    /// Does nothing.
    #[expect(clippy::unused_self, reason = "on Unix it stores the time")]
    pub(crate) fn reach(&self, _: Milestone) {}
}
