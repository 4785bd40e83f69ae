//! The instructions of x86-64: how long each is, and what it does to the stack pointer and to saved registers.
//!
//! The encodings are those of the Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.

use super::effects::{Effect, Instruction};

/// The most bytes of an instruction.
pub(super) const LONGEST: usize = 15;

/// The DWARF numbers of the registers, by their numbers in instructions.
const DWARF: [usize; 16] = [0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15];
const FRAME_POINTER: usize = 6;
const STACK_POINTER: usize = 7;
const PROGRAM_COUNTER: usize = 16;

/// The part of an instruction that names its operands.
#[derive(Clone, Copy, Debug)]
struct Operands {
    /// The field between the mode and the operand: a register, or a part of the operation.
    field: usize,
    operand: Operand,
}

#[derive(Clone, Copy, Debug)]
enum Operand {
    Register(usize),
    /// At a register and an offset.
    Memory {
        base: usize,
        offset: i64,
    },
    /// At an address that other registers give.
    Elsewhere,
}

/// The bytes of an instruction, from which parts are taken.
struct CodeReader<'a> {
    code: &'a [u8],
    position: usize,
}

impl CodeReader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.code.get(self.position)?;
        self.position += 1;
        Some(byte)
    }

    /// Takes a signed number of one, two, four or eight bytes.
    fn number(&mut self, length: usize) -> Option<i64> {
        let bytes = self.code.get(self.position..self.position + length)?;
        self.position += length;
        let mut wide = [if bytes.last()? & 0x80 == 0 { 0 } else { 0xff }; 8];
        wide[..length].copy_from_slice(bytes);
        Some(i64::from_le_bytes(wide))
    }

    /// Takes the byte with the operands, and what it asks for. `rex` extends the numbers of registers.
    fn operands(&mut self, rex: u8) -> Option<Operands> {
        let byte = self.byte()?;
        let (mode, field, low) = (byte >> 6, usize::from(byte >> 3 & 7), byte & 7);
        let extended = |number: u8, bit: u8| usize::from(number) + if rex & bit == 0 { 0 } else { 8 };
        let field = field + if rex & 4 == 0 { 0 } else { 8 };
        if mode == 3 {
            return Some(Operands { field, operand: Operand::Register(DWARF[extended(low, 1)]) });
        }
        let (mut base, mut has_index) = (extended(low, 1), false);
        let mut has_base = true;
        if low == 4 {
            let byte = self.byte()?;
            has_index = extended(byte >> 3 & 7, 2) != 4;
            base = extended(byte & 7, 1);
            has_base = !(mode == 0 && byte & 7 == 5);
        } else if low == 5 && mode == 0 {
            // Relative to the instruction.
            has_base = false;
        }
        let offset = match mode {
            _ if !has_base => self.number(4)?,
            0 => 0,
            1 => self.number(1)?,
            _ => self.number(4)?,
        };
        let operand =
            if has_base && !has_index { Operand::Memory { base: DWARF[base], offset } } else { Operand::Elsewhere };
        Some(Operands { field, operand })
    }
}

/// Returns the instruction with which this code begins, which is at this address; `None` if it isn't one, or the code is too short.
pub(super) fn decode(code: &[u8], address: u64) -> Option<Instruction> {
    let mut reader = CodeReader { code: &code[..code.len().min(LONGEST)], position: 0 };
    let (mut has_short_operands, mut has_short_addresses) = (false, false);
    let mut byte = reader.byte()?;
    loop {
        match byte {
            0x66 => has_short_operands = true,
            0x67 => has_short_addresses = true,
            0x26 | 0x2e | 0x36 | 0x3e | 0x64 | 0x65 | 0xf0 | 0xf2 | 0xf3 => {}
            _ => break,
        }
        byte = reader.byte()?;
    }
    let mut rex = 0;
    if byte & 0xf0 == 0x40 {
        rex = byte;
        byte = reader.byte()?;
    }
    let wide = if has_short_operands && rex & 8 == 0 { 2 } else { 4 };
    let effects = match byte {
        0x0f => two_bytes(&mut reader, rex, address)?,
        0xc4 | 0xc5 | 0x62 => {
            vectors(&mut reader, byte)?;
            [Effect::None; 3]
        }
        0xa0..=0xa3 => {
            reader.number(if has_short_addresses { 4 } else { 8 })?;
            [Effect::None; 3]
        }
        0xb8..=0xbf => {
            reader.number(if rex & 8 == 0 { wide } else { 8 })?;
            forget(DWARF[usize::from(byte & 7) + if rex & 1 == 0 { 0 } else { 8 }])
        }
        _ if has_operands(byte)? => with_operands(&mut reader, byte, rex, wide)?,
        _ => without_operands(&mut reader, byte, rex, wide, address)?,
    };
    Some(Instruction { length: reader.position, effects })
}

fn only(effect: Effect) -> [Effect; 3] {
    [effect, Effect::None, Effect::None]
}

