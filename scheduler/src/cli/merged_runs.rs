//! `MergedRuns`: the jobs of a log to which several batches were added, of which each resumed the one before.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::path::Path;

use super::events::read_events;
use crate::report::{LoggedEvent, LoggedKind};

/// What became of the jobs of a log that were run again.
#[derive(Default)]
pub(super) struct MergedRuns {
    again: HashMap<u64, RunAgain>,
}

/// A job that a later run has, or that an earlier one had.
#[derive(Clone, Copy)]
struct RunAgain {
    /// The key in the first run.
    first: u64,
    is_last: bool,
}

impl MergedRuns {
    /// Finds the jobs of a log that several runs had. What can be read only once, such as a pipe, has none.
    pub(super) fn find(path: &Path) -> io::Result<Self> {
        if !path.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Ok(Self::default());
        }
        let is_opened = |event: &LoggedEvent| matches!(event.kind, LoggedKind::Opened { .. });
        // The jobs of a long log are kept only if that is needed.
        let opened = read_events(path)?.map_while(Result::ok).filter(is_opened).nth(1);
        if opened.is_none() { Ok(Self::default()) } else { Ok(Self::of(read_events(path)?.map_while(Result::ok))) }
    }

    fn of(events: impl Iterator<Item = LoggedEvent>) -> Self {
        let mut run = 0;
        let mut jobs: HashMap<(String, String), Vec<(u64, u64)>> = HashMap::new();
        for event in events {
            match event.kind {
                LoggedKind::Opened { .. } => run += 1,
                LoggedKind::Queued { follows: None, .. } => {
                    jobs.entry((event.job_id, event.job)).or_default().push((run, event.key));
                }
                _ => {}
            }
        }
        let mut again = HashMap::new();
        for runs in jobs.into_values() {
            // Of jobs with the same id in one run nothing tells which is which.
            if runs.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                continue;
            }
            let (first, last) = (runs[0].1, runs[runs.len() - 1].1);
            if first != last {
                again.extend(runs.iter().map(|(_, key)| (*key, RunAgain { first, is_last: *key == last })));
            }
        }
        Self { again }
    }

    /// Returns the event as it is in a report that has each job once: in the place where it was first, as it ended last. `None` if it is
    /// left out.
    pub(super) fn merged<'a>(&self, event: &'a LoggedEvent) -> Option<Cow<'a, LoggedEvent>> {
        let Some(RunAgain { first, is_last }) = self.again.get(&event.key).copied() else {
            return Some(Cow::Borrowed(event));
        };
        let is_queued = matches!(event.kind, LoggedKind::Queued { .. });
        if (is_queued && event.key == first) || (is_last && !is_queued) {
            return Some(Cow::Owned(LoggedEvent { key: first, ..event.clone() }));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::read;

    #[test]
    fn a_job_that_was_run_again_keeps_its_place_and_has_its_last_end() {
        let event = |kind: &str, key: u64, id: &str, rest: &str| {
            format!(
                r#"{{"event":"{kind}","at":"2026-11-26T00:00:00+00:00","key":{key},"job_id":"{id}","job":"f"{rest}}}"#
            )
        };
        let opened = r#"{"event":"opened","version":1,"at":"2026-11-26T00:00:00+00:00","process":7}"#.to_owned();
        let (queued, slow) = (
            |key, id| event("queued", key, id, ""),
            |key, id| event("slow", key, id, r#","attempt":1,"after_sec":1.0"#),
        );
        let log = [
            opened.clone(),
            queued(1, "a"),
            queued(2, "b"),
            queued(3, "same"),
            queued(4, "same"),
            slow(1, "a"),
            slow(2, "b"),
            opened,
            queued(1, "b"),
            queued(2, "same"),
            slow(1, "b"),
        ];
        let events: Vec<_> = read(log.join("\n").as_bytes()).collect::<Result<_, _>>().expect("it is a log");
        let runs = MergedRuns::of(events.iter().cloned());
        let merged: Vec<_> = events.iter().filter_map(|event| runs.merged(event)).collect();
        let queued: Vec<_> = merged.iter().filter(|event| matches!(event.kind, LoggedKind::Queued { .. })).collect();
        assert_eq!(queued.iter().map(|event| &*event.job_id).collect::<Vec<_>>(), ["a", "b", "same", "same", "same"]);
        let slow = merged.iter().filter(|event| matches!(event.kind, LoggedKind::Slow { .. }));
        let slow: Vec<_> = slow.map(|event| (&*event.job_id, event.key)).collect();
        assert_eq!(slow, [("a", queued[0].key), ("b", queued[1].key)]);
    }
}
