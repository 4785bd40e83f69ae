//! How to find a function's caller without unwind information: from the frame of a signal, by the frame pointer, or by a search
//! for a return address.
//!
//! musl's functions have no such information, nor has code that was compiled at run time. `returns` finds the caller of most functions
//! of musl. A search is for the others, which never return: it finds an address that a call would have pushed, and which an earlier
//! call may have left there.

use super::image::{Image, Memory};
use super::registers::{Architecture, Registers};
use super::{aarch64, returns};

/// The most words of a stack that are searched. The functions in question are short.
const WORDS: u64 = 512;

/// The longest call instruction.
const LONGEST_CALL: usize = 7;

/// Returns the registers that a signal interrupted, if this is the code that returns from its handler.
pub(super) fn interrupted<M: Memory>(image: &mut Image<'_, M>, registers: &Registers) -> Option<Registers> {
    let architecture = registers.architecture;
    if !returns_from_handler(image, architecture, registers.program_counter()?) {
        return None;
    }
    let stack_pointer = registers.stack_pointer()?;
    let mut interrupted = Registers::unknown(architecture);
    for register in 0..registers.count() {
        let address = stack_pointer.checked_add(architecture.signal_frame_offset(register))?;
        interrupted.set(register, Some(image.read_stack(address)?));
    }
    Some(interrupted)
}

/// Returns whether the code at this address returns from the handler of a signal.
fn returns_from_handler<M: Memory>(image: &mut Image<'_, M>, architecture: Architecture, address: u64) -> bool {
    has_code(image, address, architecture.signal_return())
}

fn has_code<M: Memory>(image: &mut Image<'_, M>, address: u64, expected: &[u8]) -> bool {
    let mut code = vec![0; expected.len()];
    image.read_binary(address, &mut code).is_some() && code == expected
}

/// Returns whether a function may return to this address: one after a call, or the code that returns from the handler of a signal.
pub(super) fn is_return_address<M: Memory>(image: &mut Image<'_, M>, architecture: Architecture, address: u64) -> bool {
    follows_call(image, architecture, address) || returns_from_handler(image, architecture, address)
}

/// Returns the caller of an innermost function that has not saved its return address.
pub(super) fn by_link_register<M: Memory>(image: &mut Image<'_, M>, registers: &Registers) -> Option<Registers> {
    let address = registers.get(registers.architecture.link_register()?)?;
    let address = registers.architecture.code_address(address);
    is_return_address(image, registers.architecture, address).then(|| {
        let mut caller = *registers;
        caller.set_program_counter(address);
        caller
    })
}

/// Returns the caller by the frame pointer, which leads to the saved one and the return address.
pub(super) fn by_frame_pointer<M: Memory>(image: &mut Image<'_, M>, registers: &Registers) -> Option<Registers> {
    let (frame, stack_pointer) = (registers.frame_pointer()?, registers.stack_pointer()?);
    if frame < stack_pointer || frame % 8 != 0 {
        return None;
    }
    let saved = image.read_stack(frame)?;
    let address = registers.architecture.code_address(image.read_stack(frame.checked_add(8)?)?);
    if (saved != 0 && saved <= frame) || !is_return_address(image, registers.architecture, address) {
        return None;
    }
    let mut caller = *registers;
    caller.set_stack_pointer(frame.checked_add(16)?);
    caller.set_frame_pointer(Some(saved));
    caller.set_program_counter(address);
    Some(caller)
}

/// Returns whether the frame record of this function is the last one of its chain, and has no return address. That of musl's first
/// function that isn't left by a jump is, on aarch64: nothing has called it, and it calls what never returns.
pub(super) fn is_end_of_chain<M: Memory>(image: &mut Image<'_, M>, registers: &Registers) -> bool {
    let (Some(_), Some(frame)) = (registers.architecture.link_register(), registers.frame_pointer()) else {
        return false;
    };
    let is_on_stack = registers.stack_pointer().is_some_and(|stack_pointer| stack_pointer <= frame);
    let words = [Some(frame), frame.checked_add(8)].map(|at| at.and_then(|at| image.read_stack(at)));
    is_on_stack && words == [Some(0), Some(0)]
}

