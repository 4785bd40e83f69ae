//! The decoders of what processes tell each other, given any bytes.
//!
//! What must hold:
//!
//! - Bytes are decoded or refused; nothing panics.
//! - What was decoded can be encoded, and decodes to an equal value again.
//! - A request in frames is read if, and only if, it decodes, and the arguments behind it stay as they are.
//! - At no time is more memory taken than a multiple of the bytes, whatever lengths they promise.

#![no_main]

use std::collections::BTreeMap;
use std::ffi::CString;
use std::path::PathBuf;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use scheduler::fuzzing::{self, Assignment, MARK, Message, VERSION, decode, encode};
use scheduler_fuzz::Memory;
use serde::{Deserialize, Serialize};

/// How many bytes of memory a value may take for each of its bytes: an entry of a map of one entry takes the most.
const TIMES: usize = 512;

/// What may be taken in any case.
const SLACK: usize = 16 << 10;

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else {
        return;
    };
    match kind % 8 {
        0 => raw(bytes),
        1 => in_frames(bytes),
        2 => there_and_back(bytes, fuzzing::request),
        3 => there_and_back(bytes, fuzzing::exit_report),
        4 => there_and_back(bytes, fuzzing::report),
        5 => there_and_back(bytes, fuzzing::panic),
        6 => there_and_back(bytes, decode::<Argument>),
        _ => checkpoint(bytes),
    }
});

/// What a user's job may take: something of every shape that `serde` knows.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Argument {
    shapes: Vec<Shape>,
    numbers: (i8, i16, i32, i64, i128),
    counts: (u16, u32, u64, u128, usize),
    names: BTreeMap<String, Option<PathBuf>>,
    nested: Box<[Vec<Vec<u8>>]>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    New(CString),
    Tuple(char, bool, ()),
    Struct { time: Duration, text: String },
}

/// Does something that may take so many times the bytes' length in memory.
fn within<T>(times: usize, bytes: &[u8], action: impl FnOnce() -> T) -> T {
    let memory = Memory::measured();
    let done = action();
    let most = memory.most();
    assert!(most <= times * bytes.len() + SLACK, "{most} bytes of memory were taken for {} bytes", bytes.len());
    done
}

fn there_and_back<T: Message>(bytes: &[u8], decode: fn(&[u8]) -> Option<T>) {
    let Some(message) = within(TIMES, bytes, || decode(bytes)) else {
        return;
    };
    let again = encode(&message);
    assert_eq!(decode(&again), Some(message));
}

/// The input is what a job has saved, which says itself of which type it is.
fn checkpoint(bytes: &[u8]) {
    // It is copied before it is looked at.
    let Some(saved) = within(TIMES, bytes, || fuzzing::checkpoint::<u64>(bytes)) else {
        return;
    };
    assert_eq!(fuzzing::checkpoint(&fuzzing::saved(&saved)), Some(saved));
    assert_eq!(fuzzing::checkpoint::<u32>(bytes), None, "it is of another type");
}

/// The input is all that the warden reads.
fn raw(bytes: &[u8]) {
    let Some(assignment) = within(TIMES, bytes, || Assignment::read(&mut { bytes })) else {
        return;
    };
    let (mark, rest) = bytes.split_first_chunk().expect("a frame begins with a mark");
    let length =
        rest[2..].first_chunk().map(|length| u64::from_le_bytes(*length)).expect("a header ends with a length");
    let request = usize::try_from(length).ok().and_then(|length| rest[10..].get(..length)).expect("it was read whole");
    let checkpoint = assignment.checkpoint().map_or_else(Vec::new, |checkpoint| frame(*mark, 7, checkpoint));
    let said = [frame(*mark, 1, request), checkpoint, frame(*mark, 2, assignment.arguments())].concat();
    assert!(bytes.starts_with(&said), "something else was said");
    assert_eq!(Assignment::read(&mut assignment.written().as_slice()), Some(assignment));
}

/// The input is a request and arguments, which stand in frames that are as they must be.
fn in_frames(input: &[u8]) {
    let Some((length, payloads)) = input.split_first() else {
        return;
    };
    let Some((request, arguments)) = payloads.split_at_checked(usize::from(*length)) else {
        return;
    };
    let mark = *b"0123456789abcdef";
    let stream = [frame(mark, 1, request), frame(mark, 2, arguments)].concat();
    let read = within(TIMES, &stream, || Assignment::read(&mut stream.as_slice()));
    assert_eq!(read.is_some(), fuzzing::request(request).is_some());
    assert!(read.is_none_or(|read| read.arguments() == arguments));
}

fn frame(mark: [u8; MARK], kind: u8, payload: &[u8]) -> Vec<u8> {
    [&mark[..], &[VERSION, kind], &(payload.len() as u64).to_le_bytes(), payload].concat()
}
