//! The reader of frames, given any bytes in any pieces.
//!
//! What must hold:
//!
//! - The frames, written one after the other, are what stands in the stream, from its beginning.
//! - The reader ends with what is true of the bytes behind the last frame, and it does end.
//! - At no time is more memory taken than a few times what was read so far.
//! - The pieces in which the bytes come make no difference.

#![no_main]

use std::io::{self, ErrorKind, Read};

use libfuzzer_sys::fuzz_target;
use scheduler::fuzzing::{Fault, Frames, MARK, Step, VERSION, kinds};
use scheduler_fuzz::Memory;

/// The mark of readers that know one. The seeds have it too.
const KNOWN: [u8; MARK] = *b"0123456789abcdef";

const HEADER: usize = MARK + 2 + 8;

/// What a reader takes although it read nothing yet.
const SLACK: usize = 32 << 10;

fuzz_target!(|input: &[u8]| {
    let Some((plan, stream)) = Plan::of(input) else {
        return;
    };
    let reading = plan.read(Pieces::new(stream, plan.pieces));
    plan.check(&reading, stream);
    assert_eq!(reading, plan.read(Pieces::new(stream, &[WHOLE])), "the pieces make a difference");
});

/// The first bytes of an input: how the rest is to be read.
struct Plan<'a> {
    limit: u64,
    manner: Manner,
    pieces: &'a [u8],
}

enum Manner {
    Of(Mark),
    OfAnyMark,
}

type Mark = [u8; MARK];

/// What came of a stream: frames, and why there are no more.
#[derive(Debug, PartialEq, Eq)]
struct Reading {
    frames: Vec<(u8, Vec<u8>)>,
    ending: Result<(), Fault>,
}

impl<'a> Plan<'a> {
    /// Takes it off the front.
    fn of(input: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let ([manner, limit, count], rest) = input.split_first_chunk()?;
        let manner = if manner % 2 == 0 { Manner::Of(KNOWN) } else { Manner::OfAnyMark };
        let limit = [0, 16, 4096, 1 << 30, u64::MAX][usize::from(*limit) % 5];
        let (pieces, stream) = rest.split_at_checked(usize::from(count % 16))?;
        Some((Self { limit, manner, pieces }, stream))
    }

    fn read(&self, mut stream: Pieces) -> Reading {
        let mut reader = match self.manner {
            Manner::Of(mark) => Frames::of(mark, self.limit),
            Manner::OfAnyMark => Frames::of_any_mark(self.limit),
        };
        let mut frames = Vec::with_capacity(stream.bytes.len() / HEADER);
        let memory = Memory::measured();
        let ending = loop {
            let before = (stream.read, stream.pauses);
            let step = reader.read(&mut stream);
            assert!(
                memory.most() <= 4 * stream.read + SLACK,
                "{} bytes of memory were taken for {} bytes that were read",
                memory.most(),
                stream.read
            );
            match step {
                Ok(Step::Frame(kind, payload)) => frames.push((kind, payload)),
                Ok(Step::Partial | Step::WouldBlock) => {
                    assert!(before != (stream.read, stream.pauses), "it came no further");
                }
                Ok(Step::End) => break Ok(()),
                Err(fault) => break Err(fault),
            }
        };
        Reading { frames, ending }
    }

    fn check(&self, Reading { frames, ending }: &Reading, stream: &[u8]) {
        let mark = match self.manner {
            Manner::Of(mark) => mark,
            Manner::OfAnyMark => *stream.first_chunk().unwrap_or(&KNOWN),
        };
        let mut rest = stream;
        for (kind, payload) in frames {
            let (header, behind) = rest.split_first_chunk().expect("a header stands where a frame was found");
            assert_eq!(flaw(header, mark, self.limit), None);
            assert_eq!((header[MARK + 1], length(header)), (*kind, payload.len() as u64));
            rest = behind.strip_prefix(payload.as_slice()).expect("a payload stands in the stream as it was given");
        }
        assert_eq!(*ending, what_is_left(rest, mark, self.limit), "{} bytes are left", rest.len());
    }
}

/// Tells how a reader must end whose last bytes are these, as they are no frame.
fn what_is_left(rest: &[u8], mark: Mark, limit: u64) -> Result<(), Fault> {
    let Some((header, payload)) = rest.split_first_chunk() else {
        return if rest.is_empty() { Ok(()) } else { Err(Fault::Truncated) };
    };
    let fault = flaw(header, mark, limit).unwrap_or(Fault::Truncated);
    assert!(fault != Fault::Truncated || (payload.len() as u64) < length(header), "a frame was missed");
    Err(fault)
}

/// Tells what is wrong with a header.
fn flaw(header: &[u8; HEADER], mark: Mark, limit: u64) -> Option<Fault> {
    let [version, kind] = [header[MARK], header[MARK + 1]];
    if header[..MARK] != mark {
        Some(Fault::Mark)
    } else if version != VERSION {
        Some(Fault::Version(version))
    } else if kinds().all(|known| known != kind) {
        Some(Fault::Kind(kind))
    } else {
        Some(length(header)).filter(|length| *length > limit).map(Fault::TooLong)
    }
}

fn length(header: &[u8; HEADER]) -> u64 {
    u64::from_le_bytes(*header.last_chunk().expect("a length stands at the end of a header"))
}

/// A stream that comes in pieces, and pauses between them.
struct Pieces<'a> {
    bytes: &'a [u8],
    /// A byte for each piece, over and over.
    plan: std::iter::Cycle<std::slice::Iter<'a, u8>>,
    /// What is left of the piece that is there now.
    piece: usize,
    /// How many bytes were read.
    read: usize,
    /// How often there was nothing to read.
    pauses: usize,
}

/// The plan of a piece that holds all there is.
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
