//! `HeadTail`: the beginning and the end of a stream, within bounds, and the order in which their parts arrived.

use std::collections::VecDeque;

use crate::outcome::{Piece, StandardStream};

/// The most segments in the head, and in the tail. Beyond that, bytes are added to the last segment.
const MAX_SEGMENTS: usize = 4096;

#[derive(Debug)]
pub(super) struct HeadTail {
    stream: StandardStream,
    head: SegmentBuffer,
    tail: SegmentBuffer,
    /// The number of bytes that are in neither.
    left_out: u64,
}

/// Bytes, in segments that each were read in one turn.
#[derive(Debug, Default)]
struct SegmentBuffer {
    /// The most bytes that it may hold.
    limit: usize,
    bytes: VecDeque<u8>,
    segments: VecDeque<Segment>,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    turn: u64,
    length: usize,
}

impl HeadTail {
    /// Returns a buffer that keeps at most `limit` bytes.
    pub(super) fn with_limit(limit: usize, stream: StandardStream) -> Self {
        let buffer = |limit| SegmentBuffer { limit, ..SegmentBuffer::default() };
        Self { stream, head: buffer(limit.div_ceil(2)), tail: buffer(limit / 2), left_out: 0 }
    }

    pub(super) fn stream(&self) -> StandardStream {
        self.stream
    }

    /// Appends bytes that were read at this turn.
    pub(super) fn push(&mut self, turn: u64, bytes: &[u8]) {
        let room = self.head.limit - self.head.bytes.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.push(turn, first);
        // Bytes that don't fit the tail would be removed at once.
        let lost = rest.len().saturating_sub(self.tail.limit);
        self.tail.push(turn, &rest[lost..]);
        self.left_out += (lost + self.tail.shorten()) as u64;
    }

    /// Returns the kept pieces, each with the turn at which it was read.
    pub(super) fn pieces(self) -> impl Iterator<Item = (u64, Piece)> {
        let Self { stream, head, tail, left_out } = self;
        let piece = move |(turn, bytes)| (turn, Piece { stream, bytes, left_out: 0 });
        let mut tail: Vec<_> = tail.pieces().map(piece).collect();
        let last = head.segments.back().map_or(0, |segment| segment.turn);
        if left_out > 0 && tail.is_empty() {
            tail.push(piece((last, Vec::new())));
        }
        if let Some((_, first)) = tail.first_mut() {
            first.left_out = left_out;
        }
        head.pieces().map(piece).chain(tail)
    }
}

impl SegmentBuffer {
    fn push(&mut self, turn: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.bytes.extend(bytes);
        let is_full = self.segments.len() >= MAX_SEGMENTS;
        match self.segments.back_mut() {
            Some(segment) if segment.turn == turn || is_full => segment.length += bytes.len(),
            _ => self.segments.push_back(Segment { turn, length: bytes.len() }),
        }
    }

    /// Removes the bytes above the limit from the front, and returns their number.
    fn shorten(&mut self) -> usize {
        let excess = self.bytes.len().saturating_sub(self.limit);
        self.bytes.drain(..excess);
        let mut left = excess;
        while let Some(segment) = self.segments.front_mut().filter(|_| left > 0) {
            let taken = segment.length.min(left);
            segment.length -= taken;
            left -= taken;
            if segment.length == 0 {
                self.segments.pop_front();
            }
        }
        excess
    }

    fn pieces(mut self) -> impl Iterator<Item = (u64, Vec<u8>)> {
        self.segments.into_iter().map(move |segment| (segment.turn, self.bytes.drain(..segment.length).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Captured;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn pieces(limit: usize, pushed: &[&str]) -> Vec<(u64, String, u64)> {
        let mut head_tail = HeadTail::with_limit(limit, StandardStream::Stdout);
        for (turn, bytes) in (1..).zip(pushed) {
            head_tail.push(turn, bytes.as_bytes());
        }
        let text = |bytes| String::from_utf8(bytes).expect("it is ASCII");
        head_tail.pieces().map(|(turn, piece)| (turn, text(piece.bytes), piece.left_out)).collect()
    }

    #[test]
    fn the_beginning_and_the_end_are_kept() {
        let expected = |pieces: &[(u64, &str, u64)]| -> Vec<_> {
            pieces.iter().map(|(turn, text, left_out)| (*turn, (*text).to_owned(), *left_out)).collect()
        };
        assert_eq!(pieces(8, &["abc", "def"]), expected(&[(1, "abc", 0), (2, "d", 0), (2, "ef", 0)]));
        assert_eq!(pieces(4, &["abcdefghi"]), expected(&[(1, "ab", 0), (1, "hi", 5)]));
        assert_eq!(
            pieces(4, &["a", "bc", "defg", "h"]),
            expected(&[(1, "a", 0), (2, "b", 0), (3, "g", 4), (4, "h", 0)])
        );
        assert_eq!(pieces(1, &["abc", "d"]), expected(&[(1, "a", 0), (1, "", 3)]));
        assert_eq!(pieces(4, &[]), []);
    }

    #[test]
    fn the_number_of_segments_is_bounded_at_any_limit() {
        let mut head_tail = HeadTail::with_limit(1 << 20, StandardStream::Stdout);
        (0..1 << 16).for_each(|turn| head_tail.push(turn, b"x"));
        assert_eq!(head_tail.pieces().count(), MAX_SEGMENTS);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else { 256 }, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn kept_and_left_out_bytes_are_the_whole(limit in 1..50_usize, pushed in vec(vec(any::<u8>(), 0..40), 0..12)) {
            let mut head_tail = HeadTail::with_limit(limit, StandardStream::Stdout);
            for (turn, bytes) in (0..).zip(&pushed) {
                head_tail.push(turn, bytes);
            }
            let whole = pushed.concat();
            let captured = Captured::of([StandardStream::Stdout], head_tail.pieces().map(|(_, piece)| piece));
            let bytes = captured.bytes(StandardStream::Stdout).expect("it is captured");
            let left_out = usize::try_from(captured.left_out(StandardStream::Stdout)).expect("it is little");
            prop_assert_eq!(bytes.len(), whole.len().min(limit));
            prop_assert_eq!(bytes.len() + left_out, whole.len());
            let (head, tail) = bytes.split_at(limit.div_ceil(2).min(bytes.len()));
            prop_assert!(whole.starts_with(head) && whole.ends_with(tail));
        }
    }
}
