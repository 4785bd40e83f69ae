//! The decoders of messages; the properties are in `scheduler/src/fuzzing/messages.rs`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| scheduler::fuzzing::messages(input, scheduler_fuzz::METER));
