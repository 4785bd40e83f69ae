//! `StartingWardens`: the wardens of an event loop that are on their way up.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use super::deadlines::Deadlines;
use super::warden_handle::{StartResult, StartingWarden};
use crate::clock::Deadline;
use crate::process::{Interest, Poller, WaitKey};

/// Wardens that have not reported yet, each under a key of its pool.
#[derive(Debug, Default)]
pub(super) struct StartingWardens {
    wardens: BTreeMap<WaitKey, StartingWarden>,
    deadlines: Deadlines,
    /// Those that no poller waits for yet.
    new: Vec<WaitKey>,
}

impl StartingWardens {
    pub(super) fn is_empty(&self) -> bool {
        self.wardens.is_empty()
    }

    pub(super) fn insert(&mut self, key: WaitKey, starting: StartingWarden) {
        self.deadlines.insert(starting.deadline, key);
        self.wardens.insert(key, starting);
        self.new.push(key);
    }

    /// Returns the time at which [`advance`](Self::advance) is due, even if none is ready.
    pub(super) fn deadline(&self) -> Deadline {
        self.deadlines.earliest()
    }

    /// Makes the poller wait for the wardens that were added since the last call.
    pub(super) fn register(&mut self, poller: &mut Poller) {
        for key in self.new.drain(..) {
            if let Some(starting) = self.wardens.get(&key) {
                poller.update(key, &Interest::report(&starting.warden.worker));
            }
        }
    }

    /// Returns the interest of a warden.
    pub(super) fn interest(&self, key: WaitKey) -> Option<Interest<'_>> {
        self.wardens.get(&key).map(|starting| Interest::report(&starting.warden.worker))
    }

    /// Reads what has arrived from the wardens with these keys, and from those whose time is over. Returns what became of
    /// each that is on its way no longer.
    pub(super) fn advance(
        &mut self,
        ready: impl Iterator<Item = WaitKey>,
        poller: &mut Poller,
    ) -> Vec<(StartingWarden, StartResult)> {
        let keys: BTreeSet<_> = self.deadlines.passed().chain(ready).collect();
        let mut results = Vec::new();
        for key in keys {
            let Some(starting) = self.wardens.get_mut(&key) else {
                continue;
            };
            match starting.advance() {
                // What is waited for may have changed: its standard error has a reader of its own.
                None => poller.update(key, &Interest::report(&starting.warden.worker)),
                Some(result) => results.extend(self.remove(key, poller).map(|starting| (starting, result))),
            }
        }
        results
    }

    fn remove(&mut self, key: WaitKey, poller: &mut Poller) -> Option<StartingWarden> {
        poller.remove(key);
        let starting = self.wardens.remove(&key)?;
        self.deadlines.remove(starting.deadline, key);
        Some(starting)
    }

    /// Removes and returns all of them. The poller, if it still waits, waits for them no longer.
    pub(super) fn take_all(&mut self, poller: Option<&mut Poller>) -> Vec<StartingWarden> {
        let wardens = mem::take(self).wardens;
        if let Some(poller) = poller {
            for key in wardens.keys() {
                poller.remove(*key);
            }
        }
        wardens.into_values().collect()
    }
}
