//! `journaled_events`: the events of the jobs in a journal, as far as it has them, for the reports that are made of a log.

use std::collections::HashMap;
use std::ops::RangeFrom;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::logged::{LoggedAttempt, LoggedEvent, LoggedKind, LoggedRecord};
use crate::error::Error;
use crate::journal::{HistoryAttempt, HistoryFollowUp, HistoryJob, HistoryRecord, HistoryRun, JournalReader};
use crate::outcome::Attempt;
use crate::record::{Continuation, RunReport};

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
        for chain in chains(jobs) {
            add_tracks(&mut tracks, chain, &mut keys);
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

/// A job or a follow-up, with its attempts. A chain is one job, with the attempts of its parts.
struct JobTrack {
    key: u64,
    follows: Option<u64>,
    job_id: String,
    /// The name of the job that ran last.
    job: String,
    queued_at: SystemTime,
    attempts: Vec<AttemptSpan>,
    finished: Option<HistoryRecord>,
}

/// An attempt, with its end unless it runs or was interrupted.
struct AttemptSpan {
    job: String,
    number: u32,
    started_at: SystemTime,
    ended_at: Option<SystemTime>,
    attempt: Option<Attempt>,
    /// Another attempt of the same job follows.
    is_retried: bool,
    slot: usize,
}

impl AttemptSpan {
    fn of_row(HistoryAttempt { number, started_at, ended }: HistoryAttempt, job: &str) -> Self {
        match ended {
            Some(ended) => Self::of(ended, started_at, job),
            None => Self {
                job: job.to_owned(),
                number,
                started_at,
                ended_at: None,
                attempt: None,
                is_retried: true,
                slot: 0,
            },
        }
    }

    fn of(attempt: Attempt, started_at: SystemTime, job: &str) -> Self {
        let ended_at = started_at.checked_add(attempt.duration());
        let (number, job) = (attempt.number(), job.to_owned());
        Self { job, number, started_at, ended_at, attempt: Some(attempt), is_retried: true, slot: 0 }
    }
}

/// Returns the jobs of a run, each with the later parts of its chain.
///
/// Rows don't say which part they follow. Of several chains with the same id, a part belongs to the one whose last part has finished
/// last before it was ordered. One whose chain another run has begun anew belongs to none.
fn chains(jobs: Vec<HistoryJob>) -> Vec<Vec<HistoryJob>> {
    let mut chains: Vec<Vec<HistoryJob>> = Vec::new();
    let mut by_id: HashMap<String, Vec<usize>> = HashMap::new();
    // The parts of a chain were first ordered one after another.
    for job in jobs {
        let same_id = by_id.entry(job.job_id.clone()).or_default();
        if job.part == 0 {
            same_id.push(chains.len());
            chains.push(vec![job]);
            continue;
        }
        let before = same_id.iter().copied().filter(|index| chains[*index].len() == job.part as usize);
        let before = before.max_by_key(|index| {
            let last = chains[*index].last().expect("each has a first part");
            let finished_at = last.finished.as_ref().map(|record| record.at).filter(|at| *at <= job.ordered_at);
            (last.continuation == Continuation::Part, finished_at)
        });
        if let Some(index) = before {
            chains[index].push(job);
        }
    }
    chains
}

/// Adds a chain, which most jobs are the only part of, and what follows its parts up.
fn add_tracks(tracks: &mut Vec<JobTrack>, chain: Vec<HistoryJob>, keys: &mut RangeFrom<u64>) {
    let mut next_key = || keys.next().expect("there are more numbers than jobs");
    let mut track: Option<JobTrack> = None;
    let mut earlier_attempts = 0;
    for part in chain {
        let HistoryJob { job_id, job, part: _, continuation, ordered_at, attempts, finished, follow_up, is_call_owed } =
            part;
        let last_attempt = attempts.last().map_or(1, |attempt| attempt.number);
        let mut attempts: Vec<_> = if let Some(record) = &finished {
            spans(record, last_attempt, &job)
        } else {
            attempts.into_iter().map(|attempt| AttemptSpan::of_row(attempt, &job)).collect()
        };
        if let Some(last) = attempts.last_mut().filter(|_| finished.is_some()) {
            last.is_retried = false;
        }
        for attempt in &mut attempts {
            attempt.number += earlier_attempts;
        }
        earlier_attempts += last_attempt;
        let called = is_call_owed.then(|| HistoryFollowUp {
            owed_at: finished.as_ref().map_or(ordered_at, |record| record.at),
            job: None,
            finished: None,
        });
        let finished = finished.and_then(|HistoryRecord { at, report }| {
            let report = match continuation {
                Continuation::End => report,
                Continuation::Part => return None,
                Continuation::Value => RunReport::of_value(Vec::new()),
            };
            Some(HistoryRecord { at, report })
        });
        let track = track.get_or_insert_with(|| JobTrack {
            key: next_key(),
            follows: None,
            job_id: job_id.clone(),
            job: String::new(),
            queued_at: ordered_at,
            attempts: Vec::new(),
            finished: None,
        });
        track.job.clone_from(&job);
        track.attempts.append(&mut attempts);
        track.finished = finished;
        for HistoryFollowUp { owed_at, job, finished } in follow_up.into_iter().chain(called) {
            let job = job.unwrap_or_else(|| OWED.to_owned());
            let mut attempts = finished.as_ref().map_or_else(Vec::new, |record| spans(record, 1, &job));
            if let Some(last) = attempts.last_mut() {
                last.is_retried = false;
            }
            tracks.push(JobTrack {
                key: next_key(),
                follows: Some(track.key),
                job_id: job_id.clone(),
                job,
                queued_at: owed_at,
                attempts,
                finished,
            });
        }
    }
    tracks.extend(track);
}

/// Returns the attempts of a job that has finished, of which this is the number of the last one.
fn spans(record: &HistoryRecord, last: u32, job: &str) -> Vec<AttemptSpan> {
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
        return vec![AttemptSpan { ended_at: Some(*at), ..AttemptSpan::of(attempt, started_at, job) }];
    }
    let attempts = report.attempts().iter();
    attempts.filter_map(|attempt| Some(AttemptSpan::of(attempt.clone(), attempt.started_at()?, job))).collect()
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
        let mut add = |at, job: &str, kind| {
            events.push(LoggedEvent { at, key, job_id: job_id.clone(), job: job.to_owned(), kind });
        };
        let first = attempts.first().map_or(&job, |attempt| &attempt.job).clone();
        add(queued_at, &first, LoggedKind::Queued { group: None, follows });
        let process = finished.as_ref().and_then(|record| record.report.process());
        let count = attempts.len();
        for (index, span) in attempts.into_iter().enumerate() {
            let AttemptSpan { job, number, started_at, ended_at, attempt, is_retried, slot } = span;
            let is_last = index + 1 == count;
            let process = process.filter(|_| is_last);
            add(started_at, &job, LoggedKind::Started { attempt: number, slot, process, host: None });
            if let Some(attempt) = attempt {
                let attempt = Box::new(LoggedAttempt::of(&attempt));
                let retry_in = is_retried.then_some(Duration::ZERO);
                let kind = LoggedKind::AttemptEnded { attempt, slot: Some(slot), retry_in };
                add(ended_at.unwrap_or(started_at), &job, kind);
            }
        }
        if let Some(HistoryRecord { at, report }) = finished {
            add(at, &job, LoggedKind::Recorded(Box::new(LoggedRecord::of(&report))));
        }
    }
}
