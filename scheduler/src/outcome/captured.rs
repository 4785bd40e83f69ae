//! `Captured`: the output of a job that was kept.

use std::borrow::Cow;
use std::fmt;

/// One of the two streams that a process writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StandardStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The [captured](crate::Output::Capture) output of a job.
///
/// If a job writes more to a stream than is kept, the beginning and the end are kept. If both streams are captured, the pieces are
/// in the order in which they arrived. That is the order in which they were written, unless the job wrote to both streams at nearly
/// the same time.
///
/// # Examples
///
/// ```standalone_crate
/// use scheduler::{job, jobs, Scheduler};
///
/// #[job(stdout = "capture", stderr = "capture")]
/// fn speak() {
///     println!("one");
///     eprintln!("two");
/// }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let records = Scheduler::new().run(jobs![("J1", speak)])?;
///     assert_eq!(records[0].stdout().as_deref(), Some("one\n"));
///     let output = records[0].output().expect("it was captured");
///     assert_eq!(output.pieces().map(|piece| piece.bytes().len()).sum::<usize>(), 8);
///     Ok(())
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Captured {
    pieces: Box<[Piece]>,
    /// The streams that were captured, with or without anything written to them.
    streams: Box<[StandardStream]>,
}

/// A piece of the output that a job wrote to one stream.
#[derive(Clone, PartialEq, Eq)]
pub struct Piece {
    pub(crate) stream: StandardStream,
    pub(crate) bytes: Vec<u8>,
    /// The number of bytes of the stream that were left out before it.
    pub(crate) left_out: u64,
}

impl Captured {
    /// Joins consecutive pieces of the same stream.
    pub(crate) fn of(streams: impl Into<Box<[StandardStream]>>, pieces: impl IntoIterator<Item = Piece>) -> Self {
        let mut joined: Vec<Piece> = Vec::new();
        for piece in pieces {
            match joined.last_mut() {
                Some(last) if last.stream == piece.stream && piece.left_out == 0 => last.bytes.extend(piece.bytes),
                _ => joined.push(piece),
            }
        }
        Self { pieces: joined.into(), streams: streams.into() }
    }

    /// Returns the pieces, in the order in which they arrived.
    #[must_use]
    pub fn pieces(&self) -> impl ExactSizeIterator<Item = &Piece> {
        self.pieces.iter()
    }

    /// Returns the bytes of a stream that were kept, without a mark where some were left out; `None` if it wasn't captured.
    ///
    /// They are borrowed if they are in one piece, as they are if one stream was captured and nothing was left out.
    #[must_use]
    pub fn bytes(&self, stream: StandardStream) -> Option<Cow<'_, [u8]>> {
        self.streams.contains(&stream).then(|| match &self.of_stream(stream).collect::<Vec<_>>()[..] {
            [] => Cow::default(),
            [piece] => Cow::Borrowed(&piece.bytes[..]),
            pieces => pieces.iter().flat_map(|piece| &piece.bytes).copied().collect(),
        })
    }

    /// Returns the number of bytes of a stream that were left out, zero for one that wasn't captured.
    #[must_use]
    pub fn left_out(&self, stream: StandardStream) -> u64 {
        self.of_stream(stream).map(|piece| piece.left_out).sum()
    }

    /// Returns a stream as text; `None` if it wasn't captured.
    ///
    /// Where bytes were left out, a line says how many. Bytes that aren't UTF-8 are replaced; control characters are kept. The text
    /// is borrowed if it is in one piece and UTF-8.
    #[must_use]
    pub fn text(&self, stream: StandardStream) -> Option<Cow<'_, str>> {
        self.streams.contains(&stream).then(|| text(self.of_stream(stream)))
    }

    /// Returns whether a stream was captured.
    pub(crate) fn has(&self, stream: StandardStream) -> bool {
        self.streams.contains(&stream)
    }

    fn of_stream(&self, stream: StandardStream) -> impl Iterator<Item = &Piece> {
        self.pieces.iter().filter(move |piece| piece.stream == stream)
    }
}

fn text<'a>(pieces: impl Iterator<Item = &'a Piece>) -> Cow<'a, str> {
    let pieces: Vec<_> = pieces.collect();
    if let [Piece { bytes, left_out: 0, .. }] = pieces[..] {
        return String::from_utf8_lossy(bytes);
    }
    let mut bytes = Vec::new();
    for piece in pieces {
        let mut piece_bytes = piece.bytes.as_slice();
        if piece.left_out > 0 {
            if bytes.last().is_some_and(|last| *last != b'\n') {
                bytes.push(b'\n');
            }
            bytes.extend(format!("[… {} bytes left out …]\n", piece.left_out).into_bytes());
            // Cut from the front, it may begin in the middle of a character.
            let begun = piece_bytes.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
            piece_bytes = &piece_bytes[begun..];
        }
        bytes.extend_from_slice(piece_bytes);
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

impl fmt::Display for Captured {
    /// Writes all streams as text, one piece after the other, as a terminal would show them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(self.pieces.iter()))
    }
}

impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.pieces).finish()
    }
}

impl Piece {
    /// Returns the stream that it was written to.
    #[must_use]
    pub fn stream(&self) -> StandardStream {
        self.stream
    }

    /// Returns the bytes. Text may be cut at either end, even within a character.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the number of bytes of the same stream that were left out before these.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut piece = f.debug_struct("Piece");
        piece.field("stream", &self.stream).field("bytes", &format_args!("\"{}\"", self.bytes.escape_ascii()));
        piece.field("left_out", &self.left_out).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use StandardStream::{Stderr, Stdout};

    fn piece(stream: StandardStream, bytes: &str, left_out: u64) -> Piece {
        Piece { stream, bytes: bytes.into(), left_out }
    }

    #[test]
    fn a_stream_has_all_that_was_written_to_it_in_order() {
        let pieces = [piece(Stdout, "a", 0), piece(Stdout, "b", 0), piece(Stderr, "x\n", 0), piece(Stdout, "c\n", 0)];
        let captured = Captured::of([Stdout, Stderr], pieces);
        assert_eq!(captured.pieces().len(), 3);
        assert_eq!(captured.text(Stdout).as_deref(), Some("abc\n"));
        assert_eq!(captured.bytes(Stderr).as_deref(), Some(&b"x\n"[..]));
        assert_eq!(captured.to_string(), "abx\nc\n");
    }

    #[test]
    fn a_stream_that_is_not_captured_is_none_and_one_without_output_is_empty() {
        let captured = Captured::of([Stderr], []);
        assert_eq!((captured.text(Stdout), captured.bytes(Stdout)), (None, None));
        assert_eq!(captured.text(Stderr).as_deref(), Some(""));
    }

    #[test]
    fn output_in_one_piece_is_borrowed() {
        let captured = Captured::of([Stdout], [piece(Stdout, "a", 0), piece(Stdout, "b", 0)]);
        assert!(matches!(captured.text(Stdout), Some(Cow::Borrowed("ab"))));
        assert!(matches!(captured.bytes(Stdout), Some(Cow::Borrowed(b"ab"))));
    }

    #[test]
    fn a_line_says_how_many_bytes_were_left_out() {
        let end = Piece { stream: Stdout, bytes: "ü end".as_bytes()[1..].into(), left_out: 12 };
        let captured = Captured::of([Stdout], [piece(Stdout, "begin", 0), end]);
        assert_eq!(captured.text(Stdout).as_deref(), Some("begin\n[… 12 bytes left out …]\n end"));
        assert_eq!(captured.left_out(Stdout), 12);
        assert_eq!(captured.bytes(Stdout).map(|bytes| bytes.len()), Some(10));
    }
}
