//! `Place`: the place of a job in its entry of a list: the entry's first job, a later part of its chain, or a follow-up.

use super::job_event::{JobEvent, PartEvent};
use super::job_spec::JobSpec;
use crate::observer::new_keys;
use crate::outcome::Failure;
use crate::record::{OwedFollowUp, Record, RunReport};
use crate::registry;

/// The place of a job in its entry.
#[derive(Debug)]
pub(super) enum Place {
    /// The first job of its entry, and of most the only one.
    First,
    /// A part of a chain, after these.
    Later(Box<EarlierParts>),
    /// A follow-up of the job that has ended, and whose entry goes on after it.
    FollowUp(Box<FollowedJob>),
}

/// The parts of a chain that have run.
#[derive(Debug, Default)]
pub(super) struct EarlierParts {
    pub(super) steps: Vec<Record>,
    pub(super) is_fallback: bool,
    /// How many attempts they had together.
    pub(super) attempts: u32,
}

/// A job that waits for its follow-up.
#[derive(Debug)]
pub(super) struct FollowedJob {
    pub(super) spec: JobSpec,
    pub(super) report: RunReport,
    pub(super) earlier: Option<Box<EarlierParts>>,
    /// The follow-up's key for observers.
    pub(super) key: u64,
    /// The job was cancelled after it had ended: no further part of the chain starts.
    pub(super) is_unwanted: bool,
}

impl FollowedJob {
    pub(super) fn new(spec: JobSpec, report: RunReport, earlier: Option<Box<EarlierParts>>) -> Self {
        Self { spec, report, earlier, key: new_keys(1), is_unwanted: false }
    }
}

impl Place {
    pub(super) fn is_follow_up(&self) -> bool {
        matches!(self, Self::FollowUp(_))
    }

    /// Returns how many attempts the parts before this one had.
    pub(super) fn earlier_attempts(&self) -> u32 {
        if let Self::Later(earlier) = self { earlier.attempts } else { 0 }
    }

    /// Returns an event of a job in this place as it is reported for the entry.
    pub(super) fn event(&self, spec: &JobSpec, event: JobEvent) -> JobEvent {
        let follow_up = match self {
            Self::First => return event,
            Self::Later(_) => None,
            Self::FollowUp(followed) => Some(followed.key),
        };
        JobEvent::OfPart(Box::new(PartEvent {
            follow_up,
            job: spec.entry.name(),
            encoding: spec.entry.codec().encoding(),
            event,
        }))
    }
}

/// Returns the record of a part or a follow-up.
pub(super) fn record_of(spec: &JobSpec, report: RunReport) -> Record {
    let (job, codec) = match report.details.sequence.as_deref().and_then(|sequence| sequence.ran) {
        Some(ran) => ran,
        None => (spec.entry.name(), spec.entry.codec()),
    };
    Record { job_id: spec.id.to_string(), job, codec, run: report }
}

/// Returns the follow-up job that is owed for the end of a job, if one is.
pub(super) fn owed_by(spec: &JobSpec, report: &RunReport) -> Option<OwedFollowUp> {
    spec.sequel.as_ref().filter(|sequel| sequel.owes_follow_up(report)).map(|_| OwedFollowUp::new())
}

/// Returns the record of a follow-up that an earlier run of the application has finished, by the name and the signature of its job.
pub(super) fn replayed_record(spec: &JobSpec, job: &str, signature: u64, report: RunReport) -> Record {
    let job_id = spec.id.to_string();
    if let Some(entry) = registry::find_exact(job).filter(|entry| entry.signature() == signature) {
        return Record { job_id, job: entry.name(), codec: entry.codec(), run: report };
    }
    // All but its value is known.
    let message = format!("this build has no job `{job}` with the same result, so that it can't be read back");
    let run = report.and_then(|_| Err(Failure::Unserializable { message: message.clone() }));
    Record { job_id, job: spec.entry.name(), codec: spec.entry.codec(), run }
}

/// Returns the report of a part that was not begun, for lack of a call or because nothing more may start.
pub(super) fn not_begun(reason: Option<String>) -> RunReport {
    RunReport::not_begun(match reason {
        Some(reason) => Failure::NeverStarted { reason },
        None => Failure::Cancelled { begun: false },
    })
}

/// Adds the parts before a run to its report, and which job it is of.
pub(super) fn with_earlier(report: &mut RunReport, spec: &JobSpec, earlier: Option<Box<EarlierParts>>) {
    if let Some(earlier) = earlier {
        let sequence = report.details.sequence.get_or_insert_default();
        sequence.ran.get_or_insert((spec.entry.name(), spec.entry.codec()));
        sequence.steps = earlier.steps;
        sequence.is_fallback |= earlier.is_fallback;
    }
}
