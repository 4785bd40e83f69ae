//! `MilestoneTimes`: a no-op, as no process but the parent enforces deadlines on Windows.

use std::time::Duration;

use crate::process::Milestone;

#[derive(Debug, Default)]
pub(crate) struct MilestoneTimes(());

impl MilestoneTimes {
    /// Does nothing: without a warden a crash is not captured.
    #[expect(clippy::unused_self, reason = "on Linux it is stored")]
    pub(crate) fn record_crash(&self, _: u32) {}

    /// Returns at once: nothing captures a crash.
    #[expect(clippy::unused_self, reason = "on Linux it depends on the job")]
    pub(crate) fn wait_for_capture(&self, _: Duration) {}

    /// Does nothing.
    #[expect(clippy::unused_self, reason = "on Unix it stores the time")]
    pub(crate) fn record(&self, _: Milestone) {}
}
