//! The instructions of aarch64 that move the stack pointer, save and restore registers, or go on elsewhere.
//!
//! The encodings are those of the Arm Architecture Reference Manual, chapter C4.

use super::effects::{Effect, Instruction};

const STACK_POINTER: usize = 31;
const PROGRAM_COUNTER: usize = 32;
const LINK: usize = 30;

/// The length of each instruction.
const LENGTH: usize = 4;

/// Returns the instruction with which this code begins, which is at this address; `None` if the code is too short.
pub(super) fn decode(code: &[u8], address: u64) -> Option<Instruction> {
    let code = u32::from_le_bytes(*code.first_chunk()?);
    let effects = flow(code, address).or_else(|| arithmetic(code)).or_else(|| memory(code));
    Some(Instruction::new(LENGTH, &effects.unwrap_or([Effect::None; 3])))
}

/// Returns the register at this bit.
fn register(code: u32, bit: u32) -> usize {
    (code >> bit & 31) as usize
}

/// Returns the signed number of this many bits at this bit.
fn signed(code: u32, bit: u32, bits: u32) -> i64 {
    i64::from((code << (32 - bit - bits)).cast_signed() >> (32 - bits))
}

fn flow(code: u32, address: u64) -> Option<[Effect; 3]> {
    let target = |bit, bits| address.wrapping_add_signed(4 * signed(code, bit, bits));
    let returns = |from| [Effect::Set { register: PROGRAM_COUNTER, from, offset: 0 }, Effect::Return, Effect::None];
    let only = |effect| [effect, Effect::None, Effect::None];
    Some(match code {
        // ret; retaa, retab
        _ if code & 0xffff_fc1f == 0xd65f_0000 => returns(register(code, 5)),
        0xd65f_0bff | 0xd65f_0fff => returns(LINK),
        // b, b.cond, cbz, cbnz, tbz, tbnz
        _ if code >> 26 == 0b00_0101 => only(Effect::Jump { target: target(0, 26) }),
        _ if code & 0xff00_0000 == 0x5400_0000 || code & 0x7e00_0000 == 0x3400_0000 => {
            only(Effect::Branch { target: target(5, 19) })
        }
        _ if code & 0x7e00_0000 == 0x3600_0000 => only(Effect::Branch { target: target(5, 14) }),
        _ if is_call(code) => [Effect::Call, Effect::Forget { register: LINK }, Effect::None],
        // br, also with authentication; brk, hlt, udf
        _ if code & 0xffff_fc1f == 0xd61f_0000
            || code & 0xfeff_f800 == 0xd61f_0800
            || code & 0xffe0_001f == 0xd420_0000
            || code & 0xffe0_001f == 0xd440_0000
            || code >> 16 == 0 =>
        {
            only(Effect::End)
        }
        _ => return None,
    })
}

/// Returns whether it is `bl`, `blr`, or `blr` with authentication.
pub(super) fn is_call(code: u32) -> bool {
    code >> 26 == 0b10_0101 || code & 0xffff_fc1f == 0xd63f_0000 || code & 0xfeff_f800 == 0xd63f_0800
}

fn arithmetic(code: u32) -> Option<[Effect; 3]> {
    let (to, from) = (register(code, 0), register(code, 5));
    let effect = match code {
        // add and sub, with a number; 31 is the stack pointer
        _ if code & 0xbf80_0000 == 0x9100_0000 => {
            let shift = if code & 1 << 22 == 0 { 0 } else { 12 };
            let number = i64::from(code >> 10 & 0xfff) << shift;
            let offset = if code & 1 << 30 == 0 { number } else { -number };
            Effect::Set { register: to, from, offset }
        }
        // mov; 31 is zero
        _ if code & 0xffe0_ffe0 == 0xaa00_03e0 => match register(code, 16) {
            _ if to == STACK_POINTER => Effect::None,
            STACK_POINTER => Effect::Forget { register: to },
            from => Effect::Set { register: to, from, offset: 0 },
        },
        // add and sub with an extended register, and and orr with a number
        _ if to == STACK_POINTER && (code & 0xbfe0_0000 == 0x8b20_0000 || code & 0xdf80_0000 == 0x9200_0000) => {
            Effect::Forget { register: to }
        }
        _ => return None,
    };
    Some([effect, Effect::None, Effect::None])
}

