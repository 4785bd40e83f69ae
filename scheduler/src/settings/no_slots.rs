//! Without the feature `remote` all jobs run on this machine.

use super::Settings;
use crate::error::Error;
use crate::options::Options;
use crate::supervisor::KeptSlots;

#[expect(
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "with the feature they read the settings, and may fail"
)]
impl Settings {
    pub(crate) fn open_slots(&self) -> Result<bool, Error> {
        Ok(false)
    }

    pub(crate) fn is_remote(&self) -> bool {
        false
    }

    pub(super) fn check_slots(&self) -> Result<(), Error> {
        Ok(())
    }

    pub(super) fn kept_slots(&self) -> Option<KeptSlots> {
        None
    }

    pub(super) fn obstacle_to_travel(&self, _: &Options) -> Option<String> {
        None
    }
}
