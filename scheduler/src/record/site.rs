//! `Site`: where a job ran that did not run on the application's own machine.

use std::sync::Arc;

/// A slot on another machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    /// The name of the machine, as it calls itself.
    pub(crate) host: Arc<str>,
    /// The number of the slot.
    pub(crate) slot: usize,
}
