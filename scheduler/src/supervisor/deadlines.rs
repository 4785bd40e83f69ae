//! `Deadlines`: the deadlines of what an event loop waits for, the earliest first.

use std::collections::BTreeSet;

use crate::clock::Deadline;
use crate::process::WaitKey;

/// Deadlines with the keys of what they are for. One that is never reached isn't kept.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BTreeSet<(Deadline, WaitKey)>);

impl Deadlines {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn insert(&mut self, deadline: Deadline, key: WaitKey) {
        if deadline != Deadline::NEVER {
            self.0.insert((deadline, key));
        }
    }

    pub(super) fn remove(&mut self, deadline: Deadline, key: WaitKey) {
        self.0.remove(&(deadline, key));
    }

    /// Returns the earliest one.
    pub(super) fn earliest(&self) -> Deadline {
        self.0.first().map_or(Deadline::NEVER, |(deadline, _)| *deadline)
    }

    /// Returns the keys whose deadline has passed, the earliest first.
    pub(super) fn passed(&self) -> impl Iterator<Item = WaitKey> {
        let now = Deadline::now();
        self.0.iter().take_while(move |(deadline, _)| *deadline <= now).map(|(_, key)| *key)
    }

    /// Removes and returns the earliest key if its deadline has passed.
    pub(super) fn pop_passed(&mut self) -> Option<WaitKey> {
        self.earliest().is_past().then(|| self.0.pop_first()).flatten().map(|(_, key)| key)
    }
}