/// Returns the caller by the first word on the stack, from this one on, that is an address after a call; and the number of the word
/// after it.
pub(super) fn by_search<M: Memory>(
    image: &mut Image<'_, M>,
    registers: &Registers,
    from: u64,
) -> Option<(Registers, u64)> {
    let begin = registers.stack_pointer()?.checked_next_multiple_of(8)?;
    for index in from..WORDS {
        let at = begin.checked_add(8 * index)?;
        let address = registers.architecture.code_address(image.read_stack(at)?);
        if follows_call(image, registers.architecture, address) {
            let mut caller = *registers;
            caller.set_stack_pointer(at.checked_add(8)?);
            caller.set_program_counter(address);
            return Some((caller, index + 1));
        }
    }
    None
}

/// Returns whether the function that goes on at this return address is the first one of its thread: it ends the thread next, or is the
/// first one of the program, which begins at `entry`.
pub(super) fn is_first<M: Memory>(
    image: &mut Image<'_, M>,
    architecture: Architecture,
    address: u64,
    entry: Option<u64>,
) -> bool {
    has_code(image, address, architecture.thread_exit())
        || entry.is_some_and(|entry| returns::first_call(image, architecture, entry) == Some(address))
}

/// Returns whether the instruction before this address, in the code of a binary, is a call.
fn follows_call<M: Memory>(image: &mut Image<'_, M>, architecture: Architecture, address: u64) -> bool {
    let Some(last) = address.checked_sub(1) else { return false };
    let Some(mapping) = image.maps.find(last).filter(|mapping| mapping.is_executable) else { return false };
    let available = usize::try_from(address - mapping.addresses.start).unwrap_or(usize::MAX).min(LONGEST_CALL);
    let mut code = [0; LONGEST_CALL];
    let before = &mut code[LONGEST_CALL - available..];
    image.read_binary(address - available as u64, before).is_some() && ends_with_call(architecture, before)
}

