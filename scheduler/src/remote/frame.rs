//! The frames between an application and an agent, as bytes.
//!
//! ```text
//! mark      4 bytes
//! version   1 byte
//! kind      1 byte
//! flags     1 byte: whether more of the message follows in the next frame
//! reserved  1 byte, 0
//! session   8 bytes: the number that the application gave this agent, 0 before that
//! run       8 bytes: the number of the attempt, 0 if it is about none
//! length    4 bytes
//! checksum  4 bytes: the CRC-32 of the header without it, and of the payload
//! payload
//! ```
//!
//! Numbers are little-endian. The frames of a message follow each other; only beats may stand between them. The stream passes through
//! programs that aren't ours, over links that may fail: whatever isn't a whole frame of this session ends the connection, and nothing
//! is searched for a next frame. Before the first frame the agent writes a banner, which is found behind whatever a login shell
//! prints, and shows whether a terminal on the way changes bytes.

use std::fmt;
use std::ops::Range;

use crc32fast::Hasher;

/// The version of frames and messages. Raise it whenever either changes.
pub(super) const VERSION: u8 = 2;

/// What an agent writes first. A terminal would change the ends of lines, drop the zero, or take the high bits.
pub(super) const BANNER: &[u8] = b"\x89SCHEDULER-SLOT\r\n\x1a\n\0\xff";

/// The most bytes that stand before the banner.
const MOST_NOISE: usize = 64 << 10;

const MARK: [u8; 4] = [0x89, b'S', b'L', b'T'];
const HEADER: usize = 32;
const MORE: u8 = 1;

/// The most bytes of a payload; a longer message takes several frames.
pub(super) const CHUNK: usize = 256 << 10;

/// The most bytes of a message: a value of the largest size, and what travels with it.
const MOST_MESSAGE: usize = (1 << 30) + (64 << 20);

/// The number of an application's session with an agent, which is random: frames of another one don't count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Session(pub(super) u64);

/// Defines the kinds with their bytes.
macro_rules! message_kinds {
    ($($(#[$doc:meta])* $kind:ident = $byte:literal,)*) => {
        /// What a frame is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum MessageKind {
            $($(#[$doc])* $kind = $byte,)*
        }

        impl MessageKind {
            fn from_byte(byte: u8) -> Option<Self> {
                match byte {
                    $($byte => Some(Self::$kind),)*
                    _ => None,
                }
            }
        }
    };
}

message_kinds! {
    /// Agent: it is there.
    Hello = 1,
    /// Application: the session.
    Welcome = 2,
    /// Application: the agent is refused, for this reason.
    Refuse = 3,
    /// Application: the job to run.
    Run = 4,
    /// Agent: the function was called.
    Started = 5,
    /// Agent: progress, messages, checkpoints, lines of output.
    Updates = 6,
    /// Agent: how the attempt ended.
    Outcome = 7,
    /// Application: ask the job to stop, or kill it.
    Stop = 8,
    /// Application: a message of the job's handle.
    Message = 9,
    /// Agent: how many of them the job has received since the last time.
    Received = 10,
    /// Agent: a question of the job.
    Question = 11,
    /// Application: the answer.
    Answer = 12,
    /// Agent: its time. Application: the same, as an echo.
    Beat = 13,
    /// Application: exit.
    Bye = 14,
    /// Agent: its lease has passed, and it exits.
    Expired = 15,
}

/// A whole message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: MessageKind,
    pub(super) run: u64,
    pub(super) payload: Vec<u8>,
}

/// Appends one frame to the bytes that are to be sent.
pub(super) fn append(
    bytes: &mut Vec<u8>,
    session: Session,
    kind: MessageKind,
    run: u64,
    payload: &[u8],
    is_last: bool,
) {
    let start = bytes.len();
    bytes.extend(MARK);
    bytes.extend([VERSION, kind as u8, if is_last { 0 } else { MORE }, 0]);
    bytes.extend(session.0.to_le_bytes());
    bytes.extend(run.to_le_bytes());
    bytes.extend(u32::try_from(payload.len()).expect("a payload is a chunk at most").to_le_bytes());
    let checksum = checksum(&bytes[start..], payload);
    bytes.extend(checksum.to_le_bytes());
    bytes.extend_from_slice(payload);
}

fn checksum(header: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(header);
    hasher.update(payload);
    hasher.finalize()
}

/// Why a stream can't be read any further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LinkError {
    /// There is no banner, but this.
    Noise(Vec<u8>),
    /// These bytes stand where a frame was to begin.
    NoFrame(Vec<u8>),
    Version(u8),
    MessageKind(u8),
    Session,
    TooLong,
    Checksum,
    /// A message that isn't a beat began in the middle of another one, or a beat takes several frames.
    Mixed,
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().escape_debug().to_string();
        match self {
            Self::Noise(bytes) => write!(f, "no agent answered, but: {}", text(bytes)),
            Self::NoFrame(bytes) => write!(f, "something else than the agent wrote to its stream: {}", text(bytes)),
            Self::Version(version) => write!(f, "its messages have version {version}, and this build's {VERSION}"),
            Self::MessageKind(kind) => write!(f, "a frame has the unknown kind {kind}"),
            Self::Session => f.write_str("a frame belongs to another session"),
            Self::TooLong => f.write_str("a message is over the limit on its length"),
            Self::Checksum => f.write_str("a frame was changed on its way"),
            Self::Mixed => f.write_str("frames arrived in a wrong order"),
        }
    }
}

