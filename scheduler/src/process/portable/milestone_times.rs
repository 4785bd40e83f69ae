//! `MilestoneTimes`: how far a job has come, for the thread of its process that keeps a deadline of its own.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::process::Milestone;

/// The milestones of the job that this process is there for.
#[derive(Clone, Debug, Default)]
pub(crate) struct MilestoneTimes(Arc<[OnceLock<Stopwatch>; 4]>);

/// In their order.
const ALL: [Milestone; 4] = [Milestone::Called, Milestone::Returned, Milestone::Encoded, Milestone::Delivered];

impl MilestoneTimes {
    /// Takes note that the job has come so far.
    pub(crate) fn record(&self, milestone: Milestone) {
        if let Some(place) = ALL.iter().position(|one| *one == milestone) {
            self.0[place].get_or_init(Stopwatch::start);
        }
    }

    /// Returns how far the job has come, and how long ago that was; `None` before its function is called.
    pub(super) fn latest(&self) -> Option<(Milestone, Duration)> {
        let reached = self.0.iter().zip(ALL).filter_map(|(since, milestone)| Some((milestone, since.get()?.elapsed())));
        reached.last()
    }

    /// Returns how long ago the function was called.
    pub(super) fn function_time(&self) -> Option<Duration> {
        self.0[0].get().map(|since| since.elapsed())
    }
}
