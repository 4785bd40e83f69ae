//! Observers and cancellation.

use std::sync::Arc;

use super::Scheduler;
use crate::observer::Observer;
use crate::options::option_setters;
use crate::supervisor::CancelToken;

/// # Observation and control
impl<F> Scheduler<F> {
    /// Adds an [observer](Observer), which receives the events of all jobs. There may be several.
    #[doc(alias = "progress")]
    #[doc(alias = "listener")]
    #[doc(alias = "hook")]
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.settings_mut().observers.add(Arc::new(observer));
        self
    }

    /// Sets the token that cancels all jobs, of lists and spawned ones. A second token replaces the first.
    #[doc(alias = "cancel")]
    #[doc(alias = "abort")]
    #[doc(alias = "shutdown")]
    pub fn cancel_token(mut self, token: &CancelToken) -> Self {
        self.settings_mut().token = Some(token.clone());
        self
    }

    option_setters!(stacks of "each job that doesn't set its own");
}