/// One frame of a buffer.
struct FoundFrame {
    kind: MessageKind,
    run: u64,
    is_last: bool,
    /// Its place in the buffer.
    payload: Range<usize>,
}

/// Takes a stream apart into messages.
#[derive(Debug)]
pub(super) struct Decoder {
    awaits_banner: bool,
    /// The session of the frames to come; that of the first ones is 0.
    session: Session,
    buffer: Vec<u8>,
    /// Where the bytes begin in it that were not read.
    at: usize,
    /// A message of which more frames follow.
    open: Option<Message>,
}

impl Decoder {
    /// Returns a decoder of what an agent writes.
    pub(super) fn of_agent() -> Self {
        Self { awaits_banner: true, ..Self::of_application() }
    }

    /// Returns a decoder of what an application writes.
    pub(super) fn of_application() -> Self {
        Self { awaits_banner: false, session: Session(0), buffer: Vec::new(), at: 0, open: None }
    }

    /// Expects this session in the frames from now on.
    pub(super) fn set_session(&mut self, session: Session) {
        self.session = session;
    }

    /// Adds bytes that were read.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.at == self.buffer.len() {
            self.buffer.clear();
            self.at = 0;
        } else if self.at > CHUNK {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns what was read so far instead of a banner.
    pub(super) fn noise(&self) -> &[u8] {
        if self.awaits_banner { &self.buffer[self.at..] } else { &[] }
    }

    /// Returns the next message, if all of it has arrived.
    pub(super) fn next(&mut self) -> Result<Option<Message>, LinkError> {
        if self.awaits_banner && !self.find_banner()? {
            return Ok(None);
        }
        loop {
            let Some(FoundFrame { kind, run, is_last, payload }) = self.next_frame()? else {
                return Ok(None);
            };
            // A beat, which is one frame, may stand within a message of several.
            let open = if kind == MessageKind::Beat { None } else { self.open.take() };
            let mut message = match open {
                None if kind == MessageKind::Beat && !is_last => return Err(LinkError::Mixed),
                None => Message { kind, run, payload: Vec::new() },
                Some(open) if open.kind == kind && open.run == run => open,
                Some(_) => return Err(LinkError::Mixed),
            };
            if message.payload.len() + payload.len() > MOST_MESSAGE {
                return Err(LinkError::TooLong);
            }
            message.payload.extend_from_slice(&self.buffer[payload.clone()]);
            self.at = payload.end;
            if is_last {
                return Ok(Some(message));
            }
            self.open = Some(message);
        }
    }

    fn find_banner(&mut self) -> Result<bool, LinkError> {
        let bytes = &self.buffer[self.at..];
        let found = bytes.windows(BANNER.len()).position(|window| window == BANNER);
        match found {
            Some(position) if position <= MOST_NOISE => {
                self.at += position + BANNER.len();
                self.awaits_banner = false;
                Ok(true)
            }
            None if bytes.len() <= MOST_NOISE + BANNER.len() => Ok(false),
            _ => Err(LinkError::Noise(excerpt(bytes))),
        }
    }

    /// Returns the next frame, if all of it has arrived.
    fn next_frame(&mut self) -> Result<Option<FoundFrame>, LinkError> {
        let bytes = &self.buffer[self.at..];
        let mark = &bytes[..bytes.len().min(MARK.len())];
        if !MARK.starts_with(mark) {
            return Err(LinkError::NoFrame(excerpt(bytes)));
        }
        let Some(header) = bytes.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let number = |at: usize| u64::from_le_bytes(*header[at..].first_chunk().expect("eight bytes follow"));
        let short = |at: usize| u32::from_le_bytes(*header[at..].first_chunk().expect("four bytes follow"));
        if header[4] != VERSION {
            return Err(LinkError::Version(header[4]));
        }
        let length = usize::try_from(short(24)).map_err(|_| LinkError::TooLong)?;
        if length > CHUNK {
            return Err(LinkError::TooLong);
        }
        let Some(payload) = bytes[HEADER..].get(..length) else {
            return Ok(None);
        };
        // A fuzzer would find no frame that has it.
        if checksum(&header[..28], payload) != short(28) && !cfg!(fuzzing) {
            return Err(LinkError::Checksum);
        }
        let kind = MessageKind::from_byte(header[5]).ok_or(LinkError::MessageKind(header[5]))?;
        if Session(number(8)) != self.session {
            return Err(LinkError::Session);
        }
        let start = self.at + HEADER;
        let is_last = header[6] & MORE == 0;
        Ok(Some(FoundFrame { kind, run: number(16), is_last, payload: start..start + length }))
    }
}

