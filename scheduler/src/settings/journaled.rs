//! `JournaledList`: the jobs of a list in the journal of a scheduler.

use std::slice;

use crate::error::Error;
use crate::journal::{FollowUps, Journal, JournalEntry, JournalOrder};
use crate::outcome::Attempt;
use crate::supervisor::JobSpec;

/// The entries of the jobs of a list. Empty if there is no journal.
#[derive(Debug, Default)]
pub(crate) struct JournaledList {
    journal: Option<Journal>,
    entries: Vec<Option<JournalEntry>>,
}

impl JournaledList {
    /// Writes these jobs to the journal, before any of them starts, and applies to their specifications what it knows about them.
    pub(crate) fn enter(
        journal: Option<&Journal>,
        specs: &mut [JobSpec],
        follow_ups: FollowUps,
    ) -> Result<Self, Error> {
        Self::enter_parts(journal, specs, 0, follow_ups)
    }

    fn enter_parts(
        journal: Option<&Journal>,
        specs: &mut [JobSpec],
        part: u32,
        follow_ups: FollowUps,
    ) -> Result<Self, Error> {
        let Some(journal) = journal else {
            return Ok(Self::default());
        };
        let orders = specs.iter().filter(|spec| has_identity(spec)).map(|spec| JournalOrder {
            job_id: &spec.id,
            job: spec.entry.name(),
            part,
            signature: spec.entry.signature(),
            arguments: &spec.arguments,
        });
        let orders: Vec<_> = orders.collect();
        let ordered = journal.order(&orders, follow_ups)?;
        for (spec, ordered) in specs.iter_mut().filter(|spec| has_identity(spec)).zip(ordered) {
            spec.journal = Some(ordered.entry);
            spec.checkpoint = ordered.checkpoint.or(spec.checkpoint.take());
            spec.attempt += ordered.attempts.last().map_or(0, Attempt::number);
            spec.earlier_attempts = ordered.attempts;
        }
        let entries = specs.iter().map(|spec| spec.journal.clone()).collect();
        Ok(Self { journal: Some(journal.clone()), entries })
    }

    /// Returns the entry of a job, by its index.
    pub(crate) fn entry(&self, index: usize) -> Option<&JournalEntry> {
        self.entries.get(index)?.as_ref()
    }

    /// Returns why the list ends early, if the journal has failed.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.journal.as_ref()?.fatal_error()
    }
}

/// Writes the next part of a chain to the journal that has the part before it, as [`JournaledList::enter`] does for a list.
pub(super) fn enter_part(journal: Option<&Journal>, before: &JobSpec, spec: &mut JobSpec) {
    if let Some(before) = &before.journal {
        let entered =
            JournaledList::enter_parts(journal, slice::from_mut(spec), before.next_part(), before.follow_ups());
        match entered {
            Ok(_) => spec.journal.iter().for_each(|next| before.set_next(next)),
            // It keeps the job from its start, as the journal has failed.
            Err(_) => spec.journal = Some(before.clone()),
        }
    }
}

/// Returns whether the next run of the application can recognize a job: arguments that can't be encoded have no identity.
fn has_identity(spec: &JobSpec) -> bool {
    spec.unserializable.is_none()
}
