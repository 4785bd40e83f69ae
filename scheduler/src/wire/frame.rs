//! Frames: a stream mark, a version, a kind, a length and that many bytes.
//!
//! The mark is random and differs for every stream, so that no other bytes on the stream pass for a frame. Every header
//! contains the version: a frame of another build is refused before its length is used. A length is compared with the limit
//! and then only counted down; memory is allocated as bytes arrive, never because a header announced them.

use std::fmt;
use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use super::payload::Payload;

/// The version of frames and messages. Raise it whenever either changes.
pub(crate) const VERSION: u8 = 15;

/// The maximum length of a payload, in bytes: 1 GiB.
pub(crate) const LIMIT: u64 = 1 << 30;

/// The number of bytes of a payload that are read before the caller checks its clock again.
const STEP: u64 = 1 << 20;

const HEADER: usize = StreamMark::LEN + 2 + 8;

/// The random token that every frame of one stream begins with.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StreamMark([u8; StreamMark::LEN]);

impl StreamMark {
    pub(crate) const LEN: usize = 16;

    pub(crate) fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for StreamMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The secret stays out of logs.
        f.write_str("StreamMark(..)")
    }
}

/// The kind of a frame, with its sender and receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FrameKind {
    /// Parent to warden: the job to run.
    Request = 1,
    /// Parent to job: the encoded arguments.
    Arguments = 2,
    /// Parent to warden: kill the job and all that it started.
    Kill = 3,
    /// Parent to warden: the query for [`Ready`](Self::Ready).
    ReadyQuery = 4,
    /// Parent to job: stop within the grace period.
    Stop = 5,
    /// Parent to warden: send SIGTERM to the job's process group.
    Terminate = 6,
    /// Parent to job, before the arguments: the checkpoint of an earlier attempt.
    Resume = 7,
    /// Parent to warden: make the process of the next job ahead, in this way.
    Prepare = 8,
    /// Parent to warden: send [`Snapshots`](Self::Snapshots), and let the job go on.
    Capture = 10,
    /// Parent to warden: the same, but kill the job and all that it started, which stay stopped until then.
    CaptureAndKill = 11,
    /// Parent to job: the reply to a request for more time.
    ExtensionReply = 12,
    /// Parent to warden: the function's time limit was extended to this duration.
    Extend = 13,
    /// Parent to job: a message of the job's handle.
    UserMessage = 14,
    /// Parent to job: the answer to a question.
    Answer = 15,
    /// Warden (or job, without wardens) to parent: the job's process exists.
    Hello = 16,
    /// Warden or job to parent: the reason why the function can't be called.
    Refused = 17,
    /// Warden to parent: the job has exited and everything that it started is swept.
    Exit = 18,
    /// Warden to parent: how it will create the processes of its jobs.
    Ready = 19,
    /// Warden to parent: the job's process can't be created for lack of a resource that other jobs will free.
    NoRoom = 20,
    /// Job to parent, without wardens: its process is being killed at a deadline that the parent missed, after its function
    /// ran for this time.
    Expired = 21,
    /// Warden to parent: where the processes of the job are.
    Snapshots = 22,
    /// Parent to warden: the job may live until this time since the machine's start.
    Renew = 23,
    /// Job to parent: the function is being called now.
    Started = 32,
    /// Job to parent: a panic of any thread, which may yet be caught.
    Panicking = 33,
    /// Job to parent: a checkpoint.
    Checkpoint = 37,
    /// Job to parent: the progress, as the amounts done and total.
    Progress = 38,
    /// Job to parent: a status message.
    Message = 39,
    /// Job to parent: it makes progress.
    Alive = 41,
    /// Job to parent: a request for more time.
    Extension = 42,
    /// Job to parent: it has received the first of the messages that it had not received.
    MessageReceived = 43,
    /// Job to parent: a question, which is answered.
    Question = 44,
    /// Job to parent, after the value, if its process may serve several calls: whether it serves another one.
    CallEnded = 45,
    /// Job to parent: the time that the function ran before it returned or panicked. Its outcome follows once it is
    /// encoded.
    Elapsed = 36,
    /// Job to parent: the value that the function returned.
    Value = 34,
    /// Job to parent: the reason why the function returned no value.
    Failed = 35,
    /// Job to parent: the panic that aborts the process; sent once more with the backtrace, if one is wanted.
    Fatal = 40,
}