/// Returns whether these bytes of code end with a call.
fn ends_with_call(architecture: Architecture, code: &[u8]) -> bool {
    match architecture {
        Architecture::X86_64 => {
            // `call rel32`, or `call r/m64` with a ModRM byte, whose middle is 2, and what it asks for.
            let is_direct = code.len() >= 5 && code[code.len() - 5] == 0xe8;
            is_direct
                || (2..=code.len().min(LONGEST_CALL)).any(|length| {
                    let [0xff, operand, ..] = code[code.len() - length..] else { return false };
                    let (mode, needs_more) = (operand >> 6, operand & 7 == 4);
                    let expected = match mode {
                        3 => 2,
                        0 if operand & 7 == 5 => 6,
                        0 => 2 + usize::from(needs_more),
                        1 => 3 + usize::from(needs_more),
                        _ => 6 + usize::from(needs_more),
                    };
                    operand & 0x38 == 0x10 && length == expected
                })
        }
        Architecture::Aarch64 => code.last_chunk().is_some_and(|bytes| aarch64::is_call(u32::from_le_bytes(*bytes))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::image::tests::Written;
    use super::super::maps::Maps;
    use super::*;

    #[test]
    fn calls_are_recognized() {
        let x86: [&[u8]; 9] = [
            &[0xe8, 1, 2, 3, 4],
            &[0x41, 0xff, 0xd4],
            &[0xff, 0xd0],
            &[0xff, 0x15, 1, 2, 3, 4],
            &[0xff, 0x10],
            &[0xff, 0x14, 0x24],
            &[0xff, 0x50, 8],
            &[0xff, 0x54, 0x24, 8],
            &[0xff, 0x94, 0x24, 1, 2, 3, 4],
        ];
        for code in x86 {
            assert!(ends_with_call(Architecture::X86_64, code), "{code:x?}");
        }
        for code in
            [&[][..], &[0xe8], &[0xe9, 1, 2, 3, 4], &[0xff, 0xe0], &[0x90, 0x90, 0x90, 0x90, 0x90], &[0xff, 0x15, 1]]
        {
            assert!(!ends_with_call(Architecture::X86_64, code), "{code:x?}");
        }
        for call in [0x9400_0001_u32, 0x97ff_ffff, 0xd63f_0100, 0xd63f_081f, 0xd73f_0822] {
            assert!(ends_with_call(Architecture::Aarch64, &call.to_le_bytes()), "{call:x}");
        }
        for other in [0x1400_0001_u32, 0xd61f_0100, 0xd65f_03c0, 0] {
            assert!(!ends_with_call(Architecture::Aarch64, &other.to_le_bytes()), "{other:x}");
        }
    }

    const MAPS: &[u8] = b"1000-2000 r-xp 0 1:1 7 /a\n8000-9000 rw-p 0 0:0 0\n";

    fn at(architecture: Architecture, stack_pointer: u64, frame_pointer: u64) -> Registers {
        let mut registers = Registers::unknown(architecture);
        registers.set_stack_pointer(stack_pointer);
        registers.set_frame_pointer(Some(frame_pointer));
        registers.set_program_counter(0x1800);
        registers
    }

    #[test]
    fn a_return_address_is_found_on_the_stack_and_by_the_frame_pointer() {
        let maps = Maps::parse(MAPS);
        let memory = Written::default()
            .with(0x1100, &[0xe8, 1, 2, 3, 4])
            .with(0x8010, &0x1104_u64.to_le_bytes())
            .with(0x8018, &0x1105_u64.to_le_bytes())
            .with(0x8040, &[0; 8])
            .with(0x8048, &0x1105_u64.to_le_bytes());
        let mut image = Image::new(&memory, &maps);
        let found = by_search(&mut image, &at(Architecture::X86_64, 0x8003, 7), 0);
        let (found, after) = found.expect("it is there");
        assert_eq!(after, 3);
        assert_eq!((found.program_counter(), found.stack_pointer()), (Some(0x1105), Some(0x8020)));
        let found = by_frame_pointer(&mut image, &at(Architecture::X86_64, 0x8000, 0x8040)).expect("it is there");
        assert_eq!(
            (found.program_counter(), found.stack_pointer(), found.frame_pointer()),
            (Some(0x1105), Some(0x8050), Some(0))
        );
        for frame in [0, 0x7ff8, 0x8041, 0x8038, 0x8ff8, u64::MAX] {
            assert_eq!(by_frame_pointer(&mut image, &at(Architecture::X86_64, 0x8000, frame)), None, "{frame:x}");
        }
        for stack in [0, 0x8050, 0x9000, u64::MAX] {
            assert_eq!(by_search(&mut image, &at(Architecture::X86_64, stack, 0), 0), None, "{stack:x}");
        }
    }

    #[test]
    fn the_frame_of_a_signal_gives_all_registers() {
        for architecture in [Architecture::X86_64, Architecture::Aarch64] {
            let maps = Maps::parse(MAPS);
            let registers = at(architecture, 0x8100, 0);
            let mut memory = Written::default();
            for register in 0..registers.count() {
                let address = 0x8100 + architecture.signal_frame_offset(register);
                memory = memory.with(address, &(register as u64 + 0x500).to_le_bytes());
            }
            assert_eq!(interrupted(&mut Image::new(&memory, &maps), &registers), None, "the code is another");
            let memory = memory.with(0x1800, architecture.signal_return());
            let found = interrupted(&mut Image::new(&memory, &maps), &registers).expect("it is there");
            for register in 0..registers.count() {
                assert_eq!(found.get(register), Some(register as u64 + 0x500));
            }
        }
    }

    #[test]
    fn an_innermost_function_of_aarch64_has_its_return_address_in_a_register() {
        let maps = Maps::parse(MAPS);
        let memory = Written::default().with(0x1100, &0x9400_0001_u32.to_le_bytes());
        let mut registers = at(Architecture::Aarch64, 0x8000, 0);
        registers.set(30, Some(0x00ff_0000_0000_1104));
        let found = by_link_register(&mut Image::new(&memory, &maps), &registers).expect("it is there");
        assert_eq!(found.program_counter(), Some(0x1104));
        assert_eq!(by_link_register(&mut Image::new(&memory, &maps), &at(Architecture::X86_64, 0x8000, 0)), None);
    }
}