/// Returns the effect of writing something that isn't known to a register. Of others than these it doesn't matter: who returns has
/// restored them.
fn forget(register: usize) -> [Effect; 3] {
    only(if matches!(register, STACK_POINTER | FRAME_POINTER) { Effect::Forget { register } } else { Effect::None })
}

fn moved(offset: i64) -> Effect {
    Effect::Set { register: STACK_POINTER, from: STACK_POINTER, offset }
}

fn pop(register: usize) -> [Effect; 3] {
    let load = Effect::Load { register, base: STACK_POINTER, offset: 0 };
    // What is read into the stack pointer itself is what counts.
    [load, if register == STACK_POINTER { Effect::None } else { moved(8) }, Effect::None]
}

fn push(register: Option<usize>) -> [Effect; 3] {
    [Effect::Store { register, base: STACK_POINTER, offset: -8 }, moved(-8), Effect::None]
}

/// Returns whether an instruction of one byte has operands; `None` if there is no such instruction.
fn has_operands(opcode: u8) -> Option<bool> {
    Some(match opcode {
        0x06
        | 0x07
        | 0x0e
        | 0x16
        | 0x17
        | 0x1e
        | 0x1f
        | 0x27
        | 0x2f
        | 0x37
        | 0x3f
        | 0x60
        | 0x61
        | 0x82
        | 0x9a
        | 0xce
        | 0xd4..=0xd6
        | 0xea => return None,
        0x00..=0x3f => opcode & 4 == 0,
        0x63
        | 0x69
        | 0x6b
        | 0x80..=0x8f
        | 0xc0
        | 0xc1
        | 0xc6
        | 0xc7
        | 0xd0..=0xd3
        | 0xd8..=0xdf
        | 0xf6
        | 0xf7
        | 0xfe
        | 0xff => true,
        _ => false,
    })
}

fn with_operands(reader: &mut CodeReader<'_>, opcode: u8, rex: u8, wide: usize) -> Option<[Effect; 3]> {
    let Operands { field, operand } = reader.operands(rex)?;
    let operation = field & 7;
    let number = match opcode {
        0x6b | 0x80 | 0x83 | 0xc0 | 0xc1 | 0xc6 => reader.number(1)?,
        0xf6 if operation < 2 => reader.number(1)?,
        0x69 | 0x81 | 0xc7 => reader.number(wide)?,
        0xf7 if operation < 2 => reader.number(wide)?,
        _ => 0,
    };
    let has_64_bits = rex & 8 != 0;
    Some(match (opcode, operand) {
        // add, or, adc, sbb, and, sub, xor, cmp with a number
        (0x80 | 0x81 | 0x83, Operand::Register(register)) => match operation {
            7 => only(Effect::None),
            0 if has_64_bits => only(Effect::Set { register, from: register, offset: number }),
            4 if has_64_bits => only(Effect::Mask { register, mask: number.cast_unsigned() }),
            5 if has_64_bits => only(Effect::Set { register, from: register, offset: -number }),
            _ => forget(register),
        },
        // mov, in both directions
        (0x89, Operand::Register(register)) if has_64_bits => {
            only(Effect::Set { register, from: DWARF[field], offset: 0 })
        }
        (0x8b, Operand::Register(from)) if has_64_bits => only(Effect::Set { register: DWARF[field], from, offset: 0 }),
        (0x89, Operand::Memory { base, offset }) if has_64_bits => {
            only(Effect::Store { register: Some(DWARF[field]), base, offset })
        }
        (0x8b, Operand::Memory { base, offset }) if has_64_bits => {
            only(Effect::Load { register: DWARF[field], base, offset })
        }
        // lea
        (0x8d, Operand::Memory { base, offset }) if has_64_bits => {
            only(Effect::Set { register: DWARF[field], from: base, offset })
        }
        (0x03 | 0x0b | 0x13 | 0x1b | 0x23 | 0x2b | 0x33 | 0x63 | 0x69 | 0x6b | 0x8b | 0x8d, _) => forget(DWARF[field]),
        (0x87, Operand::Register(register)) => [forget(register)[0], forget(DWARF[field])[0], Effect::None],
        // pop and push of an operand
        (0x8f, Operand::Register(register)) => pop(register),
        (0x8f, _) => only(moved(8)),
        (0xff, _) => match operation {
            2 => only(Effect::Call),
            3..=5 => only(Effect::End),
            6 => push(None),
            _ => only(Effect::None),
        },
        (
            0x01 | 0x09 | 0x11 | 0x19 | 0x21 | 0x29 | 0x31 | 0x89 | 0xc1 | 0xc7 | 0xd1 | 0xd3 | 0xf7,
            Operand::Register(register),
        ) => {
            // `mul` and others with one operand don't write it.
            if opcode == 0xf7 && !matches!(operation, 2 | 3) { only(Effect::None) } else { forget(register) }
        }
        _ => only(Effect::None),
    })
}

