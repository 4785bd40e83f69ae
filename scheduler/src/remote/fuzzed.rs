//! What the fuzzer reads: a stream in pieces, and every message in it, as whichever message it might be.

use super::frame::{Decoder, Message};
use super::message::{
    AgentHello, Answer, QuestionMessage, RunRequest, StartedMessage, Stop, Update, Welcome, decode, report_of,
};

/// What was found.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// The bytes of all messages together.
    pub(crate) payloads: usize,
}

/// Decodes a stream that arrives in pieces of this size, up to its first error.
pub(crate) fn decode_all(bytes: &[u8], is_agents: bool, piece: usize) -> Decoded {
    let mut decoder = if is_agents { Decoder::of_agent() } else { Decoder::of_application() };
    let mut found = Decoded { payloads: 0 };
    for piece in bytes.chunks(piece) {
        decoder.push(piece);
        loop {
            match decoder.next() {
                Ok(Some(message)) => found.payloads += read(&message),
                Ok(None) => break,
                Err(error) => {
                    // It is shown to people.
                    let _ = error.to_string();
                    return found;
                }
            }
        }
    }
    found
}

fn read(Message { payload, .. }: &Message) -> usize {
    let _ = decode::<AgentHello>(payload);
    let _ = decode::<Welcome>(payload);
    let _ = decode::<StartedMessage>(payload);
    let _ = decode::<Stop>(payload);
    let _ = decode::<Answer>(payload);
    let _ = decode::<QuestionMessage>(payload);
    let _ = decode::<Vec<Update>>(payload);
    let _ = RunRequest::decoded(payload);
    let _ = report_of(payload);
    payload.len()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use super::super::frame::{BANNER, MessageKind, Session, append};
    use super::super::message::{encode, outcome};
    use super::*;
    use crate::record::RunReport;

    /// The first byte selects the reader and the pieces.
    const OF_AGENT: u8 = 2 * 99;
    const OF_APPLICATION: u8 = OF_AGENT + 1;

    fn stream(selector: u8, begin: &[u8], messages: &[(MessageKind, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = [&[selector], begin].concat();
        for (kind, payload) in messages {
            let (first, rest) = payload.split_at(payload.len() / 2);
            append(&mut bytes, Session(0), *kind, 7, first, false);
            append(&mut bytes, Session(0), *kind, 7, rest, true);
        }
        bytes
    }

    #[test]
    #[cfg_attr(miri, ignore = "it reads files")]
    fn the_fuzzers_seeds_are_current_streams() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/slots");
        if !folder.exists() {
            // The published package has no seeds.
            return;
        }
        let now = Duration::from_secs(9);
        let hello = AgentHello { build: 7, host: "node7".to_owned(), process: 8, allocation: None, now };
        let started = StartedMessage { at: SystemTime::UNIX_EPOCH, process: Some(9) };
        let updates = vec![Update::Progress { done: 1, total: 2 }, Update::Message("half".to_owned())];
        let report = outcome(&RunReport::of_value(vec![1, 2, 3])).expect("it is short");
        let agent = [
            (MessageKind::Hello, encode(&hello)),
            (MessageKind::Started, encode(&started)),
            (MessageKind::Updates, encode(&updates)),
            (MessageKind::Outcome, report),
        ];
        let answer = Answer { number: 1, answer: Err("no".to_owned()) };
        let stop = Stop { reason: crate::supervisor::StopReason::Cancelled, is_immediate: true };
        let application = [(MessageKind::Answer, encode(&answer)), (MessageKind::Stop, encode(&stop))];
        let seeds = [
            ("agent", stream(OF_AGENT, &[b"Welcome!\n", BANNER].concat(), &agent)),
            ("application", stream(OF_APPLICATION, &[], &application)),
        ];
        for (name, seed) in seeds {
            let path = folder.join(name);
            if std::env::var_os("SCHEDULER_NEW_SEEDS").is_some() {
                fs::write(&path, &seed).expect("it is a file of ours");
            }
            let is_current = fs::read(&path).expect("it is a file of ours") == seed;
            assert!(is_current, "{name} is outdated; run this once more with SCHEDULER_NEW_SEEDS=1");
        }
    }

    #[test]
    fn what_arrived_is_read_in_any_pieces() {
        let bytes = stream(0, BANNER, &[(MessageKind::Updates, vec![7; 100]), (MessageKind::Bye, Vec::new())]);
        for piece in [1, 7, 1000] {
            assert_eq!(decode_all(&bytes[1..], true, piece).payloads, 100);
        }
    }
}
