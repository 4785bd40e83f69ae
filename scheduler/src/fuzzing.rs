//! Doors for the fuzz targets in `fuzz/`, to what reads the bytes of another process. Nothing of it is in a usual build.

use std::fmt::Debug;
use std::io::Read;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::checkpoint::Checkpoint;
use crate::wire::codec;
use crate::wire::frame::{self, FrameError, FrameKind, FrameReader, ReadStep, StreamMark};
use crate::wire::message::{ExitReport, FailureMessage, Raised, Request};
use crate::wire::value::Encoding;

/// The version in each header.
pub const VERSION: u8 = frame::VERSION;

/// How long a mark is.
pub const MARK: usize = StreamMark::LEN;

/// Returns the bytes that stand for the kinds of frames.
pub fn kinds() -> impl Iterator<Item = u8> {
    FrameKind::ALL.into_iter().map(|kind| kind as u8)
}

/// What one call of [`Frames::read`] comes to.
#[derive(Debug)]
pub enum Step {
    /// A frame, by the byte of its kind and its payload.
    Frame(u8, Vec<u8>),
    /// More may be there.
    Partial,
    /// Nothing is there now.
    WouldBlock,
    /// The stream has ended.
    End,
}

/// What a stream is refused for.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// A header has another mark.
    Mark,
    /// A header has another version, this one.
    Version(u8),
    /// A header has a kind that is none, this one.
    Kind(u8),
    /// A header announces too much, so many bytes.
    TooLong(u64),
    /// The stream ends inside a frame.
    Truncated,
    /// The stream can't be read.
    Io,
}

/// The reader of frames.
#[derive(Debug)]
pub struct Frames(FrameReader);

impl Frames {
    /// Returns one that knows the mark.
    #[must_use]
    pub fn of(mark: [u8; MARK], limit: u64) -> Self {
        Self(FrameReader::new(StreamMark::from_bytes(mark), limit))
    }

    /// Returns one that learns the mark from the first frame.
    #[must_use]
    pub fn of_any_mark(limit: u64) -> Self {
        Self(FrameReader::learning_mark(limit))
    }

    /// Makes one step.
    ///
    /// # Errors
    ///
    /// Fails if the stream is not one of frames.
    pub fn read(&mut self, stream: &mut impl Read) -> Result<Step, Fault> {
        match self.0.read(stream) {
            Ok(ReadStep::Frame(frame)) => Ok(Step::Frame(frame.kind as u8, frame.payload)),
            Ok(ReadStep::Partial) => Ok(Step::Partial),
            Ok(ReadStep::WouldBlock) => Ok(Step::WouldBlock),
            Ok(ReadStep::End) => Ok(Step::End),
            Err(FrameError::Mark) => Err(Fault::StreamMark),
            Err(FrameError::Version(version)) => Err(Fault::Version(version)),
            Err(FrameError::Kind(kind)) => Err(Fault::FrameKind(kind)),
            Err(FrameError::TooLong(length)) => Err(Fault::TooLong(length)),
            Err(FrameError::Truncated) => Err(Fault::Truncated),
            Err(FrameError::Io(_)) => Err(Fault::Io),
        }
    }
}

/// What a warden is told, and its job: here in one stream.
#[derive(Debug, PartialEq, Eq)]
pub struct Assignment {
    mark: StreamMark,
    request: Request,
    checkpoint: Option<Vec<u8>>,
    arguments: Vec<u8>,
}

impl Assignment {
    /// Reads it as they do.
    pub fn read(stream: &mut impl Read) -> Option<Self> {
        let mut frames = FrameReader::learning_mark(frame::LIMIT);
        let request = codec::decode(&frames.expect(stream, FrameKind::Request)?).ok()?;
        let (checkpoint, mut payload) = frames.payload_after(FrameKind::Resume, FrameKind::Arguments, stream)?;
        Some(Self { mark: frames.mark()?, request, checkpoint, arguments: payload.read_to_end()? })
    }

    /// Writes it as it was read.
    #[must_use]
    pub fn written(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let request = encode(&self.request);
        let checkpoint = self.checkpoint.as_ref().map(|payload| (FrameKind::Resume, payload));
        let frames = [Some((FrameKind::Request, &request)), checkpoint, Some((FrameKind::Arguments, &self.arguments))];
        for (kind, payload) in frames.into_iter().flatten() {
            frame::write(&mut bytes, self.mark, kind, payload).expect("a vector takes all");
        }
        bytes
    }

    /// Returns what an earlier attempt has saved, if there was one.
    #[must_use]
    pub fn checkpoint(&self) -> Option<&[u8]> {
        self.checkpoint.as_deref()
    }

    /// Returns the arguments.
    #[must_use]
    pub fn arguments(&self) -> &[u8] {
        &self.arguments
    }
}

/// What travels in frames.
pub trait Message: Debug + PartialEq + Serialize + DeserializeOwned {}

impl<T: Debug + PartialEq + Serialize + DeserializeOwned> Message for T {}

/// Turns bytes into a message, if they are one.
#[must_use]
pub fn decode<T: Message>(bytes: &[u8]) -> Option<T> {
    codec::decode(bytes).ok()
}

/// Turns a message into bytes.
pub fn encode(message: &impl Message) -> Vec<u8> {
    codec::encode(message).expect("what was decoded can be encoded")
}

/// Decodes which job to run.
#[must_use]
pub fn request(bytes: &[u8]) -> Option<impl Message + use<>> {
    decode::<Request>(bytes)
}

/// Decodes a warden's last word.
#[must_use]
pub fn exit_report(bytes: &[u8]) -> Option<impl Message + use<>> {
    decode::<ExitReport>(bytes)
}

/// Decodes why a function gave no value.
#[must_use]
pub fn report(bytes: &[u8]) -> Option<impl Message + use<>> {
    decode::<FailureMessage>(bytes)
}

/// Decodes what a job has saved, as whoever resumes from it does.
#[must_use]
pub fn checkpoint<T: Message>(bytes: &[u8]) -> Option<T> {
    Checkpoint::from_bytes(bytes.to_vec()).decoded().ok()
}

/// Turns a message into what a job saves it as.
pub fn saved(message: &impl Message) -> Vec<u8> {
    Checkpoint::encoded(message, Encoding::Compact).expect("what was decoded can be saved")
}

/// Decodes a panic.
#[must_use]
pub fn panic(bytes: &[u8]) -> Option<impl Message + use<>> {
    decode::<Raised>(bytes)
}
