//! A report as bytes that another process reads back as the same report: for journals.
//!
//! ```text
//! version   1 byte
//! checksum  8 bytes, of all that follows
//! length    4 bytes, of the description
//! description          everything but large values, encoded by `wire::codec`
//! values               the result, captured output: as they are, one after the other
//! ```
//!
//! Values stand behind the description because `serde` passes a `Vec<u8>` on byte by byte. The last checkpoint is not in it: a
//! journal keeps that beside the report.

mod parts;
mod values;

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{RunDetails, RunReport, Site};
#[cfg(feature = "journal")]
use crate::outcome::{Attempt, Failure, Outcome};
use crate::outcome::{Sweep, SweptBy, Usage};
use crate::wire::codec;
use crate::wire::snapshots_message::SnapshotsMessage;
use parts::{
    AttemptParts, CapturedParts, FailureParts, OutcomeParts, PanicParts, SweepParts, SweptByParts, UsageParts,
};
use values::{ReadValues, StoredValue, WrittenValues};

/// The version of the format. Raise it when the encoding of any part changes, even in the order of fields or variants; the bytes in
/// the tests below then change.
const VERSION: u8 = 3;

/// The bytes before the description.
const HEADER: usize = 1 + 8 + 4;

/// The name of a system call, by its number.
pub(crate) type SystemCallName = fn(u64) -> Option<&'static str>;

/// All of a report but its values.
#[derive(Serialize, Deserialize)]
struct ReportParts {
    outcome: OutcomeParts<StoredValue>,
    duration: Duration,
    late: Option<parts::LateParts<StoredValue>>,
    /// Since the epoch.
    started_at: Option<Duration>,
    /// Since the epoch.
    ended_at: Option<Duration>,
    process: Option<u32>,
    #[serde(with = "UsageParts")]
    usage: Usage,
    #[serde(with = "SweepParts")]
    sweep: Sweep,
    swept_by: Option<SweptByParts>,
    stderr_tail: String,
    exit_failure: Option<FailureParts>,
    panics: Vec<PanicParts>,
    captured: Option<CapturedParts>,
    attempts: Vec<AttemptParts>,
    stacks: SnapshotsMessage,
    leftover: Option<Box<str>>,
    /// The host and the slot.
    site: Option<(String, usize)>,
}

impl RunReport {
    /// Encodes the report, without its last checkpoint.
    pub(crate) fn to_stored(&self) -> Result<Vec<u8>, String> {
        let Self { outcome, duration, late, details } = self;
        let RunDetails {
            started_at,
            ended_at,
            process,
            usage,
            sweep,
            swept_by,
            stderr_tail,
            exit_failure,
            panics,
            captured,
            attempts,
            checkpoint: _,
            stacks,
            leftover,
            // Its process is gone in any case; an agent sends it beside the report.
            reuse: _,
            is_replayed: _,
            // It has not finished.
            is_cut_short: _,
            site,
            // The failure has it, for people.
            gone_by: _,
            // Chains aren't in a journal, and a follow-up ran before its job had finished.
            sequence: _,
        } = details;
        let mut values = WrittenValues::default();
        let parts = ReportParts {
            outcome: OutcomeParts::of(outcome, &mut |bytes| values.add(bytes)),
            duration: *duration,
            late: late.as_ref().map(|late| parts::LateParts::of(late, &mut |bytes| values.add(bytes))),
            started_at: started_at.map(since_epoch),
            ended_at: ended_at.map(since_epoch),
            process: *process,
            usage: *usage,
            sweep: sweep.clone(),
            swept_by: swept_by.map(SweptByParts::from),
            stderr_tail: stderr_tail.clone(),
            exit_failure: exit_failure.as_deref().cloned().map(FailureParts),
            panics: panics.iter().cloned().map(PanicParts).collect(),
            captured: captured.as_ref().map(|captured| CapturedParts::of(captured, &mut |bytes| values.add(bytes))),
            attempts: attempts.iter().map(AttemptParts::of).collect(),
            stacks: SnapshotsMessage::of(stacks),
            leftover: leftover.clone(),
            site: site.as_ref().map(|site| (site.host.to_string(), site.slot)),
        };
        stored(&parts, &values)
    }

