//! `RunSequence`: the other runs in the same entry of a list.

use crate::record::Record;
use crate::result_codec::ErasedCodec;

/// What ran before and after a run in its entry of a list. Most runs have none.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunSequence {
    /// The job that ran, and its codec, if it isn't the job of the entry's call.
    pub(crate) ran: Option<(&'static str, ErasedCodec)>,
    /// The parts of the chain before it.
    pub(crate) steps: Vec<Record>,
    /// A fallback took the place of a result that failed.
    pub(crate) is_fallback: bool,
    /// The chain ended early: its own result has another type than this run's.
    pub(crate) is_partial: bool,
    pub(crate) follow_ups: Vec<Record>,
}

/// What follows a part of a chain that has finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Continuation {
    /// Nothing: its record is that of the chain.
    End,
    /// Another part.
    Part,
    /// A value, in place of its result.
    Value,
}

impl Record {
    /// Returns the records of the [follow-up jobs](macro@crate::job#follow_up) of this run: one at most, and none unless one was owed.
    ///
    /// Their id is that of the job. A follow-up that failed, hung or could not be called is recorded as such.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, Ended, Scheduler};
    ///
    /// #[job]
    /// fn analyse(ended: Ended) -> String { format!("{} was stopped", ended.job_id()) }
    ///
    /// #[job(timeout = "100ms", follow_up = analyse)]
    /// fn hang() { loop { std::thread::park() } }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let records = Scheduler::new().run(jobs![("J1", hang)])?;
    ///     assert_eq!(records[0].follow_ups()[0].result::<String>()?, "J1 was stopped");
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn follow_ups(&self) -> &[Self] {
        self.run.follow_ups()
    }

    /// Returns the records of the parts of a [chain](crate::Job::and_then) that ran before the one that this record is of, in their
    /// order; nothing for a call that is no chain.
    #[must_use]
    pub fn steps(&self) -> &[Self] {
        self.run.steps()
    }

    /// Returns `true` if this is the record of a [fallback](crate::Job::or_else), which took the place of a result that failed, and may
    /// have failed as well. [`steps`](Self::steps) has the record of the failure.
    #[must_use]
    pub fn is_fallback(&self) -> bool {
        self.run.is_fallback()
    }
}
