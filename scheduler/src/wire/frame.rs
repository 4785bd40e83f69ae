//! Frames: a mark, a version, a kind, a length and that many bytes.
//!
//! The mark is random and made anew for every stream, so that nothing else that reaches the stream can pass for a frame.
//! The version stands in every header: a frame of another build is refused before its length is believed. A length is
//! compared with the limit and then only counted down; memory is taken as bytes arrive, never because a header
//! promised them.

use std::fmt;
use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use super::payload::Payload;

/// The version of frames and messages. Raise it whenever either changes.
pub(crate) const VERSION: u8 = 10;

/// The most that a payload may hold, in bytes: 1 GiB.
pub(crate) const LIMIT: u64 = 1 << 30;

/// How many bytes of a payload are read before the caller looks at its clock again.
const STEP: u64 = 1 << 20;

const HEADER: usize = Mark::LEN + 2 + 8;

/// The random token that every frame of one stream begins with.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark([u8; Mark::LEN]);

impl Mark {
    pub(crate) const LEN: usize = 16;

    pub(crate) fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is random and secret stays out of logs.
        f.write_str("Mark(..)")
    }
}

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Parent to warden: the job to run.
    Request = 1,
    /// Parent to job: the encoded arguments.
    Arguments = 2,
    /// Parent to warden: end the job and all that it started.
    Kill = 3,
    /// Parent to warden: how will it make the processes of its jobs?
    Ask = 4,
    /// Parent to job: its time is over, and it may end in order within its grace period.
    Stop = 5,
    /// Parent to warden: ask the processes of the job's group to end.
    Terminate = 6,
    /// Parent to job, before the arguments: what an earlier attempt has saved.
    Resume = 7,
    /// Warden to parent, or job to parent where there is no warden: the job's process exists.
    Hello = 16,
    /// Warden or job to parent: the function can't be called, and why.
    Refused = 17,
    /// Warden to parent: the job has ended, and all that it started.
    Exit = 18,
    /// Warden to parent: how it will make the processes of its jobs.
    Ready = 19,
    /// Warden to parent: there is no room for the job's process, and why: there will be once others have ended.
    NoRoom = 20,
    /// Job to parent, where there is no warden: it is being killed at a deadline that the parent has not kept, after its
    /// function ran that long.
    Expired = 21,
    /// Job to parent: the function is being called now.
    Started = 32,
    /// Job to parent: a panic was raised, in any thread; it may yet be caught.
    Panicking = 33,
    /// Job to parent: what it has saved of its work.
    Checkpoint = 37,
    /// Job to parent: how much it has done, of how much.
    Progress = 38,
    /// Job to parent: what it is at.
    Message = 39,
    /// Job to parent: the function has returned or panicked, and how long it ran. Its outcome follows once it is encoded.
    Took = 36,
    /// Job to parent: the function returned this value.
    Value = 34,
    /// Job to parent: the function gave no value, and why.
    Failed = 35,
    /// Job to parent: this panic ends the process; sent once more with the backtrace, where one is wanted.
    Fatal = 40,
}

impl Kind {
    pub(crate) const ALL: [Self; 22] = [
        Self::Request,
        Self::Arguments,
        Self::Kill,
        Self::Ask,
        Self::Stop,
        Self::Terminate,
        Self::Resume,
        Self::Hello,
        Self::Refused,
        Self::Exit,
        Self::Ready,
        Self::NoRoom,
        Self::Expired,
        Self::Started,
        Self::Panicking,
        Self::Checkpoint,
        Self::Progress,
        Self::Message,
        Self::Took,
        Self::Value,
        Self::Failed,
        Self::Fatal,
    ];

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// One frame that arrived whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) payload: Vec<u8>,
}

/// Returns the header of a frame whose payload is sent after it.
pub(crate) fn header(mark: Mark, kind: Kind, length: usize) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..Mark::LEN].copy_from_slice(&mark.0);
    header[Mark::LEN] = VERSION;
    header[Mark::LEN + 1] = kind as u8;
    header[Mark::LEN + 2..].copy_from_slice(&(length as u64).to_le_bytes());
    header
}

/// Writes one frame to a blocking stream; a small one in a single write.
pub(crate) fn write(stream: &mut impl Write, mark: Mark, kind: Kind, payload: &[u8]) -> io::Result<()> {
    write_behind(stream, Vec::new(), mark, kind, payload)
}

/// Does the same with other bytes before it.
pub(crate) fn write_behind(
    stream: &mut impl Write,
    mut bytes: Vec<u8>,
    mark: Mark,
    kind: Kind,
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

/// How far reading came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// A frame is complete.
    Frame(Frame),
    /// More was read, and more may be there.
    Partial,
    /// Nothing can be read now.
    WouldBlock,
    /// The stream ended where a frame could have begun.
    End,
}