    /// Decodes a report that [`to_stored`](Self::to_stored) has encoded.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are damaged, or of another version.
    pub(crate) fn from_stored(bytes: &[u8], name: SystemCallName) -> Result<Self, String> {
        let (parts, mut values) = read::<ReportParts>(bytes)?;
        let outcome = parts.outcome.into_outcome(&mut |value| values.take(value))?;
        let late = parts.late.map(|late| late.into_late(&mut |value| values.take(value))).transpose()?;
        let captured =
            parts.captured.map(|captured| captured.into_captured(&mut |value| values.take(value))).transpose()?;
        values.check_end()?;
        let details = RunDetails {
            started_at: parts.started_at.map(after_epoch),
            ended_at: parts.ended_at.map(after_epoch),
            process: parts.process,
            usage: parts.usage,
            sweep: parts.sweep,
            swept_by: parts.swept_by.map(SweptBy::from),
            stderr_tail: parts.stderr_tail,
            exit_failure: parts.exit_failure.map(|FailureParts(failure)| Box::new(failure)),
            panics: parts.panics.into_iter().map(|PanicParts(panic)| panic).collect(),
            captured,
            attempts: parts.attempts.into_iter().map(|attempt| attempt.into_attempt(name)).collect(),
            checkpoint: None,
            stacks: parts.stacks.into_snapshots(name).into(),
            leftover: parts.leftover,
            reuse: None,
            is_replayed: true,
            is_cut_short: false,
            site: parts.site.map(|(host, slot)| Site { host: host.into(), slot }),
            gone_by: None,
            sequence: None,
        };
        Ok(Self { outcome, duration: parts.duration, late, details })
    }
}

#[cfg(feature = "journal")]
impl Attempt {
    /// Encodes an attempt that another one follows.
    pub(crate) fn to_stored(&self) -> Result<Vec<u8>, String> {
        stored(&AttemptParts::of(self), &WrittenValues::default())
    }

    /// Decodes an attempt that [`to_stored`](Self::to_stored) has encoded.
    ///
    /// # Errors
    ///
    /// As [`RunReport::from_stored`].
    pub(crate) fn from_stored(bytes: &[u8], name: SystemCallName) -> Result<Self, String> {
        let (parts, values) = read::<AttemptParts>(bytes)?;
        values.check_end()?;
        Ok(parts.into_attempt(name))
    }

    /// Returns an attempt that the end of the application has interrupted. More isn't known about it.
    pub(crate) fn interrupted(number: u32, started_at: SystemTime) -> Self {
        Self {
            number,
            outcome: Outcome::Error(Failure::Cancelled { begun: true }),
            started_at: Some(started_at),
            duration: Duration::ZERO,
            waited: Duration::ZERO,
            usage: Usage::default(),
            sweep: Sweep::Unproved { killed: 0 },
            stacks: [].into(),
        }
    }
}

fn stored<T: Serialize>(parts: &T, values: &WrittenValues<'_>) -> Result<Vec<u8>, String> {
    let description = codec::encode(parts).map_err(|error| error.to_string())?;
    let length = u32::try_from(description.len()).map_err(|_| "its description is over 4 GiB".to_owned())?;
    let mut bytes = Vec::with_capacity(HEADER + description.len() + values.len());
    bytes.push(VERSION);
    bytes.extend([0; 8]);
    bytes.extend(length.to_le_bytes());
    bytes.extend(description);
    values.append_to(&mut bytes);
    let checksum = checksum(&bytes[9..]);
    bytes[1..9].copy_from_slice(&checksum.to_le_bytes());
    Ok(bytes)
}

fn read<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<(T, ReadValues<'_>), String> {
    let damaged = || "it is damaged".to_owned();
    let version = *bytes.first().ok_or_else(damaged)?;
    if version != VERSION {
        return Err(format!("it is of format {version}, and this build reads format {VERSION}"));
    }
    let (expected, checked) = bytes[1..].split_first_chunk::<8>().ok_or_else(damaged)?;
    if checksum(checked) != u64::from_le_bytes(*expected) {
        return Err(damaged());
    }
    let (length, rest) = checked.split_first_chunk::<4>().ok_or_else(damaged)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| damaged())?;
    let (description, values) = rest.split_at_checked(length).ok_or_else(damaged)?;
    let parts = codec::decode(description).map_err(|error| error.to_string())?;
    Ok((parts, ReadValues::new(values)))
}

/// Returns the hash by which damage is detected: FNV-1a, eight bytes at a time.
fn checksum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let rest = rest.iter().map(|byte| u64::from(*byte));
    words.chain(rest).fold(0xcbf2_9ce4_8422_2325 ^ bytes.len() as u64, |hash, word| {
        let hash = (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        // A multiplication carries no bit downwards.
        hash ^ (hash >> 32)
    })
}

/// Returns the time since the epoch; a wall clock that was before it counts as the epoch.
fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Returns the time, or the epoch for one that no clock has.
fn after_epoch(since: Duration) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(all(test, feature = "journal"))]
mod tests;
