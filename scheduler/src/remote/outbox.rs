//! `Outbox`: the messages on their way into a stream that may be full.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::frame::{self, CHUNK, MessageKind, Session};

/// How many bytes are encoded before they are written: small messages leave in one piece, since two small pieces in a row take
/// 40 ms over some links.
const PIECE: usize = 64 << 10;

/// The messages that were not written.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    session: Session,
    waiting: VecDeque<WaitingMessage>,
    encoded: Vec<u8>,
    /// How much of it was written.
    written: usize,
}

#[derive(Debug)]
struct WaitingMessage {
    session: Session,
    kind: MessageKind,
    run: u64,
    payload: Arc<Vec<u8>>,
    /// How much of it was encoded.
    at: usize,
}

impl Outbox {
    /// Gives the messages from now on this session.
    pub(super) fn set_session(&mut self, session: Session) {
        self.session = session;
    }

    /// Adds a message. A beat is sent before all others, also between two chunks of one: leases go on while a large value travels.
    pub(super) fn push(&mut self, kind: MessageKind, run: u64, payload: impl Into<Arc<Vec<u8>>>) {
        let message = WaitingMessage { session: self.session, kind, run, payload: payload.into(), at: 0 };
        let is_beat = |waiting: &WaitingMessage| waiting.kind == MessageKind::Beat;
        let index = match kind {
            MessageKind::Beat => self.waiting.iter().position(|waiting| !is_beat(waiting)),
            _ => None,
        };
        self.waiting.insert(index.unwrap_or(self.waiting.len()), message);
    }

    /// Adds bytes that are no frame.
    pub(super) fn push_bytes(&mut self, bytes: &[u8]) {
        self.encoded.extend_from_slice(bytes);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.written == self.encoded.len()
    }

    /// Removes the message of this kind and run. Returns `false` if a part of it was encoded.
    pub(super) fn withdraw(&mut self, kind: MessageKind, run: u64) -> bool {
        let found =
            self.waiting.iter().position(|waiting| waiting.kind == kind && waiting.run == run && waiting.at == 0);
        found.is_some_and(|index| self.waiting.remove(index).is_some_and(|waiting| waiting.at == 0))
    }

    /// Writes as much as the stream takes. Returns whether all was written.
    ///
    /// # Errors
    ///
    /// Fails if the stream does, but for one that is full.
    pub(super) fn write(&mut self, stream: &mut impl io::Write) -> io::Result<bool> {
        loop {
            self.encode();
            if self.written == self.encoded.len() {
                return Ok(true);
            }
            match stream.write(&self.encoded[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn encode(&mut self) {
        if self.written == self.encoded.len() {
            self.encoded.clear();
            self.written = 0;
        }
        while self.encoded.len() < PIECE
            && let Some(waiting) = self.waiting.front_mut()
        {
            let end = waiting.payload.len().min(waiting.at + CHUNK);
            let is_last = end == waiting.payload.len();
            let chunk = &waiting.payload[waiting.at..end];
            frame::append(&mut self.encoded, waiting.session, waiting.kind, waiting.run, chunk, is_last);
            waiting.at = end;
            if is_last {
                self.waiting.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::Decoder;
    use super::*;

    /// Takes a few bytes at a time, and then none.
    struct Narrow(Vec<u8>, usize);

    impl io::Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let room = self.1.min(bytes.len());
            self.1 -= room;
            self.0.extend_from_slice(&bytes[..room]);
            if room == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(room) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_message_of_any_size_passes_a_stream_that_is_often_full() {
        let payload: Vec<u8> = (0..700_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut outbox = Outbox::default();
        outbox.push(MessageKind::Beat, 0, Vec::new());
        outbox.push(MessageKind::Outcome, 7, payload.clone());
        let mut stream = Narrow(Vec::new(), 0);
        while !outbox.write(&mut stream).expect("it is only full") {
            stream.1 += 9999;
        }
        assert!(outbox.is_empty());
        let mut decoder = Decoder::of_application();
        decoder.push(&stream.0);
        let kinds: Vec<_> = std::iter::from_fn(|| decoder.next().expect("nothing was changed"))
            .map(|message| message.payload)
            .collect();
        assert_eq!(kinds, [Vec::new(), payload]);
    }

    #[test]
    fn a_beat_leaves_between_two_chunks_of_a_message() {
        let mut outbox = Outbox::default();
        outbox.push(MessageKind::Run, 7, vec![7; 3 * CHUNK]);
        let mut stream = Narrow(Vec::new(), CHUNK / 2);
        outbox.write(&mut stream).expect("it is only full");
        for time in [1, 2] {
            outbox.push(MessageKind::Beat, 0, vec![time]);
        }
        stream.1 = usize::MAX;
        assert!(outbox.write(&mut stream).expect("it has room"));
        let mut decoder = Decoder::of_application();
        decoder.push(&stream.0);
        let lengths: Vec<_> = std::iter::from_fn(|| decoder.next().expect("nothing was changed"))
            .map(|message| (message.kind, message.payload[0], message.payload.len()))
            .collect();
        let beats = [(MessageKind::Beat, 1, 1), (MessageKind::Beat, 2, 1)];
        assert_eq!(lengths, [beats[0], beats[1], (MessageKind::Run, 7, 3 * CHUNK)]);
    }

    #[test]
    fn a_message_can_be_withdrawn_until_a_part_of_it_has_left() {
        let mut outbox = Outbox::default();
        outbox.push(MessageKind::Run, 7, vec![0; 3]);
        assert!(!outbox.withdraw(MessageKind::Run, 8));
        assert!(outbox.withdraw(MessageKind::Run, 7) && outbox.is_empty());
        outbox.push(MessageKind::Run, 9, vec![0; 3]);
        outbox.write(&mut Narrow(Vec::new(), 1)).expect("it is only full");
        assert!(!outbox.withdraw(MessageKind::Run, 9) && !outbox.is_empty());
    }
}
