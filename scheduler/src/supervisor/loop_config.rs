//! `LoopConfig`: the settings of an event loop.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::capacity::CapacityLimits;
use super::job_event::EventDetail;
#[cfg(feature = "remote")]
use super::remote_run::LoopSlots;
use super::token::CancelToken;
use crate::options::OnFailure;

/// The settings that hold for all jobs of an event loop.
#[derive(Clone, Debug)]
pub(crate) struct LoopConfig {
    /// How many jobs run at a time.
    pub(crate) concurrency: NonZeroUsize,
    /// How many jobs of each group run at a time.
    pub(crate) group_limits: Box<[NonZeroUsize]>,
    pub(crate) on_failure: OnFailure,
    pub(crate) on_success: OnSuccess,
    pub(crate) capacity: CapacityLimits,
    /// How long all jobs may take together.
    pub(crate) total_timeout: Duration,
    pub(crate) token: Option<CancelToken>,
    pub(crate) detail: EventDetail,
    /// The slots that its jobs may run at.
    #[cfg(feature = "remote")]
    pub(crate) slots: Option<LoopSlots>,
}

/// Whether other jobs start after one has succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnSuccess {
    Continue,
    Stop,
}

impl LoopConfig {
    /// Returns the settings for a single job.
    pub(crate) fn for_one_job() -> Self {
        Self {
            concurrency: NonZeroUsize::MIN,
            group_limits: Box::default(),
            on_failure: OnFailure::Continue,
            on_success: OnSuccess::Continue,
            capacity: CapacityLimits::default(),
            total_timeout: Duration::MAX,
            token: None,
            detail: EventDetail::FinishedOnly,
            #[cfg(feature = "remote")]
            slots: None,
        }
    }
}
