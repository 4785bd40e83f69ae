//! The reader of frames, given any bytes in any pieces.

use std::io::{self, ErrorKind, Read};

use super::MemoryMeter;
use crate::wire::frame::{Frame, FrameError, FrameKind, FrameReader, ReadStep, StreamMark, VERSION};

type Mark = [u8; StreamMark::LEN];

/// The mark of readers that know one, and of the seeds.
const KNOWN: Mark = *b"0123456789abcdef";

const HEADER: usize = StreamMark::LEN + 2 + 8;

/// The memory that a reader may take before it has read anything.
const SLACK: usize = 32 << 10;

/// Reads a stream. The first bytes of the input choose the reader, the limit and the pieces; the rest is the stream.
///
/// # Panics
///
/// If one of these properties doesn't hold:
///
/// - The frames, written one after the other, are the beginning of the stream.
/// - The reader ends, and for the right reason.
/// - It never takes more memory than a few times the bytes that it has read.
/// - The pieces in which the bytes arrive make no difference.
pub fn frames(input: &[u8], meter: MemoryMeter) {
    let Some((plan, stream)) = Plan::parse(input) else {
        return;
    };
    let result = plan.read(Pieces::new(stream, plan.pieces), meter);
    plan.check(&result, stream);
    assert_eq!(result, plan.read(Pieces::new(stream, &[WHOLE]), meter), "the pieces make a difference");
}

struct Plan<'a> {
    limit: u64,
    /// `None` for a reader that learns the mark.
    mark: Option<Mark>,
    pieces: &'a [u8],
}

/// The frames of a stream, and the error after them, as text.
#[derive(Debug, PartialEq, Eq)]
struct StreamContent {
    frames: Vec<Frame>,
    error: Option<String>,
}

impl<'a> Plan<'a> {
    fn parse(input: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let ([mode, limit, count], rest) = input.split_first_chunk()?;
        let mark = (mode % 2 == 0).then_some(KNOWN);
        let limit = [0, 16, 4096, 1 << 30, u64::MAX][usize::from(*limit) % 5];
        let (pieces, stream) = rest.split_at_checked(usize::from(count % 16))?;
        Some((Self { limit, mark, pieces }, stream))
    }

    fn read(&self, mut stream: Pieces<'_>, meter: MemoryMeter) -> StreamContent {
        let mut reader = match self.mark {
            Some(mark) => FrameReader::new(StreamMark::from_bytes(mark), self.limit),
            None => FrameReader::learning_mark(self.limit),
        };
        let mut frames = Vec::with_capacity(stream.bytes.len() / HEADER);
        (meter.start)();
        let error = loop {
            let before = (stream.read, stream.pauses);
            let step = reader.read(&mut stream);
            let (peak, read) = ((meter.peak)(), stream.read);
            assert!(peak <= 4 * read + SLACK, "{peak} bytes of memory were taken for {read} bytes that were read");
            match step {
                Ok(ReadStep::Frame(frame)) => frames.push(frame),
                Ok(ReadStep::Partial | ReadStep::WouldBlock) => {
                    assert!(before != (stream.read, stream.pauses), "the reader made no progress");
                }
                Ok(ReadStep::End) => break None,
                Err(error) => break Some(error.to_string()),
            }
        };
        StreamContent { frames, error }
    }

    fn check(&self, StreamContent { frames, error }: &StreamContent, stream: &[u8]) {
        let mark = self.mark.unwrap_or_else(|| *stream.first_chunk().unwrap_or(&KNOWN));
        let mut rest = stream;
        for Frame { kind, payload } in frames {
            let (header, after) = rest.split_first_chunk().expect("a frame has a header");
            assert!(header_error(header, mark, self.limit).is_none());
            assert_eq!((header[StreamMark::LEN + 1], length(header)), (*kind as u8, payload.len() as u64));
            rest = after.strip_prefix(payload.as_slice()).expect("a payload is part of the stream");
        }
        let expected = error_at(rest, mark, self.limit).map(|error| error.to_string());
        assert_eq!(*error, expected, "{} bytes are left", rest.len());
    }
}

/// Returns the error of a reader at these last bytes, which hold no complete frame.
fn error_at(rest: &[u8], mark: Mark, limit: u64) -> Option<FrameError> {
    let Some((header, payload)) = rest.split_first_chunk() else {
        return (!rest.is_empty()).then_some(FrameError::Truncated);
    };
    let error = header_error(header, mark, limit);
    assert!(error.is_some() || (payload.len() as u64) < length(header), "a frame was missed");
    error.or(Some(FrameError::Truncated))
}

fn header_error(header: &[u8; HEADER], mark: Mark, limit: u64) -> Option<FrameError> {
    let [version, kind] = [header[StreamMark::LEN], header[StreamMark::LEN + 1]];
    if header[..StreamMark::LEN] != mark {
        Some(FrameError::Mark)
    } else if version != VERSION {
        Some(FrameError::Version(version))
    } else if FrameKind::ALL.iter().all(|known| *known as u8 != kind) {
        Some(FrameError::Kind(kind))
    } else {
        Some(length(header)).filter(|length| *length > limit).map(FrameError::TooLong)
    }
}

fn length(header: &[u8; HEADER]) -> u64 {
    u64::from_le_bytes(*header.last_chunk().expect("a header ends with a length"))
}

/// A stream whose bytes arrive in pieces, with pauses between them.
struct Pieces<'a> {
    bytes: &'a [u8],
    /// A byte for each piece, repeated.
    plan: std::iter::Cycle<std::slice::Iter<'a, u8>>,
    /// The bytes left of the current piece.
    piece: usize,
    /// The number of bytes that were read.
    read: usize,
    /// The number of reads without a byte.
    pauses: usize,
}

/// The plan of a piece that holds the whole stream.
const WHOLE: u8 = 31;

impl<'a> Pieces<'a> {
    fn new(bytes: &'a [u8], plan: &'a [u8]) -> Self {
        let plan = if plan.is_empty() { &[WHOLE] } else { plan };
        Self { bytes, plan: plan.iter().cycle(), piece: 0, read: 0, pauses: 0 }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.bytes[self.read..];
        if self.piece == 0 && !rest.is_empty() {
            let plan = *self.plan.next().expect("a cycle has no end");
            self.piece = match plan % 32 {
                WHOLE => usize::MAX,
                size @ ..16 => usize::from(size) + 1,
                size => 1 << (size - 16),
            };
            let pause = [None, None, Some(ErrorKind::WouldBlock), Some(ErrorKind::Interrupted)][usize::from(plan >> 6)];
            if let Some(pause) = pause {
                self.pauses += 1;
                return Err(pause.into());
            }
        }
        let size = self.piece.min(buffer.len()).min(rest.len());
        buffer[..size].copy_from_slice(&rest[..size]);
        self.piece -= size;
        self.read += size;
        Ok(size)
    }
}