/// Returns the first bytes, to be shown.
fn excerpt(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len().min(200)].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(session: u64, kind: MessageKind, run: u64, payload: &[u8], is_last: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        append(&mut bytes, Session(session), kind, run, payload, is_last);
        bytes
    }

    fn decoded(bytes: &[u8]) -> Result<Vec<Message>, LinkError> {
        let mut decoder = Decoder::of_application();
        let mut messages = Vec::new();
        // Byte by byte: a frame may arrive in any pieces.
        for byte in bytes {
            decoder.push(&[*byte]);
            messages.extend(decoder.next()?);
        }
        Ok(messages)
    }

    #[test]
    fn messages_come_back_whole() {
        let bytes = [
            frame(0, MessageKind::Run, 7, b"first ", false),
            frame(0, MessageKind::Run, 7, b"second", true),
            frame(0, MessageKind::Bye, 0, b"", true),
        ];
        let run = Message { kind: MessageKind::Run, run: 7, payload: b"first second".to_vec() };
        assert_eq!(
            decoded(&bytes.concat()),
            Ok(vec![run, Message { kind: MessageKind::Bye, run: 0, payload: Vec::new() }])
        );
    }

    #[test]
    fn a_banner_is_found_behind_noise() {
        let mut decoder = Decoder::of_agent();
        decoder.push(b"Welcome to node7!\n\x89SCHED");
        assert_eq!(decoder.next(), Ok(None));
        decoder.push(b"\n");
        decoder.push(&[BANNER, &frame(0, MessageKind::Hello, 0, b"x", true)].concat());
        assert_eq!(decoder.next().map(|message| message.map(|message| message.kind)), Ok(Some(MessageKind::Hello)));
        let mut decoder = Decoder::of_agent();
        decoder.push(&vec![b'n'; MOST_NOISE + 2 * BANNER.len()]);
        assert_eq!(decoder.next(), Err(LinkError::Noise(vec![b'n'; 200])));
    }

    #[test]
    fn a_terminal_on_the_way_is_detected() {
        let mut decoder = Decoder::of_agent();
        let changed: Vec<u8> = BANNER.iter().copied().filter(|byte| *byte != b'\r').collect();
        decoder.push(&changed);
        assert_eq!(decoder.next(), Ok(None));
        assert_eq!(decoder.noise(), changed);
    }

    #[test]
    fn whatever_bit_changes_the_frame_is_refused() {
        let whole = frame(0, MessageKind::Outcome, 3, b"the result", true);
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            // One that got longer waits for more, which ends with the connection.
            assert!(decoded(&bytes).is_err_and(|_| true) || decoded(&bytes) == Ok(vec![]), "bit {bit}");
        }
    }

    #[test]
    fn foreign_bytes_and_frames_are_refused() {
        assert_eq!(decoded(b"srun: error"), Err(LinkError::NoFrame(b"s".to_vec())));
        assert_eq!(decoded(&frame(1, MessageKind::Bye, 0, b"", true)), Err(LinkError::Session));
        let mixed = [frame(0, MessageKind::Run, 7, b"a", false), frame(0, MessageKind::Run, 8, b"b", true)];
        assert_eq!(decoded(&mixed.concat()), Err(LinkError::Mixed));
        assert_eq!(decoded(&frame(0, MessageKind::Beat, 0, b"a", false)), Err(LinkError::Mixed));
    }
}
