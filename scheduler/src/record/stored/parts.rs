//! The parts of a stored report. The `Serialize` of the public types is for records, and has no way back.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::values::StoredValue;
use super::{SystemCallName, after_epoch, since_epoch};
use crate::outcome::{
    Attempt, Captured, Failure, Late, Location, Outcome, Overrun, OverrunKind, Panic, Piece, StandardStream, Sweep,
    SweptBy, Usage,
};
use crate::sync::lock;
use crate::wire::snapshots_message::SnapshotsMessage;

/// Adds the bytes of a value.
type Add<'f, 'a> = &'f mut dyn FnMut(&'a [u8]) -> StoredValue;
/// Takes the bytes of the next value.
type Take<'f> = &'f mut dyn FnMut(StoredValue) -> Result<Vec<u8>, String>;

#[derive(Serialize, Deserialize)]
pub(super) enum OutcomeParts<V> {
    Ok(V),
    Error(FailureParts),
    Timeout(OverrunParts<V>),
}

impl OutcomeParts<StoredValue> {
    pub(super) fn of<'a>(outcome: &'a Outcome<Vec<u8>>, add: Add<'_, 'a>) -> Self {
        match outcome {
            Outcome::Ok(bytes) => Self::Ok(add(bytes)),
            Outcome::Error(failure) => Self::Error(FailureParts(failure.clone())),
            Outcome::Timeout(overrun) => Self::Timeout(OverrunParts {
                late: overrun.late().map(|late| LateParts::of(late, add)),
                ..OverrunParts::without_late(overrun)
            }),
        }
    }

    pub(super) fn into_outcome(self, take: Take<'_>) -> Result<Outcome<Vec<u8>>, String> {
        Ok(match self {
            Self::Ok(value) => Outcome::Ok(take(value)?),
            Self::Error(FailureParts(failure)) => Outcome::Error(failure),
            Self::Timeout(mut parts) => {
                let late = parts.late.take().map(|late| late.into_late(take)).transpose()?;
                Outcome::Timeout(parts.into_overrun(late))
            }
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct OverrunParts<V> {
    limit: Duration,
    #[serde(with = "OverrunKindParts")]
    kind: OverrunKind,
    grace: Duration,
    late: Option<LateParts<V>>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "OverrunKind")]
enum OverrunKindParts {
    Timeout,
    TotalTimeout,
    Stall,
    Silence,
}

impl<V> OverrunParts<V> {
    fn without_late<T>(overrun: &Overrun<T>) -> Self {
        Self { limit: overrun.limit(), kind: overrun.kind(), grace: overrun.grace(), late: None }
    }

    fn into_overrun<T>(self, late: Option<Late<T>>) -> Overrun<T> {
        Overrun::new(self.limit, self.grace, late).of_kind(self.kind)
    }
}

#[derive(Serialize, Deserialize)]
pub(super) enum LateParts<V> {
    Value(V),
    Failure(Box<FailureParts>),
}

impl LateParts<StoredValue> {
    pub(super) fn of<'a>(late: &'a Late<Vec<u8>>, add: Add<'_, 'a>) -> Self {
        match late {
            Late::Value(bytes) => Self::Value(add(bytes)),
            Late::Failure(failure) => Self::Failure(Box::new(FailureParts((**failure).clone()))),
        }
    }

    pub(super) fn into_late(self, take: Take<'_>) -> Result<Late<Vec<u8>>, String> {
        Ok(match self {
            Self::Value(value) => Late::Value(take(value)?),
            Self::Failure(failure) => Late::Failure(Box::new(failure.0)),
        })
    }
}

/// `serde` takes a reference that it sees for one into the bytes.
type SignalName = &'static str;

/// A failure; of an [`Overrun`] in one, which `Outcome` never has, without its value.
#[derive(Serialize, Deserialize)]
pub(super) struct FailureParts(#[serde(with = "FailureFields")] pub(super) Failure);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Failure")]
enum FailureFields {
    Returned {
        message: String,
        sources: Vec<String>,
    },
    Panicked(#[serde(with = "PanicFields")] Panic),
    Signaled {
        signal: i32,
        #[serde(deserialize_with = "interned")]
        name: SignalName,
        core_dumped: bool,
    },
    StackOverflow {
        message: String,
    },
    OutOfMemory {
        limit: Option<u64>,
    },
    CpuTime {
        limit: Duration,
    },
    FileSize {
        limit: u64,
    },
    Exited {
        code: i32,
    },
    BadExit {
        code: i32,
    },
    ExitTimeout {
        limit: Duration,
    },
    Unserializable {
        message: String,
    },
    Undelivered {
        limit: Duration,
    },
    NeverStarted {
        reason: String,
    },
    Cancelled {
        begun: bool,
    },
    ProtocolBroken {
        message: String,
    },
    Timeout(#[serde(with = "overrun")] Overrun),
    Lost {
        host: String,
        slot: usize,
        begun: bool,
        end: SystemTime,
        reason: String,
    },
}

mod overrun {
    use super::{
        Deserialize, Deserializer, FailureParts, Late, LateParts, Overrun, OverrunParts, Serialize, Serializer,
    };

    pub(super) fn serialize<S: Serializer>(overrun: &Overrun, serializer: S) -> Result<S::Ok, S::Error> {
        let late = overrun.late().map(|late| match late {
            Late::Value(()) => LateParts::Value(()),
            Late::Failure(failure) => LateParts::Failure(Box::new(FailureParts((**failure).clone()))),
        });
        OverrunParts { late, ..OverrunParts::without_late(overrun) }.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Overrun, D::Error> {
        let mut parts = OverrunParts::<()>::deserialize(deserializer)?;
        let late = parts.late.take().map(|late| match late {
            LateParts::Value(()) => Late::Value(()),
            LateParts::Failure(failure) => Late::Failure(Box::new(failure.0)),
        });
        Ok(parts.into_overrun(late))
    }
}

/// Reads the name of a signal, of which there are a few.
fn interned<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static str, D::Error> {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    /// More than any system has.
    const MOST: usize = 256;

    let name = String::deserialize(deserializer)?;
    let mut names = lock(&NAMES);
    if let Some(known) = names.get(&*name) {
        return Ok(*known);
    }
    if names.len() >= MOST {
        return Ok("unknown");
    }
    let name: &'static str = Box::leak(name.into_boxed_str());
    names.insert(name);
    Ok(name)
}

#[derive(Serialize, Deserialize)]
pub(super) struct PanicParts(#[serde(with = "PanicFields")] pub(super) Panic);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Panic")]
struct PanicFields {
    message: String,
    #[serde(with = "location")]
    location: Option<Location>,
    thread: Option<String>,
    backtrace: Option<String>,
}

mod location {
    use super::{Deserialize, Deserializer, Location, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde passes a field by reference")]
    pub(super) fn serialize<S: Serializer>(location: &Option<Location>, serializer: S) -> Result<S::Ok, S::Error> {
        location.as_ref().map(|Location { file, line, column }| (file, line, column)).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Location>, D::Error> {
        let location = Option::deserialize(deserializer)?;
        Ok(location.map(|(file, line, column)| Location { file, line, column }))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Usage")]
pub(super) struct UsageParts {
    user: Duration,
    system: Duration,
    peak_memory: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Sweep")]
pub(super) enum SweepParts {
    Clean,
    Killed { count: usize },
    Escaped { pids: Vec<u32> },
    Unproved { killed: usize },
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct SweptByParts(#[serde(with = "SweptByVariants")] SweptBy);

#[derive(Serialize, Deserialize)]
#[serde(remote = "SweptBy")]
enum SweptByVariants {
    Warden,
    Cgroup,
    JobObject,
    Search,
}

impl From<SweptBy> for SweptByParts {
    fn from(swept_by: SweptBy) -> Self {
        Self(swept_by)
    }
}

impl From<SweptByParts> for SweptBy {
    fn from(SweptByParts(swept_by): SweptByParts) -> Self {
        swept_by
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct CapturedParts {
    has_stdout: bool,
    has_stderr: bool,
    pieces: Vec<PieceParts>,
}

#[derive(Serialize, Deserialize)]
struct PieceParts {
    is_stderr: bool,
    bytes: StoredValue,
    left_out: u64,
}

impl CapturedParts {
    pub(super) fn of<'a>(captured: &'a Captured, add: Add<'_, 'a>) -> Self {
        let has = |stream| captured.has(stream);
        let piece = |piece: &'a Piece| PieceParts {
            is_stderr: piece.stream == StandardStream::Stderr,
            bytes: add(&piece.bytes),
            left_out: piece.left_out,
        };
        let (has_stdout, has_stderr) = (has(StandardStream::Stdout), has(StandardStream::Stderr));
        Self { has_stdout, has_stderr, pieces: captured.pieces().map(piece).collect() }
    }

    pub(super) fn into_captured(self, take: Take<'_>) -> Result<Captured, String> {
        let stream = |is_stderr| if is_stderr { StandardStream::Stderr } else { StandardStream::Stdout };
        let streams = [(self.has_stdout, false), (self.has_stderr, true)].into_iter();
        let streams: Vec<_> = streams.filter(|(has, _)| *has).map(|(_, is_stderr)| stream(is_stderr)).collect();
        let piece = |piece: PieceParts| {
            let PieceParts { is_stderr, bytes, left_out } = piece;
            Ok(Piece { stream: stream(is_stderr), bytes: take(bytes)?, left_out })
        };
        let pieces = self.pieces.into_iter().map(piece).collect::<Result<Vec<_>, String>>()?;
        Ok(Captured::of(streams, pieces))
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct AttemptParts {
    number: u32,
    outcome: OutcomeParts<()>,
    /// Since the epoch.
    started_at: Option<Duration>,
    duration: Duration,
    waited: Duration,
    #[serde(with = "UsageParts")]
    usage: Usage,
    #[serde(with = "SweepParts")]
    sweep: Sweep,
    stacks: SnapshotsMessage,
}

impl AttemptParts {
    pub(super) fn of(attempt: &Attempt) -> Self {
        let outcome = match &attempt.outcome {
            Outcome::Ok(()) => OutcomeParts::Ok(()),
            Outcome::Error(failure) => OutcomeParts::Error(FailureParts(failure.clone())),
            Outcome::Timeout(overrun) => OutcomeParts::Error(FailureParts(Failure::Timeout(overrun.clone()))),
        };
        Self {
            number: attempt.number,
            outcome,
            started_at: attempt.started_at.map(since_epoch),
            duration: attempt.duration,
            waited: attempt.waited,
            usage: attempt.usage,
            sweep: attempt.sweep.clone(),
            stacks: SnapshotsMessage::of(&attempt.stacks),
        }
    }

    pub(super) fn into_attempt(self, name: SystemCallName) -> Attempt {
        let outcome = match self.outcome {
            OutcomeParts::Ok(()) => Outcome::Ok(()),
            OutcomeParts::Error(FailureParts(Failure::Timeout(overrun))) => Outcome::Timeout(overrun),
            OutcomeParts::Error(FailureParts(failure)) => Outcome::Error(failure),
            // Never written.
            OutcomeParts::Timeout(parts) => Outcome::Timeout(parts.into_overrun(None)),
        };
        Attempt {
            number: self.number,
            outcome,
            started_at: self.started_at.map(after_epoch),
            duration: self.duration,
            waited: self.waited,
            usage: self.usage,
            sweep: self.sweep,
            stacks: self.stacks.into_snapshots(name).into(),
        }
    }
}
