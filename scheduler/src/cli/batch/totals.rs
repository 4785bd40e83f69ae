//! `BatchTotals`: how many calls of a batch ended how, and the summary of them.

use std::fmt;

use crate::outcome::Status;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BatchTotals {
    pub(super) succeeded: u64,
    failed: u64,
    timed_out: u64,
    /// Jobs that had begun and did not finish because the batch stopped.
    pub(super) interrupted: u64,
    /// Calls that were read, and not run because the batch stopped.
    pub(super) not_run: u64,
    /// Calls that an earlier batch has run.
    pub(super) run_before: u64,
    /// Those of them that failed then.
    pub(super) failed_before: u64,
}

impl BatchTotals {
    /// Counts a job that has finished.
    pub(super) fn add(&mut self, status: Status) {
        match status {
            Status::Ok => self.succeeded += 1,
            Status::Timeout => self.timed_out += 1,
            Status::Error => self.failed += 1,
        }
    }

    /// Returns how many jobs have finished.
    pub(super) fn done(&self) -> u64 {
        self.succeeded + self.unsuccessful()
    }

    /// Returns how many of them gave no result.
    pub(super) fn unsuccessful(&self) -> u64 {
        self.failed + self.timed_out
    }
}

impl fmt::Display for BatchTotals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { succeeded, failed, timed_out, interrupted, not_run, run_before, failed_before } = self;
        let jobs = self.done();
        let s = if jobs == 1 { "" } else { "s" };
        write!(f, "{jobs} job{s}: {succeeded} ok, {failed} failed, {timed_out} timed out")?;
        if *run_before > 0 {
            write!(f, ", {run_before} run before")?;
        }
        if *failed_before > 0 {
            write!(f, " ({failed_before} of them failed)")?;
        }
        for (count, what) in [(interrupted, "interrupted"), (not_run, "not run")] {
            if *count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_happened_is_mentioned_beside_the_jobs() {
        let mut totals = BatchTotals::default();
        assert_eq!(totals.to_string(), "0 jobs: 0 ok, 0 failed, 0 timed out");
        totals.add(Status::Timeout);
        assert_eq!(totals.to_string(), "1 job: 0 ok, 0 failed, 1 timed out");
        let totals = BatchTotals { interrupted: 2, not_run: 3, run_before: 4, failed_before: 1, ..totals };
        let all = "1 job: 0 ok, 0 failed, 1 timed out, 4 run before (1 of them failed), 2 interrupted, 3 not run";
        assert_eq!(totals.to_string(), all);
    }
}
