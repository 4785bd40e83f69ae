//! How a function without unwind information returns: its code is followed from where it is to its return, as far as that moves
//! the stack pointer and restores registers.
//!
//! Calls are stepped over, since a function that returns leaves the stack as it was. Of a branch both ways are tried: whichever
//! leads to a return finds the same frame. A jump to another function (a tail call) is followed there. A function that never returns
//! has no caller by this.

use std::collections::HashSet;

use super::effects::{Effect, Instruction};
use super::image::{Image, Memory};
use super::registers::{Architecture, Registers};
use super::{aarch64, x86_64};

/// The most instructions of a function that are followed.
const INSTRUCTIONS: usize = 2000;

/// The most branches whose other way is still to be tried.
const BRANCHES: usize = 64;

/// The most instructions between the beginning of a program's first function and its first call.
const FIRST_CALL: usize = 32;

/// The most words that are kept of what a function writes to its stack.
const WRITTEN: usize = 64;

/// A way through a function.
#[derive(Clone, Debug)]
struct Way {
    registers: Registers,
    /// What was written to the stack on this way.
    written: Vec<(u64, Option<u64>)>,
}

/// Returns the registers of the caller of a function, in which `is_caller` finds a return address.
pub(super) fn caller<M: Memory>(
    image: &mut Image<'_, M>,
    registers: &Registers,
    is_caller: impl Fn(&mut Image<'_, M>, &Registers) -> bool,
) -> Option<Registers> {
    let begin = registers.program_counter()?;
    let mut ways = vec![(begin, Way { registers: *registers, written: Vec::new() })];
    let mut visited = HashSet::new();
    while let Some((mut address, mut way)) = ways.pop() {
        while visited.len() < INSTRUCTIONS && visited.insert(address) {
            let Some(instruction) = decode(image, registers.architecture, address) else { break };
            let mut next = Some(address.wrapping_add(instruction.length as u64));
            for effect in instruction.effects {
                match effect {
                    Effect::Jump { target } => next = Some(target),
                    Effect::Branch { target } if ways.len() < BRANCHES => ways.push((target, way.clone())),
                    Effect::Return if is_caller(image, &way.registers) => return Some(way.registers),
                    Effect::Return | Effect::End => next = None,
                    effect => way.apply(image, effect),
                }
            }
            let Some(after) = next else { break };
            address = after;
        }
    }
    None
}

impl Way {
    /// Changes what an effect changes.
    fn apply<M: Memory>(&mut self, image: &mut Image<'_, M>, effect: Effect) {
        let at = |registers: &Registers, base, offset| registers.get(base).map(|base| base.wrapping_add_signed(offset));
        match effect {
            Effect::Set { register, from, offset } => self.set(register, at(&self.registers, from, offset)),
            Effect::Mask { register, mask } => {
                let value = self.registers.get(register);
                self.set(register, value.map(|value| value & mask));
            }
            Effect::Forget { register } => self.set(register, None),
            Effect::Load { register, base, offset } => {
                let value = at(&self.registers, base, offset).and_then(|address| self.read(image, address));
                self.set(register, value);
            }
            Effect::Store { register, base, offset } => {
                if let Some(address) = at(&self.registers, base, offset) {
                    if self.written.len() >= WRITTEN {
                        self.written.remove(0);
                    }
                    self.written.push((address, register.and_then(|register| self.registers.get(register))));
                }
            }
            Effect::None
            | Effect::Call
            | Effect::Jump { .. }
            | Effect::Branch { .. }
            | Effect::Return
            | Effect::End => {}
        }
    }

    fn set(&mut self, register: usize, value: Option<u64>) {
        match value {
            Some(value) if register == self.registers.architecture.program_counter() => {
                self.registers.set_program_counter(value);
            }
            value => self.registers.set(register, value),
        }
    }

    fn read<M: Memory>(&self, image: &mut Image<'_, M>, address: u64) -> Option<u64> {
        match self.written.iter().rev().find(|(at, _)| *at == address) {
            Some((_, value)) => *value,
            None => image.read_stack(address),
        }
    }
}

/// Returns the address to which the first call of the function at this address returns, if the function reaches it without a jump.
pub(super) fn first_call<M: Memory>(
    image: &mut Image<'_, M>,
    architecture: Architecture,
    mut address: u64,
) -> Option<u64> {
    for _ in 0..FIRST_CALL {
        let instruction = decode(image, architecture, address)?;
        address = address.checked_add(instruction.length as u64)?;
        for effect in instruction.effects {
            match effect {
                Effect::Call => return Some(address),
                Effect::Jump { .. } | Effect::Return | Effect::End => return None,
                _ => {}
            }
        }
    }
    None
}

/// Returns the instruction at this address.
fn decode<M: Memory>(image: &mut Image<'_, M>, architecture: Architecture, address: u64) -> Option<Instruction> {
    let mapping = image.maps.find(address).filter(|mapping| mapping.is_executable)?;
    let available = usize::try_from(mapping.addresses.end - address).unwrap_or(usize::MAX).min(x86_64::LONGEST);
    let mut code = [0; x86_64::LONGEST];
    let code = &mut code[..available];
    image.read_binary(address, code)?;
    match architecture {
        Architecture::X86_64 => x86_64::decode(code, address),
        Architecture::Aarch64 => aarch64::decode(code, address),
    }
}

#[cfg(test)]
mod tests {
    use super::super::guess;
    use super::super::image::tests::Written;
    use super::super::maps::Maps;
    use super::*;

    const MAPS: &[u8] = b"1000-2000 r-xp 0 1:1 7 /a\n8000-9000 rw-p 0 0:0 0\n";
    const FUNCTION: u64 = 0x1800;
    const OTHER: u64 = 0x1900;
    const STACK: u64 = 0x8000;

    /// Returns the registers in a function with this code, whose stack has these words.
    fn returned(architecture: Architecture, code: &[u8], other: &[u8], words: &[u64]) -> Option<Registers> {
        let call: &[u8] = if architecture == Architecture::X86_64 { &[0xe8, 0, 0, 0, 0] } else { &[0, 0, 0, 0, 0x94] };
        let words: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let memory = Written::default().with(0x1100, call).with(FUNCTION, code).with(OTHER, other).with(STACK, &words);
        let maps = Maps::parse(MAPS);
        let mut registers = Registers::unknown(architecture);
        registers.set_stack_pointer(STACK);
        registers.set_frame_pointer(Some(STACK + 16));
        registers.set_program_counter(FUNCTION);
        let saved = if architecture == Architecture::X86_64 { 3 } else { 30 };
        registers.set(saved, Some(0x1105));
        caller(&mut Image::new(&memory, &maps), &registers, |image, caller| {
            caller.program_counter().is_some_and(|address| guess::is_return_address(image, architecture, address))
        })
    }

    /// Returns where the caller's stack begins, and its registers that are saved.
    fn x86(code: &[u8], other: &[u8], words: &[u64]) -> Option<(u64, Option<u64>, Option<u64>)> {
        let caller = returned(Architecture::X86_64, code, other, words)?;
        assert_eq!(caller.program_counter(), Some(0x1105));
        Some((caller.stack_pointer()? - STACK, caller.get(3), caller.frame_pointer()))
    }

    #[test]
    fn a_function_is_followed_to_its_return() {
        let (rbx, rbp) = (Some(0x1105), Some(STACK + 16));
        // syscall; call; add $16, %rsp; pop %rbx; pop %rbp; ret
        let code = [0x0f, 5, 0xe8, 0, 0, 0, 0, 0x48, 0x83, 0xc4, 16, 0x5b, 0x5d, 0xc3];
        assert_eq!(x86(&code, &[], &[0x1105, 0x1105, 7, 8, 0x1105]), Some((40, Some(7), Some(8))));
        // leave; ret
        assert_eq!(x86(&[0xc9, 0xc3], &[], &[1, 2, 9, 0x1105]), Some((32, rbx, Some(9))));
        // je over; ud2; over: ret
        assert_eq!(x86(&[0x74, 2, 0x0f, 0x0b, 0xc3], &[], &[0x1105]), Some((8, rbx, rbp)));
        // je back; ud2: the only way out is the one that was taken first.
        let code = [0x74, 3, 0x0f, 0x0b, 0x90, 0xeb, 0xf9];
        assert_eq!(x86(&code, &[], &[0x1105]), None);
        // pop %rbp; jmp other; other: push %rbx; xor %ebx, %ebx; pop %rbx; ret
        let code = [0x5d, 0xe9, 0xfa, 0, 0, 0];
        assert_eq!(x86(&code, &[0x53, 0x31, 0xdb, 0x5b, 0xc3], &[5, 0x1105]), Some((16, rbx, Some(5))));
    }

    #[test]
    fn a_function_that_never_returns_has_no_caller() {
        // jmp to itself; hlt; ud2; a return to what no call returns to, or to what isn't there; nothing
        for code in [&[0xeb, 0xfe][..], &[0xf4], &[0x0f, 0x0b], &[0x5b, 0xc3], &[0x48, 0x8d, 0x27, 0xc3], &[0x06]] {
            assert_eq!(x86(code, &[], &[0x1105, 0x1106]), None, "{code:x?}");
        }
        // As many branches as fit, and more instructions than are followed.
        assert_eq!(x86(&[0x74, 0].repeat(0x300), &[], &[0x1105]), None);
    }

    #[test]
    fn a_function_of_aarch64_returns_by_its_link_register() {
        let arm = |code: &[u32], words: &[u64]| {
            let code: Vec<u8> = code.iter().flat_map(|code| code.to_le_bytes()).collect();
            let caller = returned(Architecture::Aarch64, &code, &[], words)?;
            Some((caller.program_counter()?, caller.stack_pointer()? - STACK, caller.frame_pointer()))
        };
        let (ret, restore) = (0xd65f_03c0, 0xa8c2_7bfd);
        // Saved at the beginning: ldp x29, x30, [sp], #32; autiasp; ret
        assert_eq!(arm(&[restore, 0xd503_23bf, ret], &[5, 0x00ab_0000_0000_1105]), Some((0x1105, 32, Some(5))));
        // svc #0; ret
        assert_eq!(arm(&[0xd400_0001, ret], &[]), Some((0x1105, 0, Some(STACK + 16))));
        // bl: it has changed the register, which nothing restores.
        assert_eq!(arm(&[0x9400_0001, ret], &[]), None);
        // cbz over; udf; over: ldp; ret
        assert_eq!(arm(&[0xb400_0040, 0, restore, ret], &[5, 0x1105]), Some((0x1105, 32, Some(5))));
    }

    #[test]
    fn the_first_call_of_a_function_is_found_before_any_jump() {
        let find = |code: &[u8]| {
            let (memory, maps) = (Written::default().with(FUNCTION, code), Maps::parse(MAPS));
            first_call(&mut Image::new(&memory, &maps), Architecture::X86_64, FUNCTION)
        };
        // xor %rbp, %rbp; and $-16, %rsp; call
        let begin = [0x48, 0x31, 0xed, 0x48, 0x83, 0xe4, 0xf0];
        assert_eq!(find(&[&begin[..], &[0xe8, 0, 0, 0, 0]].concat()), Some(FUNCTION + 12));
        assert_eq!(find(&[&begin[..], &[0xeb, 0], &[0xe8, 0, 0, 0, 0]].concat()), None);
        assert_eq!(find(&[0x90; 40]), None);
        assert_eq!(first_call(&mut Image::new(&Written::default(), &Maps::parse(MAPS)), Architecture::X86_64, 0), None);
    }
}