impl FrameKind {
    pub(crate) const ALL: [Self; 36] = [
        Self::Request,
        Self::Arguments,
        Self::Kill,
        Self::ReadyQuery,
        Self::Stop,
        Self::Terminate,
        Self::Resume,
        Self::Prepare,
        Self::Capture,
        Self::CaptureAndKill,
        Self::ExtensionReply,
        Self::Extend,
        Self::UserMessage,
        Self::Answer,
        Self::Hello,
        Self::Refused,
        Self::Exit,
        Self::Renew,
        Self::Ready,
        Self::NoRoom,
        Self::Expired,
        Self::Snapshots,
        Self::Started,
        Self::Panicking,
        Self::Checkpoint,
        Self::Progress,
        Self::Message,
        Self::Alive,
        Self::Extension,
        Self::MessageReceived,
        Self::Question,
        Self::CallEnded,
        Self::Elapsed,
        Self::Value,
        Self::Failed,
        Self::Fatal,
    ];

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// A complete frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: FrameKind,
    pub(crate) payload: Vec<u8>,
}

/// Returns the header of a frame whose payload is sent after it.
pub(crate) fn header(mark: StreamMark, kind: FrameKind, length: usize) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..StreamMark::LEN].copy_from_slice(&mark.0);
    header[StreamMark::LEN] = VERSION;
    header[StreamMark::LEN + 1] = kind as u8;
    header[StreamMark::LEN + 2..].copy_from_slice(&(length as u64).to_le_bytes());
    header
}

/// Writes one frame to a blocking stream; a small one in a single write.
pub(crate) fn write(stream: &mut impl Write, mark: StreamMark, kind: FrameKind, payload: &[u8]) -> io::Result<()> {
    write_after(stream, Vec::new(), mark, kind, payload)
}

/// Writes other bytes and one frame after them.
pub(crate) fn write_after(
    stream: &mut impl Write,
    mut bytes: Vec<u8>,
    mark: StreamMark,
    kind: FrameKind,
    payload: &[u8],
) -> io::Result<()> {
    bytes.extend_from_slice(&header(mark, kind, payload.len()));
    if payload.len() <= 4096 {
        bytes.extend_from_slice(payload);
        return stream.write_all(&bytes);
    }
    stream.write_all(&bytes)?;
    stream.write_all(payload)
}

/// The result of one step of reading.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ReadStep {
    /// A complete frame.
    Frame(Frame),
    /// Part of a frame; more bytes may be available.
    Partial,
    /// No bytes are available now.
    WouldBlock,
    /// The end of the stream, between frames.
    End,
}

/// The reason why a stream holds no valid frame.
#[derive(Debug)]
pub(crate) enum FrameError {
    /// A header without the stream's mark.
    Mark,
    /// A header with another version.
    Version(u8),
    /// A header with an unknown kind.
    Kind(u8),
    /// A header that announces more bytes than the limit.
    TooLong(u64),
    /// The end of the stream inside a frame.
    Truncated,
    Io(io::Error),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mark => f.write_str("a frame doesn't have the mark of this stream"),
            Self::Version(version) => {
                write!(f, "a frame has version {version} where {VERSION} was expected: the process runs another build")
            }
            Self::Kind(kind) => write!(f, "a frame has the unknown kind {kind}"),
            Self::TooLong(length) => write!(f, "a frame of {length} bytes is over the limit"),
            Self::Truncated => f.write_str("the stream ended inside a frame"),
            Self::Io(error) => write!(f, "reading failed: {error}"),
        }
    }
}

/// Reads frames from a stream, which may be blocking or not and may pause anywhere.
#[derive(Debug)]
pub(crate) struct FrameReader {
    /// `None` until the first header is read: a warden learns the mark from its first request.
    mark: Option<StreamMark>,
    limit: u64,
    buffer: Vec<u8>,
    /// The frame whose header has been read.
    open: Option<PartialFrame>,
}

#[derive(Debug)]
struct PartialFrame {
    kind: FrameKind,
    left: u64,
    payload: Vec<u8>,
}

impl PartialFrame {
    /// Returns the number of bytes in `buffer` that belong to this frame.
    fn available(&self, buffer: &[u8]) -> usize {
        usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()))
    }
}

impl FrameReader {
    /// Returns a reader of frames with this mark and payloads of up to `limit` bytes.
    pub(crate) fn new(mark: StreamMark, limit: u64) -> Self {
        Self { mark: Some(mark), ..Self::learning_mark(limit) }
    }

    /// Returns a reader that learns the mark from the first frame.
    pub(crate) fn learning_mark(limit: u64) -> Self {
        Self { mark: None, limit, buffer: Vec::new(), open: None }
    }

    /// Returns the mark, once it is known.
    #[cfg_attr(windows, allow(dead_code, reason = "only a warden needs it"))]
    pub(crate) fn mark(&self) -> Option<StreamMark> {
        self.mark
    }

    /// Returns the payload of the next frame of a blocking stream, if the frame is of this kind.
    pub(crate) fn expect(&mut self, stream: &mut impl Read, kind: FrameKind) -> Option<Vec<u8>> {
        let (found, mut payload) = self.next_payload(stream)?;
        if found == kind { payload.read_to_end() } else { None }
    }

