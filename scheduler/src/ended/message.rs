//! The serialized form of an [`Ended`]. Its first field is its version, so that another one is refused before anything else is
//! read.

use std::time::{Duration, SystemTime};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Ended;
use crate::call::AnyJob;
use crate::checkpoint::Checkpoint;
use crate::options::Cause;
use crate::outcome::{Captured, Location, Panic, Piece, ProcessSnapshot, StandardStream, Sweep, Usage};
use crate::process;
use crate::wire::hex_bytes::HexBytes;
use crate::wire::snapshots_message::SnapshotsMessage;

/// The version of the form. It changes with the meaning of a field, or with a field that a reader can't do without.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(rename = "Ended")]
struct EndedMessage {
    version: FormVersion,
    key: String,
    job_id: String,
    call: AnyJob,
    cause: Cause,
    error: Option<String>,
    limit: Option<Duration>,
    elapsed: Duration,
    attempt: u32,
    /// Since the beginning of 1970; `None` for an earlier moment as well.
    started_at: Option<Duration>,
    ended_at: Option<Duration>,
    stderr_tail: String,
    output: Option<OutputMessage>,
    panics: Vec<EndedPanic>,
    checkpoint: Option<HexBytes>,
    stacks: SnapshotsMessage,
    usage: UsageMessage,
    sweep: SweepMessage,
}

#[derive(Serialize)]
struct FormVersion(u32);

impl<'de> Deserialize<'de> for FormVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            VERSION => Ok(Self(VERSION)),
            other => Err(D::Error::custom(format!(
                "an `Ended` of version {other} was written by another version of `scheduler`; this one reads version {VERSION}"
            ))),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct OutputMessage {
    stdout: bool,
    stderr: bool,
    pieces: Vec<PieceMessage>,
}

#[derive(Serialize, Deserialize)]
struct PieceMessage {
    is_stdout: bool,
    bytes: HexBytes,
    left_out: u64,
}

#[derive(Serialize, Deserialize)]
struct EndedPanic {
    message: String,
    location: Option<(String, u32, u32)>,
    thread: Option<String>,
    backtrace: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct UsageMessage {
    user: Duration,
    system: Duration,
    peak_memory: u64,
}

#[derive(Serialize, Deserialize)]
enum SweepMessage {
    Clean,
    Killed { count: usize },
    Escaped { pids: Vec<u32> },
    Unproved { killed: usize },
}

impl Serialize for Ended {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let since_epoch = |moment: SystemTime| moment.duration_since(SystemTime::UNIX_EPOCH).ok();
        let message = EndedMessage {
            version: FormVersion(VERSION),
            key: self.key.clone(),
            job_id: self.job_id.clone(),
            call: self.call.clone(),
            cause: self.cause,
            error: self.error.clone(),
            limit: self.limit,
            elapsed: self.elapsed,
            attempt: self.attempt,
            started_at: self.started_at.and_then(since_epoch),
            ended_at: since_epoch(self.finished_at),
            stderr_tail: self.stderr_tail.clone(),
            output: self.output.as_ref().map(output_message),
            panics: self.panics.iter().map(panic_message).collect(),
            checkpoint: self.checkpoint.as_ref().map(|checkpoint| HexBytes(checkpoint.bytes().to_vec())),
            stacks: SnapshotsMessage::of(&self.stacks),
            usage: UsageMessage {
                user: self.usage.user,
                system: self.usage.system,
                peak_memory: self.usage.peak_memory,
            },
            sweep: match self.sweep.clone() {
                Sweep::Clean => SweepMessage::Clean,
                Sweep::Killed { count } => SweepMessage::Killed { count },
                Sweep::Escaped { pids } => SweepMessage::Escaped { pids },
                Sweep::Unproved { killed } => SweepMessage::Unproved { killed },
            },
        };
        message.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Ended {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let message = EndedMessage::deserialize(deserializer)?;
        let moment = |since: Duration| SystemTime::UNIX_EPOCH.checked_add(since);
        let UsageMessage { user, system, peak_memory } = message.usage;
        Ok(Self {
            key: message.key,
            job_id: message.job_id,
            call: message.call,
            cause: message.cause,
            error: message.error,
            limit: message.limit,
            elapsed: message.elapsed,
            attempt: message.attempt,
            started_at: message.started_at.and_then(moment),
            finished_at: message.ended_at.and_then(moment).unwrap_or(SystemTime::UNIX_EPOCH),
            stderr_tail: message.stderr_tail,
            output: message.output.map(output),
            panics: message.panics.into_iter().map(panic).collect(),
            checkpoint: message.checkpoint.map(|HexBytes(bytes)| Checkpoint::from_bytes(bytes)),
            stacks: snapshots(message.stacks),
            usage: Usage { user, system, peak_memory },
            sweep: match message.sweep {
                SweepMessage::Clean => Sweep::Clean,
                SweepMessage::Killed { count } => Sweep::Killed { count },
                SweepMessage::Escaped { pids } => Sweep::Escaped { pids },
                SweepMessage::Unproved { killed } => Sweep::Unproved { killed },
            },
        })
    }
}

fn snapshots(message: SnapshotsMessage) -> Vec<ProcessSnapshot> {
    message.into_snapshots(process::system_call_name)
}

fn output_message(output: &Captured) -> OutputMessage {
    let piece = |piece: &Piece| PieceMessage {
        is_stdout: piece.stream == StandardStream::Stdout,
        bytes: HexBytes(piece.bytes.clone()),
        left_out: piece.left_out,
    };
    OutputMessage {
        stdout: output.has(StandardStream::Stdout),
        stderr: output.has(StandardStream::Stderr),
        pieces: output.pieces().map(piece).collect(),
    }
}

fn output(message: OutputMessage) -> Captured {
    let streams = [(StandardStream::Stdout, message.stdout), (StandardStream::Stderr, message.stderr)];
    let streams: Vec<_> =
        streams.into_iter().filter(|(_, is_captured)| *is_captured).map(|(stream, _)| stream).collect();
    let piece = |piece: PieceMessage| Piece {
        stream: if piece.is_stdout { StandardStream::Stdout } else { StandardStream::Stderr },
        bytes: piece.bytes.0,
        left_out: piece.left_out,
    };
    Captured::of(streams, message.pieces.into_iter().map(piece))
}

fn panic_message(panic: &Panic) -> EndedPanic {
    let Panic { message, location, thread, backtrace } = panic.clone();
    let location = location.map(|Location { file, line, column }| (file, line, column));
    EndedPanic { message, location, thread, backtrace }
}

fn panic(message: EndedPanic) -> Panic {
    let EndedPanic { message, location, thread, backtrace } = message;
    let location = location.map(|(file, line, column)| Location { file, line, column });
    Panic { message, location, thread, backtrace }
}
