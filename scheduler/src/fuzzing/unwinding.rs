//! The walk of a stack, given any maps, registers and memory.

use super::MemoryMeter;
use crate::process;

/// The bytes of memory that a walk may take: a page for each that it reads, and the rules that it finds.
const MOST: usize = 16 << 20;

/// Walks the stack of a process that the input describes.
///
/// # Panics
///
/// If one of these properties doesn't hold:
///
/// - The walk ends, after at most 256 frames, without a panic.
/// - It takes no more memory than a fixed amount.
pub fn unwinding(input: &[u8], meter: MemoryMeter) {
    (meter.start)();
    let frames = process::walk_fuzzed(input);
    let peak = (meter.peak)();
    assert!(peak <= MOST, "{peak} bytes of memory were taken");
    assert!(frames.is_none_or(|frames| frames <= 256), "{frames:?} frames");
}
