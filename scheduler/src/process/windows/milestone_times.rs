//! `MilestoneTimes`: a no-op, as no process but the parent enforces deadlines on Windows.

use crate::process::Milestone;

#[derive(Debug, Default)]
pub(crate) struct MilestoneTimes(());

impl MilestoneTimes {
    /// Does nothing: without a warden a crash is not captured.
    #[expect(clippy::unused_self, reason = "on Linux it is stored")]
    pub(crate) fn record_crash(&self) {}

    /// Does nothing.
    #[expect(clippy::unused_self, reason = "on Unix it stores the time")]
    pub(crate) fn record(&self, _: Milestone) {}
}
