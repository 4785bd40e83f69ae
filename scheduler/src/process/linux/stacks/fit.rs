//! `encode_within_limit`: encodes a message, without parts of it if it is too long.

use crate::outcome::Incomplete;
use crate::wire::codec;
use crate::wire::snapshots_message::{ProcessMessage, SNAPSHOTS_LIMIT, SnapshotsMessage, ThreadMessage};

/// The most frames of each stack, in the order in which they are tried.
const FRAMES: [usize; 5] = [128, 64, 32, 16, 8];

/// Encodes a message within the limit. Long stacks lose their outermost frames first, then the last threads their stacks, then
/// processes their last threads, and then the job its last processes. What is missing is marked.
pub(super) fn encode_within_limit(mut message: SnapshotsMessage) -> Vec<u8> {
    for most in FRAMES {
        if let Some(encoded) = encode(&message) {
            return encoded;
        }
        for thread in threads(&mut message) {
            cut_stack(thread, most);
        }
    }
    let mut with_stacks = threads(&mut message).filter(|thread| !thread.frames.is_empty()).count();
    while with_stacks > 0 {
        if let Some(encoded) = encode(&message) {
            return encoded;
        }
        // Not one by one, so that a few rounds are enough.
        with_stacks = with_stacks * 3 / 4;
        for thread in threads(&mut message).filter(|thread| !thread.frames.is_empty()).skip(with_stacks) {
            cut_stack(thread, 0);
        }
    }
    // Without frames, no binary is needed.
    message.modules.clear();
    loop {
        if let Some(encoded) = encode(&message) {
            return encoded;
        }
        let count = message.processes.len();
        match message.processes.iter_mut().max_by_key(|process| process.threads.len()) {
            Some(process) if process.threads.len() > 1 => cut_threads(process),
            Some(_) if count > 1 => message.processes.truncate(count * 7 / 8),
            _ => return codec::encode(&SnapshotsMessage::default()).expect("lists always encode"),
        }
        if let Some(first) = message.processes.first_mut()
            && !first.incomplete.contains(&Incomplete::SizeLimit)
        {
            first.incomplete.push(Incomplete::SizeLimit);
        }
    }
}

/// Returns the threads of all processes, those of the job first.
fn threads(message: &mut SnapshotsMessage) -> impl Iterator<Item = &mut ThreadMessage> {
    message.processes.iter_mut().flat_map(|process| &mut process.threads)
}

fn encode(message: &SnapshotsMessage) -> Option<Vec<u8>> {
    codec::encode(message).ok().filter(|encoded| encoded.len() <= SNAPSHOTS_LIMIT)
}

fn cut_stack(thread: &mut ThreadMessage, most: usize) {
    if thread.frames.len() > most {
        thread.frames.truncate(most);
        thread.incomplete = Some(Incomplete::SizeLimit);
    }
}

fn cut_threads(process: &mut ProcessMessage) {
    process.threads.truncate(process.threads.len() * 7 / 8);
    if !process.incomplete.contains(&Incomplete::SizeLimit) {
        process.incomplete.push(Incomplete::SizeLimit);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::outcome::AddressKind;
    use crate::wire::snapshots_message::{FrameMessage, ModuleMessage};

    fn thread(name: &str, frames: usize) -> ThreadMessage {
        ThreadMessage {
            id: 7,
            name: name.to_owned(),
            state: b'S',
            wait_channel: String::new(),
            system_call: None,
            cpu_time: Duration::ZERO,
            frames: vec![FrameMessage { module: Some(0), offset: 0x1234_5678, kind: AddressKind::Return }; frames],
            has_crashed: false,
            incomplete: None,
        }
    }

    fn message(processes: usize, threads: usize, frames: usize) -> SnapshotsMessage {
        let process = ProcessMessage {
            pid: 7,
            parent: 6,
            name: "job".to_owned(),
            command_line: vec!["x".repeat(1024)],
            state: b'S',
            threads: vec![thread("a name that is long", frames); threads],
            incomplete: Vec::new(),
        };
        let modules = vec![ModuleMessage { path: "/a".to_owned(), build_id: vec![7; 20] }];
        SnapshotsMessage { modules, processes: vec![process; processes] }
    }

    fn fitted(message: SnapshotsMessage) -> SnapshotsMessage {
        let encoded = encode_within_limit(message);
        assert!(encoded.len() <= SNAPSHOTS_LIMIT);
        codec::decode(&encoded).expect("it was encoded")
    }

    #[test]
    fn a_message_within_the_limit_is_unchanged() {
        let small = message(2, 10, 20);
        assert_eq!(fitted(small.clone()), small);
    }

    #[test]
    fn a_message_over_the_limit_is_cut_where_it_matters_least_and_marked() {
        let cut = fitted(message(1, 200, 200));
        assert_eq!(cut.processes[0].threads.len(), 200);
        let thread = &cut.processes[0].threads[0];
        assert_eq!((thread.frames.len(), thread.incomplete), (32, Some(Incomplete::SizeLimit)));
        // The first threads keep stacks that not all can have.
        let cut = fitted(message(2, 512, 100));
        let with_stacks =
            |process: usize| cut.processes[process].threads.iter().filter(|thread| thread.frames.len() == 8);
        assert!(with_stacks(0).count() > 200 && with_stacks(1).count() == 0, "{}", with_stacks(0).count());
        let last = &cut.processes[1].threads[511];
        assert_eq!((last.frames.len(), last.incomplete), (0, Some(Incomplete::SizeLimit)));
        let cut = fitted(message(1, 3000, 1));
        assert!(cut.processes[0].threads.len() > 500 && cut.processes[0].incomplete == [Incomplete::SizeLimit]);
        let cut = fitted(message(200, 1, 0));
        assert!(cut.processes.len() >= 50 && cut.processes[0].incomplete == [Incomplete::SizeLimit]);
    }

    #[test]
    fn a_message_that_can_not_be_cut_enough_is_empty() {
        let mut huge = message(1, 1, 0);
        huge.processes[0].name = "x".repeat(SNAPSHOTS_LIMIT);
        assert_eq!(fitted(huge), SnapshotsMessage::default());
    }
}
