//! `Link`: the connection to one agent: its client, and the messages that pass through it.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::frame::{Decoder, LinkError, Message, MessageKind, Session};
use super::lease::SeenLease;
use super::message::{Welcome, encode};
use super::outbox::Outbox;
use crate::escape::OneLine;
use crate::process::{Client, ClientEnd, ClientRead, ClientStream};
use crate::random::random_bytes;

/// How much of what a client writes to its standard error is kept.
const MOST_WORDS: usize = 8 << 10;

/// How many of its lines are shown.
const MOST_LINES: usize = 4;

/// The most reads of one stream before the others have their turn.
const READS_AT_ONCE: usize = 16;

/// The connection to an agent.
#[derive(Debug)]
pub(super) struct Link {
    /// The number that no other link has.
    pub(super) id: u64,
    pub(super) client: Client,
    pub(super) lease: SeenLease,
    /// The poller waits for room in the client's input.
    pub(super) awaits_room: bool,
    decoder: Decoder,
    outbox: Outbox,
    /// The last that the client, and whatever writes to its standard error, has written.
    words: VecDeque<u8>,
}

/// What a read has brought.
#[derive(Debug)]
pub(super) enum Arrival {
    /// These messages, and more may come.
    Messages(Vec<Message>),
    /// These messages, and then the end.
    End(Vec<Message>),
    /// These messages, and then something that isn't one.
    Broken(Vec<Message>, LinkError),
}

impl Link {
    pub(super) fn new(id: u64, client: Client, lease: SeenLease) -> Self {
        Self {
            id,
            client,
            lease,
            awaits_room: false,
            decoder: Decoder::of_agent(),
            outbox: Outbox::default(),
            words: VecDeque::new(),
        }
    }

    /// Begins a session with the agent: the messages from the next one on have its number. Returns `false` if the client reads no
    /// more.
    pub(super) fn begin_session(&mut self, welcome: &Welcome) -> bool {
        self.outbox.push(MessageKind::Welcome, 0, encode(welcome));
        let is_open = self.flush();
        self.decoder.set_session(Session(welcome.session));
        self.outbox.set_session(Session(welcome.session));
        is_open
    }

    /// Sends a message, as far as there is room. Returns `false` if the client reads no more.
    pub(super) fn send(&mut self, kind: MessageKind, run: u64, payload: impl Into<Arc<Vec<u8>>>) -> bool {
        self.outbox.push(kind, run, payload);
        self.flush()
    }

    /// Sends what there is room for. Returns `false` if the client reads no more.
    pub(super) fn flush(&mut self) -> bool {
        let Self { client, outbox, .. } = self;
        client.input().is_some_and(|mut input| outbox.write(&mut input).is_ok())
    }

    /// Returns whether something waits for room.
    pub(super) fn is_full(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Takes a job back that was to be sent. Returns `false` if a part of it was sent.
    pub(super) fn withdraw(&mut self, run: u64) -> bool {
        self.outbox.withdraw(MessageKind::Run, run)
    }

    /// Reads what the agent has sent.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Arrival {
        let mut messages = Vec::new();
        for _ in 0..READS_AT_ONCE {
            let is_drained = match self.client.read(ClientStream::Output, buffer) {
                ClientRead::Bytes(count) => {
                    self.lease.heard();
                    self.decoder.push(&buffer[..count]);
                    // If it is short, most likely nothing is left.
                    count < buffer.len()
                }
                ClientRead::Nothing => break,
                ClientRead::End => return Arrival::End(messages),
            };
            loop {
                match self.decoder.next() {
                    Ok(Some(message)) => messages.push(message),
                    Ok(None) => break,
                    Err(error) => return Arrival::Broken(messages, error),
                }
            }
            if is_drained {
                break;
            }
        }
        Arrival::Messages(messages)
    }

    /// Reads what the client has written to its standard error, and passes it on. Returns `false` at its end.
    pub(super) fn receive_words(&mut self, buffer: &mut [u8], mut pass_on: impl FnMut(&[u8])) -> bool {
        for _ in 0..READS_AT_ONCE {
            match self.client.read(ClientStream::Errors, buffer) {
                ClientRead::Bytes(count) => {
                    self.words.extend(&buffer[..count]);
                    let surplus = self.words.len().saturating_sub(MOST_WORDS);
                    self.words.drain(..surplus);
                    pass_on(&buffer[..count]);
                }
                ClientRead::Nothing => return true,
                ClientRead::End => return false,
            }
        }
        true
    }

    /// Forgets what the client has written so far: another job begins.
    pub(super) fn forget_words(&mut self) {
        self.words.clear();
    }

    /// Returns a reason with what the client has written last, if it has written something.
    pub(super) fn explained(&mut self, reason: &str) -> String {
        let words = if self.words.is_empty() { self.decoder.noise() } else { self.words.make_contiguous() };
        let words = String::from_utf8_lossy(words);
        let lines: Vec<_> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        // The first one often says what is wrong, and a description of all options follows.
        let shown = match *lines {
            [first, .., second_to_last, last] if lines.len() > MOST_LINES => {
                [first, "…", second_to_last, last].join(" / ")
            }
            _ => lines.join(" / "),
        };
        if shown.is_empty() { reason.to_owned() } else { format!("{reason}; its client wrote: {}", OneLine(&shown)) }
    }
}

/// Returns a number for a session that no other one has.
pub(super) fn new_session() -> u64 {
    let [number, _] = *random_bytes().as_chunks::<8>().0 else { unreachable!("sixteen bytes are two numbers") };
    u64::from_le_bytes(number)
}

/// Returns what a client whose connection ended has to say for itself.
pub(super) fn describe_exit(client: &mut Client) -> String {
    match client.end() {
        Some(ClientEnd::Exited(status)) => format!("its client ended with {status}"),
        Some(ClientEnd::Unknown) | None => "its connection ended".to_owned(),
    }
}

/// Returns why a client could not be started.
pub(super) fn describe_start(program: &std::ffi::OsStr, error: &io::Error) -> String {
    format!("`{}` could not be started: {error}", program.display())
}
