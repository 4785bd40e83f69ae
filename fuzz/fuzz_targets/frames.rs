//! The reader of frames; the properties are in `scheduler/src/fuzzing/frames.rs`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| scheduler::fuzzing::frames(input, scheduler_fuzz::METER));
