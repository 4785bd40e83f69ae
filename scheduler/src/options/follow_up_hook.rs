//! `FollowUpHook`: what makes the follow-up job of a job, without the types that it takes and returns.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// A function from the end of a job to the call of another one. Options stand below the types of both, so that only the module
/// that put the function in takes it out again.
#[derive(Clone)]
pub(crate) struct FollowUpHook(Arc<dyn Any + Send + Sync>);

impl FollowUpHook {
    pub(crate) fn new(function: impl Any + Send + Sync) -> Self {
        Self(Arc::new(function))
    }

    /// Returns the function, if it is of this type.
    pub(crate) fn function<F: 'static>(&self) -> Option<&F> {
        self.0.downcast_ref()
    }
}

/// Two are equal if they are the same function in the same place.
impl PartialEq for FollowUpHook {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for FollowUpHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FollowUpHook")
    }
}