    /// Returns the payload of the next frame of a blocking stream, unread, if the frame is of this kind. Returns also the
    /// payload of the frame before it, if that is of the kind `before`.
    pub(crate) fn payload_after<S: Read>(
        &mut self,
        before: FrameKind,
        kind: FrameKind,
        stream: S,
    ) -> Option<(Option<Vec<u8>>, Payload<S>)> {
        let (mut found, mut payload) = self.next_payload(stream)?;
        let mut first = None;
        if found == before {
            first = Some(payload.read_to_end()?);
            (found, payload) = self.next_payload(payload.into_stream())?;
        }
        (found == kind).then_some((first, payload))
    }

    /// Returns the kind and the unread payload of the next frame of a blocking stream.
    fn next_payload<S: Read>(&mut self, mut stream: S) -> Option<(FrameKind, Payload<S>)> {
        loop {
            if let Some(open) = self.open_frame().ok()? {
                let begun = self.buffer.drain(..open.available(&self.buffer)).collect();
                return Some((open.kind, Payload::new(begun, open.left, stream)));
            }
            match read_once(&mut stream, &mut self.buffer) {
                Ok(0) => return None,
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return None,
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// Returns the kind of the frame that has arrived in part.
    pub(crate) fn open_kind(&self) -> Option<FrameKind> {
        self.open.as_ref().map(|open| open.kind)
    }

    /// Returns whether bytes were read beyond the last frame.
    pub(crate) fn has_buffered(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Returns a complete frame, or makes one bounded step towards it.
    pub(crate) fn read(&mut self, stream: &mut impl Read) -> Result<ReadStep, FrameError> {
        if let Some(frame) = self.assemble()? {
            return Ok(ReadStep::Frame(frame));
        }
        let read = match &mut self.open {
            // A payload is read into its final buffer, in steps, so that the caller can check its clock in between.
            Some(open) => {
                let read = read_up_to(open.left.min(STEP), stream, &mut open.payload);
                read.inspect(|count| open.left -= *count as u64)
            }
            None => read_once(stream, &mut self.buffer),
        };
        match read {
            Ok(0) => self.end(),
            Ok(_) => Ok(self.assemble()?.map_or(ReadStep::Partial, ReadStep::Frame)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(ReadStep::WouldBlock),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(ReadStep::Partial),
            Err(error) => Err(FrameError::Io(error)),
        }
    }

    fn end(&self) -> Result<ReadStep, FrameError> {
        let between_frames = self.open.is_none() && self.buffer.is_empty();
        if between_frames { Ok(ReadStep::End) } else { Err(FrameError::Truncated) }
    }

    /// Returns the next frame if the buffered bytes complete it.
    fn assemble(&mut self) -> Result<Option<Frame>, FrameError> {
        if self.open.is_none() {
            self.open = self.open_frame()?;
        }
        let Some(open) = &mut self.open else {
            return Ok(None);
        };
        let available = open.available(&self.buffer);
        open.payload.extend(self.buffer.drain(..available));
        open.left -= available as u64;
        if open.left > 0 {
            return Ok(None);
        }
        Ok(self.open.take().map(|PartialFrame { kind, payload, .. }| Frame { kind, payload }))
    }

    /// Removes a header from the buffer, if it is complete.
    fn open_frame(&mut self) -> Result<Option<PartialFrame>, FrameError> {
        let Some(header) = self.buffer.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let (mark, rest) = header.split_first_chunk::<{ StreamMark::LEN }>().expect("a header begins with a mark");
        let mark = StreamMark::from_bytes(*mark);
        if *self.mark.get_or_insert(mark) != mark {
            return Err(FrameError::Mark);
        }
        let [version, kind, length @ ..] = rest else { unreachable!("a version, a kind and a length follow the mark") };
        if *version != VERSION {
            return Err(FrameError::Version(*version));
        }
        let kind = FrameKind::from_byte(*kind).ok_or(FrameError::Kind(*kind))?;
        let left = u64::from_le_bytes(length.try_into().expect("a length has eight bytes"));
        if left > self.limit {
            return Err(FrameError::TooLong(left));
        }
        self.buffer.drain(..HEADER);
        Ok(Some(PartialFrame { kind, left, payload: Vec::new() }))
    }
}

fn read_once(stream: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let mut chunk = [0; 8192];
    let count = stream.read(&mut chunk)?;
    buffer.extend_from_slice(&chunk[..count]);
    Ok(count)
}

/// Reads until `limit` bytes have arrived, or the stream ends or would block; an error counts only if no byte came before.
fn read_up_to(limit: u64, stream: &mut impl Read, payload: &mut Vec<u8>) -> io::Result<usize> {
    let before = payload.len();
    let result = stream.take(limit).read_to_end(payload);
    match payload.len() - before {
        0 => result,
        count => Ok(count),
    }
}

#[cfg(test)]
mod tests;
