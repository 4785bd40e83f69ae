//! The decoders of the messages between processes, given any bytes.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fmt::Debug;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::MemoryMeter;
use crate::checkpoint::Checkpoint;
use crate::outcome::ProcessSnapshot;
use crate::wire::codec;
use crate::wire::frame::{self, FrameKind, FrameReader, StreamMark};
use crate::wire::message::{CallEnded, ExitReport, FailureMessage, PanicMessage, Request};
use crate::wire::snapshots_message::SnapshotsMessage;
use crate::wire::value::Encoding;

/// The bytes of memory that a value may take for each of its bytes: an entry of a map of one entry takes the most.
const TIMES: usize = 512;

/// The bytes of memory that may be taken in any case.
const SLACK: usize = 16 << 10;

/// Decodes a message. The first byte of the input chooses the decoder; the rest is the message.
///
/// # Panics
///
/// If one of these properties doesn't hold:
///
/// - Bytes are decoded or refused; nothing panics.
/// - A decoded value can be encoded, and decodes to an equal value again.
/// - A request in frames is read if, and only if, it decodes, and the arguments after it are unchanged.
/// - It never takes more memory than a multiple of the bytes, whatever lengths they announce.
pub fn messages(input: &[u8], meter: MemoryMeter) {
    let Some((kind, bytes)) = input.split_first() else {
        return;
    };
    let input = FuzzInput { bytes, meter };
    match kind % 10 {
        0 => input.check_stream(),
        1 => input.check_payloads(),
        2 => input.check_round_trip::<Request>(),
        3 => input.check_round_trip::<ExitReport>(),
        4 => input.check_round_trip::<FailureMessage>(),
        5 => input.check_round_trip::<PanicMessage>(),
        6 => input.check_round_trip::<Argument>(),
        7 => input.check_checkpoint(),
        9 => input.check_round_trip::<CallEnded>(),
        _ => input.check_snapshots(),
    }
}

/// An argument of a user's job, with a value of every shape in `serde`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Argument {
    shapes: Vec<ArgumentShape>,
    numbers: (i8, i16, i32, i64, i128),
    counts: (u16, u32, u64, u128, usize),
    names: BTreeMap<String, Option<PathBuf>>,
    nested: Box<[Vec<Vec<u8>>]>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum ArgumentShape {
    Unit,
    New(CString),
    Tuple(char, bool, ()),
    Struct { time: Duration, text: String },
}

#[derive(Clone, Copy)]
struct FuzzInput<'a> {
    bytes: &'a [u8],
    meter: MemoryMeter,
}

impl FuzzInput<'_> {
    /// Runs code that may take a multiple of the input's length in memory.
    fn bounded<T>(self, action: impl FnOnce() -> T) -> T {
        (self.meter.start)();
        let value = action();
        let (peak, length) = ((self.meter.peak)(), self.bytes.len());
        assert!(peak <= TIMES * length + SLACK, "{peak} bytes of memory were taken for {length} bytes");
        value
    }

    fn check_round_trip<T: Debug + PartialEq + Serialize + DeserializeOwned>(self) {
        if let Ok(message) = self.bounded(|| codec::decode::<T>(self.bytes)) {
            assert_eq!(codec::decode(&encoded(&message)), Ok(message));
        }
    }

    /// The input is a checkpoint, which contains its type.
    fn check_checkpoint(self) {
        let decode = |bytes: &[u8]| Checkpoint::from_bytes(bytes.to_vec()).decoded::<u64>().ok();
        let Some(saved) = self.bounded(|| decode(self.bytes)) else {
            return;
        };
        let encoded = Checkpoint::encoded(&saved, Encoding::Compact).expect("a decoded value can be encoded");
        assert_eq!(decode(&encoded), Some(saved));
        let other = Checkpoint::from_bytes(self.bytes.to_vec()).decoded::<u32>();
        assert!(other.is_err(), "it is of another type");
    }

    /// The input is the snapshots of a job's processes, which the job may have forged.
    fn check_snapshots(self) {
        self.check_round_trip::<SnapshotsMessage>();
        let Ok(message) = codec::decode::<SnapshotsMessage>(self.bytes) else {
            return;
        };
        // Only what this process reads of its own: the files that the modules name are not opened.
        let message = SnapshotsMessage { modules: Vec::new(), ..message };
        let snapshots = message.into_snapshots(|_| None);
        let text = ProcessSnapshot::tree(&snapshots).to_string();
        assert!(!text.contains(|character: char| character != '\n' && character.is_control()), "{text:?}");
    }

    /// The input is everything that a warden and its job read.
    fn check_stream(self) {
        let Some(read) = self.bounded(|| RunFrames::read(self.bytes)) else {
            return;
        };
        let mark = *self.bytes.first_chunk().expect("a frame begins with a mark");
        let (_, rest) = self.bytes.split_at(StreamMark::LEN + 2);
        let length = rest.first_chunk().map(|length| u64::from_le_bytes(*length)).expect("a header ends with a length");
        let length = usize::try_from(length).expect("the request was read");
        let frames = read.frames(mark, &rest[8..8 + length]);
        assert!(self.bytes.starts_with(&frames), "the frames differ from the input");
        assert_eq!(RunFrames::read(&read.frames(mark, &encoded(&read.request))), Some(read));
    }

    /// The input is a request and its arguments, to be read from valid frames.
    fn check_payloads(self) {
        let Some((length, payloads)) = self.bytes.split_first() else {
            return;
        };
        let Some((request, arguments)) = payloads.split_at_checked(usize::from(*length)) else {
            return;
        };
        let mark = *b"0123456789abcdef";
        let stream = [frame(mark, FrameKind::Request, request), frame(mark, FrameKind::Arguments, arguments)].concat();
        let input = FuzzInput { bytes: &stream, ..self };
        let read = input.bounded(|| RunFrames::read(&stream));
        assert_eq!(read.is_some(), codec::decode::<Request>(request).is_ok());
        assert!(read.is_none_or(|read| read.arguments == arguments));
    }
}

/// The frames of a run from the parent: here in one stream, otherwise in those of a warden and its job.
#[derive(Debug, PartialEq, Eq)]
struct RunFrames {
    request: Request,
    checkpoint: Option<Vec<u8>>,
    arguments: Vec<u8>,
}

impl RunFrames {
    fn read(mut stream: &[u8]) -> Option<Self> {
        let mut frames = FrameReader::learning_mark(frame::LIMIT);
        let request = codec::decode(&frames.expect(&mut stream, FrameKind::Request)?).ok()?;
        let (checkpoint, mut payload) = frames.payload_after(FrameKind::Resume, FrameKind::Arguments, stream)?;
        Some(Self { request, checkpoint, arguments: payload.read_to_end()? })
    }

    fn frames(&self, mark: [u8; StreamMark::LEN], request: &[u8]) -> Vec<u8> {
        let checkpoint = self.checkpoint.as_ref().map(|saved| frame(mark, FrameKind::Resume, saved));
        let arguments = frame(mark, FrameKind::Arguments, &self.arguments);
        [frame(mark, FrameKind::Request, request), checkpoint.unwrap_or_default(), arguments].concat()
    }
}

fn frame(mark: [u8; StreamMark::LEN], kind: FrameKind, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::write(&mut bytes, StreamMark::from_bytes(mark), kind, payload).expect("a vector takes all");
    bytes
}

fn encoded(message: &impl Serialize) -> Vec<u8> {
    codec::encode(message).expect("a decoded value can be encoded")
}
