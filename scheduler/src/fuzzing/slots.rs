//! The streams between an application and its slots: whatever arrives, there is no panic, no message that was not sent, and no memory
//! beyond what has arrived.

use super::MemoryMeter;
use crate::remote::fuzzed::decode_all;

/// The memory that may be taken beside a few times the input: messages have lists, whose elements take more than their bytes.
const ALLOWANCE: usize = 1 << 20;

/// Checks that for this input, of which the first byte selects who reads it.
///
/// # Panics
///
/// If it doesn't hold.
pub fn slots(input: &[u8], meter: MemoryMeter) {
    let Some((&selector, bytes)) = input.split_first() else { return };
    (meter.start)();
    // In pieces of different sizes: a frame may arrive in any.
    let decoded = decode_all(bytes, selector & 1 == 0, 1 + usize::from(selector >> 1));
    let peak = (meter.peak)();
    assert!(peak <= 64 * bytes.len() + ALLOWANCE, "{peak} bytes for an input of {}", bytes.len());
    assert!(decoded.payloads <= bytes.len(), "more was read than arrived");
}
