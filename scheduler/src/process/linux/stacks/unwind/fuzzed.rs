//! A process whose maps, registers and memory are given as bytes, for the tests and the fuzz target.

use super::image::Memory;
use super::maps::Maps;
use super::registers::{Architecture, Registers};
use super::walker::{Modules, Stack, Walker};
use crate::clock::Deadline;

/// Where the binary begins, and the stack, in a process without maps of its own.
pub(super) const BASE: u64 = 0x10000;
pub(super) const STACK: u64 = 0x20000;

const MAPS: &[u8] = b"10000-12000 r-xp 0 1:1 7 /bin/a\n20000-24000 rw-p 0 0:0 0\n30000-34000 rw-p 0 0:0 0\n";

/// The length of the binary.
const BINARY: usize = 0x2000;

/// The memory: a binary, and a stack. The rest is zeros.
struct Bytes<'a> {
    binary: &'a [u8],
    stack: &'a [u8],
}

impl Memory for Bytes<'_> {
    fn read_page(&self, address: u64) -> Option<Box<[u8; 4096]>> {
        let mut page = Box::new([0; 4096]);
        for (offset, byte) in page.iter_mut().enumerate() {
            let at = |bytes: &[u8], begin: u64| {
                let index = usize::try_from(address.checked_sub(begin)?).ok()?.checked_add(offset)?;
                bytes.get(index).copied()
            };
            *byte = at(self.binary, BASE).or_else(|| at(self.stack, STACK)).unwrap_or_default();
        }
        Some(page)
    }
}

/// Walks the stack of a process: the first byte is its architecture, the next two are the length of its maps, which follow, then its
/// registers, its binary, and its stack. Returns `None` if bytes are missing.
pub(in crate::process::linux::stacks) fn walk_fuzzed(input: &[u8]) -> Option<Stack> {
    let ([architecture, length @ ..], rest) = input.split_first_chunk::<3>()?;
    let architecture = if architecture % 2 == 0 { Architecture::X86_64 } else { Architecture::Aarch64 };
    let (maps, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    let maps = Maps::parse(if maps.is_empty() { MAPS } else { maps });
    let mut registers = Registers::unknown(architecture);
    let mut rest = rest;
    for register in 0..registers.count() {
        let (value, after) = rest.split_first_chunk()?;
        registers.set(register, Some(u64::from_le_bytes(*value)));
        rest = after;
    }
    let (binary, stack) = rest.split_at_checked(BINARY).unwrap_or((rest, &[]));
    let memory = Bytes { binary, stack };
    let mut modules = Modules::default();
    Some(Walker::new(&memory, &maps, &mut modules).walk(&registers, Deadline::NEVER))
}
