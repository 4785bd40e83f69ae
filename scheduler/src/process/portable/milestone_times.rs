//! `MilestoneTimes`: when a job reached each milestone, for the thread of its process that enforces its deadlines.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::process::Milestone;

/// The milestones that this process's job has reached, each with the time since then.
#[derive(Clone, Debug, Default)]
pub(crate) struct MilestoneTimes(Arc<[OnceLock<Stopwatch>; 4]>);

/// All milestones, in their order.
const ALL: [Milestone; 4] = [Milestone::Called, Milestone::Returned, Milestone::Encoded, Milestone::Delivered];

impl MilestoneTimes {
    /// Does nothing: without a warden a crash is not captured.
    #[expect(clippy::unused_self, reason = "on Linux it is stored")]
    pub(crate) fn record_crash(&self, _: u32) {}

    /// Returns at once: nothing captures a crash.
    #[expect(clippy::unused_self, reason = "on Linux it depends on the job")]
    pub(crate) fn wait_for_capture(&self, _: Duration) {}

    /// Records that the job has reached this milestone.
    pub(crate) fn record(&self, milestone: Milestone) {
        if let Some(place) = ALL.iter().position(|one| *one == milestone) {
            self.0[place].get_or_init(Stopwatch::start);
        }
    }

    /// Returns the last milestone and the time since then; `None` before the function is called.
    pub(super) fn latest(&self) -> Option<(Milestone, Duration)> {
        let reached = self.0.iter().zip(ALL).filter_map(|(since, milestone)| Some((milestone, since.get()?.elapsed())));
        reached.last()
    }

    /// Returns the time since the function was called.
    pub(super) fn function_time(&self) -> Option<Duration> {
        self.0[0].get().map(|since| since.elapsed())
    }
}
