//! `Capacity`: whether the machine has room for one more job, by its load and its free memory.

use std::time::Duration;

use crate::clock::Deadline;
use crate::process;

/// The time between two looks at a machine that has no room.
const RECHECK_INTERVAL: Duration = Duration::from_millis(250);

/// When no further job is started beside those that run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct CapacityLimits {
    /// The load from which on there is no room.
    pub(crate) max_load: Option<f64>,
    /// The free memory, in bytes, below which there is no room.
    pub(crate) min_free_memory: Option<u64>,
}

impl CapacityLimits {
    /// Returns a description of the first limit that is invalid, or that can't be compared with anything on this system.
    pub(crate) fn problem(&self) -> Option<String> {
        if let Some(load) = self.max_load
            && (load.is_nan() || load <= 0.0)
        {
            return Some(format!(
                "a maximum load of {load} is always exceeded; give a number above 0, such as the number of processors"
            ));
        }
        let unknown =
            |what: &str, setter: &str| Some(format!("{what} can't be read on this system; leave `{setter}` out"));
        match self {
            Self { max_load: Some(_), .. } if process::machine_load().is_none() => {
                unknown("the load of the machine", "max_load")
            }
            Self { min_free_memory: Some(_), .. } if process::free_memory().is_none() => {
                unknown("the free memory of the machine", "min_free_memory")
            }
            _ => None,
        }
    }

    fn has_room(&self, load: impl FnOnce() -> Option<f64>, free_memory: impl FnOnce() -> Option<u64>) -> bool {
        let is_loaded = self.max_load.is_some_and(|most| load().is_some_and(|load| load >= most));
        let is_full = self.min_free_memory.is_some_and(|least| free_memory().is_some_and(|free| free < least));
        !is_loaded && !is_full
    }
}

/// The limits, and the last look at the machine.
#[derive(Debug)]
pub(super) struct Capacity {
    limits: CapacityLimits,
    /// There was no room when it was last looked at; the time of the next look.
    recheck: Option<Deadline>,
}

impl Capacity {
    pub(super) fn new(limits: CapacityLimits) -> Self {
        Self { limits, recheck: None }
    }

    pub(super) fn is_limited(&self) -> bool {
        self.limits != CapacityLimits::default()
    }

    /// Returns the time until which no further job may start beside those that run, `None` if one may start now.
    ///
    /// The first one always may: a machine that others keep busy slows the jobs down to one at a time, and doesn't stop them.
    /// `starting` of those that run are not in the load yet, as their processes are being created.
    pub(super) fn wait(&mut self, running: usize, starting: impl FnOnce() -> usize) -> Option<Deadline> {
        if !self.is_limited() || running == 0 {
            return None;
        }
        if self.recheck.is_none_or(Deadline::is_past) {
            let load =
                || process::machine_load().map(|load| load + f64::from(u32::try_from(starting()).unwrap_or(u32::MAX)));
            let has_room = self.limits.has_room(load, process::free_memory);
            self.recheck = (!has_room).then(|| Deadline::after(RECHECK_INTERVAL));
        }
        self.recheck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_below_the_load_and_above_the_memory() {
        let has_room = |max_load, min_free_memory, load, free| {
            CapacityLimits { max_load, min_free_memory }.has_room(|| load, || free)
        };
        assert!(has_room(None, None, Some(1e9), Some(0)));
        assert!(has_room(Some(2.0), None, Some(1.9), None) && !has_room(Some(2.0), None, Some(2.0), None));
        assert!(has_room(None, Some(10), None, Some(10)) && !has_room(None, Some(10), None, Some(9)));
        assert!(
            !has_room(Some(2.0), Some(10), Some(1.0), Some(9)) && !has_room(Some(2.0), Some(10), Some(3.0), Some(11))
        );
        // What can't be read holds nothing up.
        assert!(has_room(Some(2.0), Some(10), None, None));
    }

    #[test]
    fn a_load_that_is_always_exceeded_is_refused() {
        for load in [0.0, -1.0, f64::NAN, f64::NEG_INFINITY] {
            let problem = CapacityLimits { max_load: Some(load), ..CapacityLimits::default() }.problem();
            assert!(problem.is_some_and(|problem| problem.contains("is always exceeded")), "{load}");
        }
    }

    #[test]
    fn the_first_job_starts_whatever_the_machine_does() {
        let mut capacity =
            Capacity::new(CapacityLimits { max_load: Some(f64::MIN_POSITIVE), ..CapacityLimits::default() });
        assert_eq!(capacity.wait(0, || 0), None);
        let mut unlimited = Capacity::new(CapacityLimits::default());
        assert_eq!(unlimited.wait(9, || unreachable!("nothing is limited")), None);
    }
}