/// Why a stream is not one of frames.
#[derive(Debug)]
pub(crate) enum FrameError {
    /// A header doesn't begin with the mark of this run.
    Mark,
    Version(u8),
    Kind(u8),
    /// A header announces more than the limit.
    TooLong(u64),
    /// The stream ended inside a frame.
    Truncated,
    Io(io::Error),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mark => f.write_str("a frame doesn't bear the mark of this run"),
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

/// Reads frames from a stream that may block, may not, and may stop anywhere.
#[derive(Debug)]
pub(crate) struct FrameReader {
    /// `None` until the first header told it: the warden learns the mark from the request.
    mark: Option<Mark>,
    limit: u64,
    buffer: Vec<u8>,
    /// The frame whose header has been read.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    kind: Kind,
    left: u64,
    payload: Vec<u8>,
}

impl Open {
    /// Returns how many of these bytes belong to it.
    fn at_hand(&self, buffer: &[u8]) -> usize {
        usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()))
    }
}

impl FrameReader {
    /// Returns a reader of frames with this mark and payloads of up to `limit` bytes.
    pub(crate) fn new(mark: Mark, limit: u64) -> Self {
        Self { mark: Some(mark), ..Self::learning_the_mark(limit) }
    }

    /// Returns a reader that takes the mark of the first frame for the run's.
    pub(crate) fn learning_the_mark(limit: u64) -> Self {
        Self { mark: None, limit, buffer: Vec::new(), open: None }
    }

    /// Returns the mark, once it is known.
    #[cfg_attr(windows, allow(dead_code, reason = "only a warden needs it"))]
    pub(crate) fn mark(&self) -> Option<Mark> {
        self.mark
    }

    /// Returns the payload of the next frame, if that is of this kind, from a stream that blocks.
    pub(crate) fn expect(&mut self, stream: &mut impl Read, kind: Kind) -> Option<Vec<u8>> {
        let (found, mut payload) = self.next_payload(stream)?;
        if found == kind { payload.whole() } else { None }
    }

    /// Returns the payload of the next frame, if that is of this kind, as it comes from a stream that blocks. The payload of a
    /// frame of another kind that may stand before it comes along.
    pub(crate) fn payload_behind<S: Read>(
        &mut self,
        before: Kind,
        kind: Kind,
        stream: S,
    ) -> Option<(Option<Vec<u8>>, Payload<S>)> {
        let (mut found, mut payload) = self.next_payload(stream)?;
        let mut first = None;
        if found == before {
            first = Some(payload.whole()?);
            (found, payload) = self.next_payload(payload.into_stream())?;
        }
        (found == kind).then_some((first, payload))
    }

