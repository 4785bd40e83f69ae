//! The walk of a job's stack; the properties are in `scheduler/src/fuzzing/unwinding.rs`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| scheduler::fuzzing::unwinding(input, scheduler_fuzz::METER));
