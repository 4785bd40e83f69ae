//! `Effect`: what an instruction does to the stack, and to the registers that a function must restore before it returns.

/// An effect. Registers have their DWARF numbers; the stack pointer and the program counter are among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing that matters here.
    None,
    /// Sets a register to another one and an offset.
    Set { register: usize, from: usize, offset: i64 },
    /// Clears the bits of a register that this mask doesn't have.
    Mask { register: usize, mask: u64 },
    /// Sets a register to something that isn't known here.
    Forget { register: usize },
    /// Reads a register from memory.
    Load { register: usize, base: usize, offset: i64 },
    /// Writes a register to memory; `None` writes something that isn't known here.
    Store { register: Option<usize>, base: usize, offset: i64 },
    /// Calls a function.
    Call,
    /// Goes on elsewhere.
    Jump { target: u64 },
    /// Goes on here or elsewhere.
    Branch { target: u64 },
    /// Returns to the address that the program counter has now.
    Return,
    /// Goes on nowhere, or it isn't known where.
    End,
}

/// An instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) length: usize,
    /// One after the other.
    pub(super) effects: [Effect; 3],
}

impl Instruction {
    /// Returns one with these effects, of which there are at most three.
    pub(super) fn new(length: usize, effects: &[Effect]) -> Self {
        let mut all = [Effect::None; 3];
        for (slot, effect) in all.iter_mut().zip(effects) {
            *slot = *effect;
        }
        Self { length, effects: all }
    }
}
