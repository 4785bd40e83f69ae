//! `JournaledList`: the jobs of a list in the journal of a scheduler.

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
    pub(super) fn enter(
        journal: Option<&Journal>,
        specs: &mut [JobSpec],
        follow_ups: FollowUps,
    ) -> Result<Self, Error> {
        let Some(journal) = journal else {
            return Ok(Self::default());
        };
        let orders = specs.iter().filter(|spec| has_identity(spec)).map(|spec| JournalOrder {
            job_id: &spec.id,
            job: spec.entry.name(),
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

/// Returns whether the next run of the application can recognize a job. Arguments that can't be encoded have no identity, and neither
/// have the closures of a chain.
fn has_identity(spec: &JobSpec) -> bool {
    spec.unserializable.is_none() && !spec.sequel.as_ref().is_some_and(|sequel| sequel.is_chain())
}
