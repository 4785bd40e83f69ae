//! `Halt`: when a batch stops, as GNU parallel's `--halt` writes it.

use super::totals::BatchTotals;
use crate::outcome::Status;

/// The condition under which a batch stops before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Halt {
    pub(super) speed: HaltSpeed,
    counted: Counted,
    after: u64,
}

/// How a batch stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HaltSpeed {
    /// Running jobs are stopped, too.
    Now,
    /// Nothing more is started.
    Soon,
}

/// The jobs that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    Failed,
    Succeeded,
    Done,
}

const EXPECTED: &str =
    "expected when and why, such as `now,fail=1`, `soon,fail=10`, `now,success=1`, `soon,done=100`, or `never`";

impl Halt {
    /// Parses a condition; `None` for `never`.
    pub(in crate::cli) fn parse(text: &str) -> Result<Option<Self>, String> {
        if text == "never" {
            return Ok(None);
        }
        let (speed, reason) = text.split_once(',').ok_or(EXPECTED)?;
        let (counted, after) = reason.split_once('=').ok_or(EXPECTED)?;
        let speed = match speed {
            "now" => HaltSpeed::Now,
            "soon" => HaltSpeed::Soon,
            _ => return Err(EXPECTED.to_owned()),
        };
        let counted = match counted {
            "fail" => Counted::Failed,
            "success" => Counted::Succeeded,
            "done" => Counted::Done,
            _ => return Err(EXPECTED.to_owned()),
        };
        if after.ends_with('%') {
            return Err("the number of calls isn't known before the last one is read; give a number of jobs".to_owned());
        }
        match after.parse() {
            Ok(0) | Err(_) => Err(format!("{EXPECTED}, with a number of jobs from 1")),
            Ok(after) => Ok(Some(Self { speed, counted, after })),
        }
    }
    /// Returns whether the batch stops with a job of this status, which is counted in `totals`.
    pub(super) fn is_met(self, status: Status, totals: &BatchTotals) -> bool {
        let (counts, so_far) = match self.counted {
            Counted::Failed => (!status.is_ok(), totals.unsuccessful()),
            Counted::Succeeded => (status.is_ok(), totals.succeeded),
            Counted::Done => (true, totals.done()),
        };
        counts && so_far >= self.after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_counts_the_jobs_that_it_names() {
        for (text, met_at) in [
            ("now,fail=1", Some(2)),
            ("soon,fail=2", Some(3)),
            ("now,success=2", Some(4)),
            ("soon,done=3", Some(3)),
            ("soon,done=9", None),
        ] {
            let halt = Halt::parse(text).expect("it is one").expect("it may be met");
            let mut totals = BatchTotals::default();
            let statuses = [Status::Ok, Status::Error, Status::Timeout, Status::Ok];
            let met = statuses.into_iter().position(|status| {
                totals.add(status);
                halt.is_met(status, &totals)
            });
            assert_eq!(met.map(|index| index + 1), met_at, "{text}");
        }
    }

    #[test]
    fn other_conditions_are_refused_with_examples() {
        for text in ["", "now", "later,fail=1", "now,fail", "now,rain=1", "now,fail=0", "now,fail=x", "2"] {
            let problem = Halt::parse(text).expect_err("it is no condition");
            assert!(problem.starts_with(EXPECTED), "{text}: {problem}");
        }
        assert_eq!(Halt::parse("never"), Ok(None));
        assert!(Halt::parse("now,fail=10%").is_err_and(|problem| problem.contains("isn't known")));
    }
}
