//! `journaled_events`: the events of the jobs in a journal, as far as it has them, for the reports that are made of a log.

use std::ops::RangeFrom;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::logged::{LoggedAttempt, LoggedEvent, LoggedKind, LoggedRecord};
use crate::error::Error;
use crate::journal::{HistoryAttempt, HistoryFollowUp, HistoryJob, HistoryRecord, HistoryRun, JournalReader};
use crate::outcome::Attempt;

/// The name of the job of a follow-up that has not run: only the application knows it.
const OWED: &str = "follow-up";

/// Reads a journal, and returns the events of its runs, in the order of their times.
pub(crate) fn journaled_events(path: &Path) -> Result<Vec<LoggedEvent>, Error> {
    let mut events = Vec::new();
    // That of the runs themselves is zero.
    let mut keys = 1..;
    for run in JournalReader::open(path)?.history()? {
        let HistoryRun { started_at, process, program, jobs } = run;
        let opened = LoggedKind::Opened { program: Some(program), process };
        events.push(LoggedEvent { at: started_at, key: 0, job_id: String::new(), job: String::new(), kind: opened });
        let from = events.len();
        let mut tracks = Vec::new();
        for job in jobs {
            add_tracks(&mut tracks, job, &mut keys);
        }
        assign_slots(&mut tracks);
        for track in tracks {
            track.add_events(&mut events);
        }
        // It is stable: what happened at one moment stays in the order of its job.
        events[from..].sort_by_key(|event| event.at);
    }
    Ok(events)
}

/// A job or a follow-up, with its attempts.
struct JobTrack {
    key: u64,
    follows: Option<u64>,
    job_id: String,
    job: String,
    queued_at: SystemTime,
    attempts: Vec<AttemptSpan>,
    finished: Option<HistoryRecord>,
}

/// An attempt, with its end unless it runs or was interrupted.
struct AttemptSpan {
    number: u32,
    started_at: SystemTime,
    ended_at: Option<SystemTime>,
    attempt: Option<Attempt>,
    slot: usize,
}

impl AttemptSpan {
    fn of_row(HistoryAttempt { number, started_at, ended }: HistoryAttempt) -> Self {
        match ended {
            Some(ended) => Self::of(ended, started_at),
            None => Self { number, started_at, ended_at: None, attempt: None, slot: 0 },
        }
    }

    fn of(attempt: Attempt, started_at: SystemTime) -> Self {
        let ended_at = started_at.checked_add(attempt.duration());
        Self { number: attempt.number(), started_at, ended_at, attempt: Some(attempt), slot: 0 }
    }
}

/// Adds a job, and what follows it up.
fn add_tracks(tracks: &mut Vec<JobTrack>, job: HistoryJob, keys: &mut RangeFrom<u64>) {
    let HistoryJob { job_id, job, ordered_at, attempts, finished, follow_up, is_call_owed } = job;
    let attempts = if let Some(record) = &finished {
        spans(record, attempts.last().map_or(1, |attempt| attempt.number))
    } else {
        attempts.into_iter().map(AttemptSpan::of_row).collect()
    };
    let called = is_call_owed.then(|| HistoryFollowUp {
        owed_at: finished.as_ref().map_or(ordered_at, |record| record.at),
        job: None,
        finished: None,
    });
    let mut next_key = || keys.next().expect("there are more numbers than jobs");
    let key = next_key();
    for HistoryFollowUp { owed_at, job, finished } in follow_up.into_iter().chain(called) {
        tracks.push(JobTrack {
            key: next_key(),
            follows: Some(key),
            job_id: job_id.clone(),
            job: job.unwrap_or_else(|| OWED.to_owned()),
            queued_at: owed_at,
            attempts: finished.as_ref().map_or_else(Vec::new, |record| spans(record, 1)),
            finished,
        });
    }
    tracks.push(JobTrack { key, follows: None, job_id, job, queued_at: ordered_at, attempts, finished });
}

/// Returns the attempts of a job that has finished, of which this is the number of the last one.
fn spans(record: &HistoryRecord, last: u32) -> Vec<AttemptSpan> {
    let HistoryRecord { at, report } = record;
    if report.attempts().is_empty() {
        let Some(started_at) = report.started_at() else {
            return Vec::new();
        };
        let attempt = Attempt {
            number: last,
            outcome: report.outcome.without_value(),
            started_at: Some(started_at),
            duration: report.duration,
            waited: Duration::ZERO,
            usage: report.usage(),
            sweep: report.sweep().clone(),
            stacks: Arc::clone(&report.details.stacks),
        };
        return vec![AttemptSpan { ended_at: Some(*at), ..AttemptSpan::of(attempt, started_at) }];
    }
    let attempts = report.attempts().iter();
    attempts.filter_map(|attempt| Some(AttemptSpan::of(attempt.clone(), attempt.started_at()?))).collect()
}

/// Gives each attempt the smallest number, from 1, that no other attempt at that time has.
fn assign_slots(tracks: &mut [JobTrack]) {
    let mut spans: Vec<_> = tracks.iter_mut().flat_map(|track| &mut track.attempts).collect();
    spans.sort_by_key(|span| span.started_at);
    // When each slot is free again; `None` if it isn't.
    let mut free: Vec<Option<SystemTime>> = Vec::new();
    for span in spans {
        let is_free = |at: &Option<SystemTime>| at.is_some_and(|at| at <= span.started_at);
        let slot = free.iter().position(is_free).unwrap_or_else(|| {
            free.push(None);
            free.len() - 1
        });
        free[slot] = span.ended_at;
        span.slot = slot + 1;
    }
}

impl JobTrack {
    fn add_events(self, events: &mut Vec<LoggedEvent>) {
        let Self { key, follows, job_id, job, queued_at, attempts, finished } = self;
        let mut add = |at, kind| {
            events.push(LoggedEvent { at, key, job_id: job_id.clone(), job: job.clone(), kind });
        };
        add(queued_at, LoggedKind::Queued { group: None, follows });
        let process = finished.as_ref().and_then(|record| record.report.process());
        let count = attempts.len();
        for (index, AttemptSpan { number, started_at, ended_at, attempt, slot }) in attempts.into_iter().enumerate() {
            let is_last = index + 1 == count;
            let process = process.filter(|_| is_last);
            add(started_at, LoggedKind::Started { attempt: number, slot, process });
            if let Some(attempt) = attempt {
                let attempt = Box::new(LoggedAttempt::of(&attempt));
                let retry_in = (!is_last || finished.is_none()).then_some(Duration::ZERO);
                let kind = LoggedKind::AttemptEnded { attempt, slot: Some(slot), retry_in };
                add(ended_at.unwrap_or(started_at), kind);
            }
        }
        if let Some(HistoryRecord { at, report }) = finished {
            add(at, LoggedKind::Recorded(Box::new(LoggedRecord::of(&report))));
        }
    }
}