    /// Returns the kind and the payload of the next frame, from a stream that blocks.
    fn next_payload<S: Read>(&mut self, mut stream: S) -> Option<(Kind, Payload<S>)> {
        loop {
            if let Some(open) = self.open_frame().ok()? {
                let begun = self.buffer.drain(..open.at_hand(&self.buffer)).collect();
                return Some((open.kind, Payload::new(begun, open.left, stream)));
            }
            match read_once(&mut stream, &mut self.buffer) {
                Ok(0) => return None,
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return None,
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// Returns the kind of the frame that has come in part.
    pub(crate) fn open_kind(&self) -> Option<Kind> {
        self.open.as_ref().map(|open| open.kind)
    }

    /// Says whether bytes have been read beyond the last frame.
    pub(crate) fn has_buffered(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Returns a frame that is complete, or makes one bounded step towards it.
    pub(crate) fn read(&mut self, stream: &mut impl Read) -> Result<Progress, FrameError> {
        if let Some(frame) = self.assemble()? {
            return Ok(Progress::Frame(frame));
        }
        let read = match &mut self.open {
            // A payload is read to where it stays, in steps that leave the caller time to look at its clock.
            Some(open) => {
                let read = read_up_to(open.left.min(STEP), stream, &mut open.payload);
                read.inspect(|count| open.left -= *count as u64)
            }
            None => read_once(stream, &mut self.buffer),
        };
        match read {
            Ok(0) => self.end(),
            Ok(_) => Ok(self.assemble()?.map_or(Progress::Partial, Progress::Frame)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Progress::WouldBlock),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Progress::Partial),
            Err(error) => Err(FrameError::Io(error)),
        }
    }

    fn end(&self) -> Result<Progress, FrameError> {
        let between_frames = self.open.is_none() && self.buffer.is_empty();
        if between_frames { Ok(Progress::End) } else { Err(FrameError::Truncated) }
    }

    /// Returns the next frame if the bytes at hand complete it.
    fn assemble(&mut self) -> Result<Option<Frame>, FrameError> {
        if self.open.is_none() {
            self.open = self.open_frame()?;
        }
        let Some(open) = &mut self.open else {
            return Ok(None);
        };
        let at_hand = open.at_hand(&self.buffer);
        open.payload.extend(self.buffer.drain(..at_hand));
        open.left -= at_hand as u64;
        if open.left > 0 {
            return Ok(None);
        }
        Ok(self.open.take().map(|Open { kind, payload, .. }| Frame { kind, payload }))
    }

    /// Takes a header off the buffer, if a whole one is there.
    fn open_frame(&mut self) -> Result<Option<Open>, FrameError> {
        let Some(header) = self.buffer.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let (mark, rest) = header.split_first_chunk::<{ Mark::LEN }>().expect("a header begins with a mark");
        let mark = Mark::from_bytes(*mark);
        if *self.mark.get_or_insert(mark) != mark {
            return Err(FrameError::Mark);
        }
        let [version, kind, length @ ..] = rest else { unreachable!("a version, a kind and a length follow the mark") };
        if *version != VERSION {
            return Err(FrameError::Version(*version));
        }
        let kind = Kind::from_byte(*kind).ok_or(FrameError::Kind(*kind))?;
        let left = u64::from_le_bytes(length.try_into().expect("a length has eight bytes"));
        if left > self.limit {
            return Err(FrameError::TooLong(left));
        }
        self.buffer.drain(..HEADER);
        Ok(Some(Open { kind, left, payload: Vec::new() }))
    }
}

fn read_once(stream: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let mut chunk = [0; 8192];
    let count = stream.read(&mut chunk)?;
    buffer.extend_from_slice(&chunk[..count]);
    Ok(count)
}

/// Reads until `limit` bytes came, the stream ended or would block; an error counts only if nothing came before it.
fn read_up_to(limit: u64, stream: &mut impl Read, payload: &mut Vec<u8>) -> io::Result<usize> {
    let before = payload.len();
    let result = stream.take(limit).read_to_end(payload);
    match payload.len() - before {
        0 => result,
        count => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const MARK: Mark = Mark(*b"0123456789abcdef");

    /// The longest payload: longer than two chunks of reading, or what Miri, which is slow, has the time for.
    const LONGEST: usize = if cfg!(miri) { 150 } else { 20_000 };
    /// The longest piece.
    const SHORTER: usize = if cfg!(miri) { 70 } else { 9000 };

    /// A stream that gives its bytes in pieces, with a "would block" after each.
    struct Pieces<'a> {
        bytes: &'a [u8],
        sizes: std::iter::Cycle<std::vec::IntoIter<usize>>,
        blocked: bool,
    }

    impl<'a> Pieces<'a> {
        fn new(bytes: &'a [u8], sizes: Vec<usize>) -> Self {
            Self { bytes, sizes: sizes.into_iter().cycle(), blocked: false }
        }
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.blocked = !self.blocked;
            if self.blocked {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let size = self.sizes.next().expect("a cycle has no end").min(buffer.len());
            let size = size.min(self.bytes.len());
            let (piece, rest) = self.bytes.split_at(size);
            buffer[..size].copy_from_slice(piece);
            self.bytes = rest;
            Ok(size)
        }
    }

    fn written(frames: &[Frame]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for frame in frames {
            write(&mut bytes, MARK, frame.kind, &frame.payload).expect("a vector takes all");
        }
        bytes
    }

    fn read_all(mut reader: FrameReader, stream: &mut impl Read) -> Result<Vec<Frame>, FrameError> {
        let mut frames = Vec::new();
        loop {
            match reader.read(stream)? {
                Progress::Frame(frame) => frames.push(frame),
                Progress::Partial | Progress::WouldBlock => {}
                Progress::End => return Ok(frames),
            }
        }
    }

    fn any_frame() -> impl Strategy<Value = Frame> {
        let kind = proptest::sample::select(Kind::ALL.to_vec());
        (kind, vec(any::<u8>(), 0..LONGEST)).prop_map(|(kind, payload)| Frame { kind, payload })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else { 256 }, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn frames_survive_any_splitting(frames in vec(any_frame(), 0..4), sizes in vec(1..SHORTER, 1..5)) {
            let bytes = written(&frames);
            let read = read_all(FrameReader::new(MARK, LONGEST as u64), &mut Pieces::new(&bytes, sizes));
            prop_assert_eq!(read.expect("these are frames"), frames);
        }

        #[test]
        fn a_cut_stream_never_gives_a_frame_that_was_not_whole(frame in any_frame(), cut in any::<prop::sample::Index>()) {
            let mut bytes = written(&[frame]);
            bytes.truncate(cut.index(bytes.len()));
            match read_all(FrameReader::new(MARK, LONGEST as u64), &mut bytes.as_slice()) {
                Ok(frames) => prop_assert!(frames.is_empty() && bytes.is_empty()),
                Err(error) => prop_assert!(matches!(error, FrameError::Truncated)),
            }
        }

        #[test]
        fn garbage_never_panics_and_never_allocates_what_it_promises(bytes in vec(any::<u8>(), 0..LONGEST.min(200))) {
            let mut stream = MARK.0.to_vec();
            stream.extend(bytes);
            let mut reader = FrameReader::new(MARK, u64::MAX);
            let mut stream = stream.as_slice();
            while let Ok(Progress::Frame(_) | Progress::Partial) = reader.read(&mut stream) {}
            let taken = reader.open.map_or(0, |open| open.payload.capacity());
            prop_assert!(taken < 1 << 16, "{} bytes were taken", taken);
        }
    }

    #[test]
    fn a_frame_over_the_limit_is_refused_by_its_header() {
        let bytes = header(MARK, Kind::Value, 11);
        let error = FrameReader::new(MARK, 10).read(&mut bytes.as_slice()).expect_err("it is too long");
        assert!(matches!(error, FrameError::TooLong(11)), "{error}");
    }

    #[test]
    fn a_frame_with_another_mark_is_refused() {
        let bytes = header(Mark([7; Mark::LEN]), Kind::Value, 0);
        let error = FrameReader::new(MARK, 10).read(&mut bytes.as_slice()).expect_err("it isn't ours");
        assert!(matches!(error, FrameError::Mark), "{error}");
    }

    #[test]
    fn a_frame_of_another_version_or_kind_is_refused() {
        let mut bytes = header(MARK, Kind::Value, 0);
        bytes[Mark::LEN] = VERSION + 1;
        let error = FrameReader::new(MARK, 10).read(&mut bytes.as_slice()).expect_err("it isn't this build's");
        assert!(error.to_string().contains("runs another build"), "{error}");
        bytes[Mark::LEN..Mark::LEN + 2].copy_from_slice(&[VERSION, 99]);
        let error = FrameReader::new(MARK, 10).read(&mut bytes.as_slice()).expect_err("there is no such kind");
        assert!(matches!(error, FrameError::Kind(99)), "{error}");
    }

    #[test]
    fn the_warden_learns_the_mark_from_the_first_frame() {
        let mut bytes = written(&[Frame { kind: Kind::Request, payload: vec![1] }]);
        bytes.extend(header(Mark([7; Mark::LEN]), Kind::Kill, 0));
        let mut reader = FrameReader::learning_the_mark(10);
        let mut stream = bytes.as_slice();
        assert!(matches!(reader.read(&mut stream), Ok(Progress::Frame(_))));
        assert_eq!(reader.mark(), Some(MARK));
        assert!(matches!(reader.read(&mut stream), Err(FrameError::Mark)));
    }

    #[test]
    fn a_payload_is_had_with_that_of_the_frame_before_it_and_leaves_what_follows() {
        let frame = |kind, payload: &[u8]| Frame { kind, payload: payload.to_vec() };
        let long = vec![7; LONGEST];
        let [saved, arguments] = [frame(Kind::Resume, b"saved"), frame(Kind::Arguments, &long)];
        for (before, frames) in [(None, vec![arguments.clone()]), (Some(b"saved".to_vec()), vec![saved, arguments])] {
            let bytes = written(&[frames, vec![frame(Kind::Stop, b"")]].concat());
            let mut reader = FrameReader::new(MARK, LIMIT);
            let given = reader.payload_behind(Kind::Resume, Kind::Arguments, &*bytes);
            let (first, mut payload) = given.expect("they are what comes");
            assert_eq!(first, before);
            assert!(payload.whole().is_some_and(|whole| whole == long));
            assert_eq!(reader.expect(&mut payload.into_stream(), Kind::Stop), Some(vec![]));
            // Cut short it is none, nor of another kind.
            let cut = &bytes[..bytes.len() - HEADER - 1];
            let given = FrameReader::new(MARK, LIMIT).payload_behind(Kind::Resume, Kind::Arguments, cut);
            assert!(given.is_some_and(|(_, mut payload)| payload.whole().is_none()));
            assert!(FrameReader::new(MARK, LIMIT).payload_behind(Kind::Resume, Kind::Value, &*bytes).is_none());
        }
    }
}
