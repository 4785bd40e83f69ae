//! The streams between an application and its slots; the properties are in `scheduler/src/fuzzing/slots.rs`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| scheduler::fuzzing::slots(input, scheduler_fuzz::METER));
