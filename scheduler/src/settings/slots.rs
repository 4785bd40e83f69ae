//! The slots on other machines that the jobs of a scheduler run at.

use std::sync::{Arc, Weak};

use super::Settings;
use crate::error::Error;
use crate::options::Options;
use crate::process::Orphans;
use crate::supervisor::{CapacityLimits, KeptSlots, LoopSlots, RemoteSlots, SlotsConfig};

impl Settings {
    /// Opens the slots ahead, if jobs run at some. Returns whether they do.
    pub(crate) fn open_slots(&self) -> Result<bool, Error> {
        self.check()?;
        let slots = self.loop_slots()?;
        slots.map_or(Ok(false), |slots| slots.open().map(|()| true))
    }

    /// Returns whether jobs run on other machines.
    pub(crate) fn is_remote(&self) -> bool {
        self.slots.is_some()
    }

    /// Checks that these settings fit the slots on other machines, if there are some.
    pub(super) fn check_slots(&self) -> Result<(), Error> {
        let Some(slots) = &self.slots else { return Ok(()) };
        slots.check()?;
        let problems = [
            (
                self.orphans == Orphans::Adopted,
                "`adopt_orphans` would take what a client leaves behind for a job's process",
            ),
            (self.capacity != CapacityLimits::default(), "`max_load` and `min_free_memory` are about this machine"),
        ];
        if let Some((_, problem)) = problems.into_iter().find(|(is_so, _)| *is_so) {
            let problem = format!("{problem}, and the jobs run at slots on others; leave it out");
            return Err(Error::invalid_setting(problem));
        }
        Ok(())
    }

    /// Returns what an event loop needs of the slots, if jobs run at some.
    pub(super) fn loop_slots(&self) -> Result<Option<LoopSlots>, Error> {
        let Some(slots) = &self.slots else { return Ok(None) };
        let config = SlotsConfig {
            limit: self.concurrency,
            launcher: self.jobs_launcher()?,
            start_method: self.start_method,
            standby: self.standby,
            containment: self.containment,
            start_timeout: self.start_timeout,
        };
        let slots: Weak<dyn RemoteSlots> = Arc::downgrade(slots) as _;
        Ok(Some(LoopSlots { slots, config }))
    }

    /// Returns what keeps the slots for a job.
    pub(super) fn kept_slots(&self) -> Option<KeptSlots> {
        self.slots.as_ref().map(|slots| Arc::clone(slots) as KeptSlots)
    }

    /// Returns why a job with these options can't run where it is to run.
    pub(super) fn obstacle_to_travel(&self, options: &Options) -> Option<String> {
        self.slots.as_ref().and_then(|_| options.obstacle_to_travel())
    }
}