fn without_operands(
    reader: &mut CodeReader<'_>,
    opcode: u8,
    rex: u8,
    wide: usize,
    address: u64,
) -> Option<[Effect; 3]> {
    let length = match opcode {
        0x6a | 0x70..=0x7f | 0xa8 | 0xb0..=0xb7 | 0xcd | 0xe0..=0xe7 | 0xeb => 1,
        0xc2 | 0xca => 2,
        0xc8 => 3,
        0xe8 | 0xe9 => 4,
        0x68 | 0xa9 => wide,
        0x00..=0x3f if opcode & 7 == 4 => 1,
        0x00..=0x3f if opcode & 7 == 5 => wide,
        _ => 0,
    };
    let number = match length {
        0 => 0,
        3 => {
            reader.number(2)?;
            reader.number(1)?
        }
        length => reader.number(length)?,
    };
    let register = DWARF[usize::from(opcode & 7) + if rex & 1 == 0 { 0 } else { 8 }];
    let target = address.wrapping_add(reader.position as u64).wrapping_add_signed(number);
    Some(match opcode {
        0x50..=0x57 => push(Some(register)),
        0x58..=0x5f => pop(register),
        0x68 | 0x6a | 0x9c => push(None),
        0x9d => only(moved(8)),
        // Exchanges a register with the first one.
        0x91..=0x97 => forget(register),
        // leave
        0xc9 => {
            let restored = Effect::Set { register: STACK_POINTER, from: FRAME_POINTER, offset: 8 };
            [restored, Effect::Load { register: FRAME_POINTER, base: STACK_POINTER, offset: -8 }, Effect::None]
        }
        // ret
        0xc3 => {
            let load = Effect::Load { register: PROGRAM_COUNTER, base: STACK_POINTER, offset: 0 };
            [load, moved(8), Effect::Return]
        }
        0xe8 => only(Effect::Call),
        0xe9 | 0xeb => only(Effect::Jump { target }),
        0x70..=0x7f | 0xe0..=0xe3 => only(Effect::Branch { target }),
        // Returns that are no returns of a function, breakpoints, `enter`, and `hlt`.
        0xc2 | 0xc8 | 0xca..=0xcd | 0xcf | 0xf1 | 0xf4 => only(Effect::End),
        _ => only(Effect::None),
    })
}

/// Takes the rest of an instruction whose first byte is `0f`.
fn two_bytes(reader: &mut CodeReader<'_>, rex: u8, address: u64) -> Option<[Effect; 3]> {
    let opcode = reader.byte()?;
    match opcode {
        0x80..=0x8f => {
            let number = reader.number(4)?;
            let target = address.wrapping_add(reader.position as u64).wrapping_add_signed(number);
            return Some(only(Effect::Branch { target }));
        }
        // ud2, ud1, ud0
        0x0b | 0xb9 | 0xff => return Some(only(Effect::End)),
        // syscall, clts, sysret, invd, wbinvd, rdtsc and others, emms, push and pop of segments, cpuid, rsm, bswap
        0x05..=0x09 | 0x30..=0x37 | 0x77 | 0xa1 | 0xa2 | 0xa9 | 0xaa | 0xc8..=0xcf => return Some([Effect::None; 3]),
        0xa0 | 0xa8 => return Some(push(None)),
        0x38 | 0x3a => {
            reader.byte()?;
        }
        _ => {}
    }
    let Operands { field, .. } = reader.operands(rex)?;
    if matches!(opcode, 0x0f | 0x3a | 0x70..=0x73 | 0xa4 | 0xac | 0xba | 0xc2 | 0xc4..=0xc6) {
        reader.number(1)?;
    }
    // cmov, imul, movzx, movsx, and others that write a register.
    let writes = matches!(opcode, 0x40..=0x4f | 0xaf | 0xb6..=0xb8 | 0xbc..=0xbf);
    Some(if writes { forget(DWARF[field]) } else { only(Effect::None) })
}

/// Takes the rest of an instruction for vectors, with a prefix of two, three or four bytes.
fn vectors(reader: &mut CodeReader<'_>, prefix: u8) -> Option<()> {
    let map = match prefix {
        0xc5 => {
            reader.byte()?;
            1
        }
        0xc4 => {
            let map = reader.byte()? & 0x1f;
            reader.byte()?;
            map
        }
        _ => {
            let map = reader.byte()? & 7;
            reader.number(2)?;
            map
        }
    };
    let opcode = reader.byte()?;
    if prefix != 0x62 && map == 1 && opcode == 0x77 {
        return Some(());
    }
    reader.operands(0)?;
    let has_number = match map {
        1 => matches!(opcode, 0x70..=0x73 | 0xc2 | 0xc4..=0xc6),
        3 => true,
        _ => false,
    };
    if has_number {
        reader.number(1)?;
    }
    Some(())
}

#[cfg(test)]
mod tests;