/// Returns what a load or a store does, of a register or a pair.
fn memory(code: u32) -> Option<[Effect; 3]> {
    let base = register(code, 5);
    let access = |register: usize, offset: i64, is_load: bool| match (register, is_load) {
        // It is the register that is zero.
        (31, true) => Effect::None,
        (register, true) => Effect::Load { register, base, offset },
        (31, false) => Effect::Store { register: None, base, offset },
        (register, false) => Effect::Store { register: Some(register), base, offset },
    };
    let advance = |offset| Effect::Set { register: base, from: base, offset };
    let is_load = code & 1 << 22 != 0;
    // ldp and stp of 64 bits, and of registers for vectors, of 64 and 128 bits
    let (is_pair, is_vector, size) = match code >> 25 & 0x7f {
        0b101_0100 => (true, false, 8),
        0b011_0110 => (true, true, 8),
        0b101_0110 => (true, true, 16),
        _ => (false, false, 8),
    };
    if is_pair {
        let offset = size * signed(code, 15, 7);
        // What is saved of vectors doesn't matter here.
        let pair = |at: i64| {
            let of = |number, at| if is_vector { Effect::None } else { access(number, at, is_load) };
            [of(register(code, 0), at), of(register(code, 10), at + 8)]
        };
        return Some(match code >> 23 & 3 {
            // after, at, before: where the base moves
            0b01 => [pair(0)[0], pair(0)[1], advance(offset)],
            0b11 => [advance(offset), pair(0)[0], pair(0)[1]],
            _ => [pair(offset)[0], pair(offset)[1], Effect::None],
        });
    }
    let is_vector = code & 1 << 26 != 0;
    let of = |at| if is_vector { Effect::None } else { access(register(code, 0), at, is_load) };
    match code & 0xfbe0_0c00 {
        // ldur and stur of 64 bits; ldr and str, after and before
        0xf840_0000 | 0xf800_0000 => Some([of(signed(code, 12, 9)), Effect::None, Effect::None]),
        0xf840_0400 | 0xf800_0400 => Some([of(0), advance(signed(code, 12, 9)), Effect::None]),
        0xf840_0c00 | 0xf800_0c00 => Some([advance(signed(code, 12, 9)), of(0), Effect::None]),
        _ if code & 0xfb80_0000 == 0xf900_0000 => {
            Some([of(8 * i64::from(code >> 10 & 0xfff)), Effect::None, Effect::None])
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effects(code: u32) -> Vec<Effect> {
        let instruction = decode(&code.to_le_bytes(), 0x1000).expect("it is long enough");
        assert_eq!(instruction.length, 4);
        instruction.effects.into_iter().filter(|effect| *effect != Effect::None).collect()
    }

    #[test]
    fn what_moves_the_stack_is_recognized() {
        let set = |register, from, offset| Effect::Set { register, from, offset };
        let load = |register, offset| Effect::Load { register, base: 31, offset };
        let store = |register, offset| Effect::Store { register: Some(register), base: 31, offset };
        let table: [(u32, &[Effect]); 23] = [
            // ldp x29, x30, [sp], #32
            (0xa8c2_7bfd, &[load(29, 0), load(30, 8), set(31, 31, 32)]),
            // ldp x19, x20, [sp, #16]
            (0xa941_53f3, &[load(19, 16), load(20, 24)]),
            // stp x29, x30, [sp, #-32]!
            (0xa9be_7bfd, &[set(31, 31, -32), store(29, 0), store(30, 8)]),
            // ldr x30, [sp], #16; ldr x30, [sp, #8]; str x30, [sp, #-16]!
            (0xf841_07fe, &[load(30, 0), set(31, 31, 16)]),
            (0xf940_07fe, &[load(30, 8)]),
            (0xf81f_0ffe, &[set(31, 31, -16), store(30, 0)]),
            // ldur x30, [sp, #-8]
            (0xf85f_83fe, &[load(30, -8)]),
            // ldp d8, d9, [sp], #16; ldp q8, q9, [sp], #32; ldp w0, w1, [sp, #8]; ldr w0, [sp, #4]
            (0x6cc1_27e8, &[set(31, 31, 16)]),
            (0xacc1_27e8, &[set(31, 31, 32)]),
            (0x2941_07e0, &[]),
            (0xb940_07e0, &[]),
            // add sp, sp, #0x20; sub sp, sp, #1, lsl #12; mov x29, sp; mov sp, x29
            (0x9100_83ff, &[set(31, 31, 32)]),
            (0xd140_07ff, &[set(31, 31, -4096)]),
            (0x9100_03fd, &[set(29, 31, 0)]),
            (0x9100_03bf, &[set(31, 29, 0)]),
            // mov x16, x30; mov x0, xzr; add sp, sp, x16; and sp, x9, #-16; cmp x0, #1
            (0xaa1e_03f0, &[set(16, 30, 0)]),
            (0xaa1f_03e0, &[Effect::Forget { register: 0 }]),
            (0x8b30_63ff, &[Effect::Forget { register: 31 }]),
            (0x927c_ed3f, &[Effect::Forget { register: 31 }]),
            (0xf100_041f, &[]),
            // autiasp; svc #0; nop
            (0xd503_23bf, &[]),
            (0xd400_0001, &[]),
            (0xd503_201f, &[]),
        ];
        for (code, expected) in table {
            assert_eq!(effects(code), expected, "{code:x}");
        }
    }

    #[test]
    fn what_goes_on_elsewhere_is_recognized() {
        let returned = [Effect::Set { register: 32, from: 30, offset: 0 }, Effect::Return];
        let called = [Effect::Call, Effect::Forget { register: 30 }];
        let branch = |target| [Effect::Branch { target }];
        let table: [(u32, &[Effect]); 14] = [
            // ret; retaa; b; bl; blr x8
            (0xd65f_03c0, &returned),
            (0xd65f_0bff, &returned),
            (0x17ff_ffff, &[Effect::Jump { target: 0xffc }]),
            (0x9400_0001, &called),
            (0xd63f_0100, &called),
            // b.ne; cbz x0; tbz w0, #3
            (0x5400_0041, &branch(0x1008)),
            (0xb4ff_ffe0, &branch(0xffc)),
            (0x3618_0040, &branch(0x1008)),
            // br x16; braa x16, x17; udf; brk; hlt
            (0xd61f_0200, &[Effect::End]),
            (0xd71f_0a11, &[Effect::End]),
            (0, &[Effect::End]),
            (0xd420_0020, &[Effect::End]),
            (0xd440_0000, &[Effect::End]),
            (0xd43e_0000, &[Effect::End]),
        ];
        for (code, expected) in table {
            assert_eq!(effects(code), expected, "{code:x}");
        }
        assert_eq!(decode(&[0; 3], 0x1000), None);
    }
}
