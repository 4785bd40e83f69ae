//! Tests of frames.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

const MARK: StreamMark = StreamMark(*b"0123456789abcdef");

/// The longest payload: longer than two reads; shorter under Miri, which is slow.
const LONGEST: usize = if cfg!(miri) { 150 } else { 20_000 };
/// The longest piece.
const SHORTER: usize = if cfg!(miri) { 70 } else { 9000 };

/// A stream that returns its bytes in pieces, with a "would block" before each.
struct PausingStream<'a> {
    bytes: &'a [u8],
    sizes: std::iter::Cycle<std::vec::IntoIter<usize>>,
    blocked: bool,
}

impl<'a> PausingStream<'a> {
    fn new(bytes: &'a [u8], sizes: Vec<usize>) -> Self {
        Self { bytes, sizes: sizes.into_iter().cycle(), blocked: false }
    }
}

impl Read for PausingStream<'_> {
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
            ReadStep::Frame(frame) => frames.push(frame),
            ReadStep::Partial | ReadStep::WouldBlock => {}
            ReadStep::End => return Ok(frames),
        }
    }
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let kind = proptest::sample::select(FrameKind::ALL.to_vec());
    (kind, vec(any::<u8>(), 0..LONGEST)).prop_map(|(kind, payload)| Frame { kind, payload })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else { 256 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_survive_any_splitting(frames in vec(any_frame(), 0..4), sizes in vec(1..SHORTER, 1..5)) {
        let bytes = written(&frames);
        let read = read_all(FrameReader::new(MARK, LONGEST as u64), &mut PausingStream::new(&bytes, sizes));
        prop_assert_eq!(read.expect("these are frames"), frames);
    }

    #[test]
    fn a_truncated_stream_never_gives_an_incomplete_frame(frame in any_frame(), cut in any::<prop::sample::Index>()) {
        let mut bytes = written(&[frame]);
        bytes.truncate(cut.index(bytes.len()));
        match read_all(FrameReader::new(MARK, LONGEST as u64), &mut bytes.as_slice()) {
            Ok(frames) => prop_assert!(frames.is_empty() && bytes.is_empty()),
            Err(error) => prop_assert!(matches!(error, FrameError::Truncated)),
        }
    }

    #[test]
    fn garbage_never_panics_and_never_allocates_what_it_announces(bytes in vec(any::<u8>(), 0..LONGEST.min(200))) {
        let mut stream = MARK.0.to_vec();
        stream.extend(bytes);
        let mut reader = FrameReader::new(MARK, u64::MAX);
        let mut stream = stream.as_slice();
        while let Ok(ReadStep::Frame(_) | ReadStep::Partial) = reader.read(&mut stream) {}
        let taken = reader.open.map_or(0, |open| open.payload.capacity());
        prop_assert!(taken < 1 << 16, "{} bytes were taken", taken);
    }
}

#[test]
fn a_frame_over_the_limit_is_refused_by_its_header() {
    let bytes = header(MARK, FrameKind::Value, 11);
    let error = FrameReader::new(MARK, 10).read(&mut bytes.as_slice()).expect_err("it is too long");
    assert!(matches!(error, FrameError::TooLong(11)), "{error}");
}

#[test]
fn a_frame_with_another_mark_is_refused() {
    let bytes = header(StreamMark([7; StreamMark::LEN]), FrameKind::Value, 0);
    let error = FrameReader::new(MARK, 10).read(&mut bytes.as_slice()).expect_err("it isn't ours");
    assert!(matches!(error, FrameError::Mark), "{error}");
}

#[test]
fn a_frame_of_another_version_or_kind_is_refused() {
    let mut bytes = header(MARK, FrameKind::Value, 0);
    bytes[StreamMark::LEN] = VERSION + 1;
    let error = FrameReader::new(MARK, 10).read(&mut bytes.as_slice()).expect_err("it isn't this build's");
    assert!(error.to_string().contains("runs another build"), "{error}");
    bytes[StreamMark::LEN..StreamMark::LEN + 2].copy_from_slice(&[VERSION, 99]);
    let error = FrameReader::new(MARK, 10).read(&mut bytes.as_slice()).expect_err("there is no such kind");
    assert!(matches!(error, FrameError::Kind(99)), "{error}");
}

#[test]
fn the_warden_learns_the_mark_from_the_first_frame() {
    let mut bytes = written(&[Frame { kind: FrameKind::Request, payload: vec![1] }]);
    bytes.extend(header(StreamMark([7; StreamMark::LEN]), FrameKind::Kill, 0));
    let mut reader = FrameReader::learning_mark(10);
    let mut stream = bytes.as_slice();
    assert!(matches!(reader.read(&mut stream), Ok(ReadStep::Frame(_))));
    assert_eq!(reader.mark(), Some(MARK));
    assert!(matches!(reader.read(&mut stream), Err(FrameError::Mark)));
}

#[test]
fn a_payload_comes_with_that_of_the_frame_before_it_and_leaves_the_frames_after_it() {
    let frame = |kind, payload: &[u8]| Frame { kind, payload: payload.to_vec() };
    let long = vec![7; LONGEST];
    let [saved, arguments] = [frame(FrameKind::Resume, b"saved"), frame(FrameKind::Arguments, &long)];
    for (before, frames) in [(None, vec![arguments.clone()]), (Some(b"saved".to_vec()), vec![saved, arguments])] {
        let bytes = written(&[frames, vec![frame(FrameKind::Stop, b"")]].concat());
        let mut reader = FrameReader::new(MARK, LIMIT);
        let read = reader.payload_after(FrameKind::Resume, FrameKind::Arguments, &*bytes);
        let (first, mut payload) = read.expect("they are the next frames");
        assert_eq!(first, before);
        assert!(payload.read_to_end().is_some_and(|read_to_end| read_to_end == long));
        assert_eq!(reader.expect(&mut payload.into_stream(), FrameKind::Stop), Some(vec![]));
        // A truncated payload and another kind are refused.
        let cut = &bytes[..bytes.len() - HEADER - 1];
        let read = FrameReader::new(MARK, LIMIT).payload_after(FrameKind::Resume, FrameKind::Arguments, cut);
        assert!(read.is_some_and(|(_, mut payload)| payload.read_to_end().is_none()));
        assert!(FrameReader::new(MARK, LIMIT).payload_after(FrameKind::Resume, FrameKind::Value, &*bytes).is_none());
    }
}
