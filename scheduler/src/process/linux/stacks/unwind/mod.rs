//! Unwinds the stacks of a process whose threads stand, from the information for exceptions that its binaries have
//! (`.eh_frame`), which optimized and stripped binaries have as well.
//!
//! The process itself can have written everything that is read here. Each length, number and address in it is checked
//! before it is used; what makes no sense ends the stack. So the worst that a process can do is to show a wrong stack.
//!
//! What is read, and where: the stack only in anonymous memory that is readable and writable; a binary only in the mappings
//! of files and the vdso, never in those of devices, where reading may have effects.
//!
//! A file imports from rows above its own:
//!
//! ```text
//! registers   of either architecture, also as a signal's frame has them    maps   the mappings of a process
//! image       the memory of a process, read where the maps allow it
//! binary      the headers of a mapped ELF file
//! rule        how to find the caller of a function: from DWARF, by `gimli`
//! effects     what an instruction does to the stack
//! x86_64, aarch64   instructions of either architecture
//! returns     how to find the caller: by the code up to the function's return
//! guess       the same, without any information
//! walker      from frame to frame
//! fuzzed      a process made of bytes, for tests
//! ```

mod aarch64;
mod binary;
mod effects;
#[cfg(any(test, fuzzing))]
mod fuzzed;
mod guess;
mod image;
mod maps;
mod registers;
mod returns;
mod rule;
mod walker;
mod x86_64;

#[cfg(any(test, fuzzing))]
pub(in crate::process::linux::stacks) use fuzzed::walk_fuzzed;
pub(in crate::process::linux::stacks) use image::ProcessMemory;
pub(in crate::process::linux::stacks) use maps::Maps;
pub(in crate::process::linux::stacks) use registers::Registers;
pub(in crate::process::linux::stacks) use walker::{Modules, Stack, Walker};
