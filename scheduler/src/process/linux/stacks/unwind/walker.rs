//! `Walker`: walks the stacks of a process, from the innermost frame to the outermost.

use std::collections::HashMap;
use std::rc::Rc;

use super::binary::Binary;
use super::image::{Image, Memory};
use super::maps::{Mapping, Maps};
use super::registers::{Architecture, Registers};
use super::rule::{RegisterRules, Rule};
use super::{guess, returns};
use crate::clock::Deadline;
use crate::outcome::{AddressKind, Incomplete};
use crate::wire::snapshots_message::{FrameMessage, ModuleMessage};

/// The most frames of a stack.
const FRAMES: usize = 256;

/// The most frames of a stack that are found by guessing.
const GUESSES: usize = 16;

/// The most frames that are looked at to tell whether a guess makes sense, and the most for all guesses of a stack.
const LOOK_AHEAD: usize = 8;
const LOOK_AHEAD_TOTAL: usize = LOOK_AHEAD * (FRAMES + GUESSES);

/// The most times that a stack may continue in other memory: signal handlers, and code that grows its stack.
const SWITCHES: usize = 32;

/// The most binaries in a message.
const MODULES: usize = 1000;

/// The most rules that are kept.
const RULES: usize = 4096;

/// The binaries of a message, each once.
#[derive(Debug, Default)]
pub(in crate::process::linux::stacks) struct Modules(Vec<ModuleMessage>);

impl Modules {
    /// Returns the index of a binary; `None` beyond the limit.
    fn index(&mut self, path: &str, build_id: &[u8]) -> Option<u16> {
        let known = self.0.iter().position(|module| module.path == path && module.build_id == build_id);
        let index = known.or_else(|| {
            (self.0.len() < MODULES).then(|| {
                self.0.push(ModuleMessage { path: path.to_owned(), build_id: build_id.to_vec() });
                self.0.len() - 1
            })
        })?;
        u16::try_from(index).ok()
    }

    pub(in crate::process::linux::stacks) fn into_messages(self) -> Vec<ModuleMessage> {
        self.0
    }
}

/// The stack of a thread.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::process::linux::stacks) struct Stack {
    /// From the innermost.
    pub(in crate::process::linux::stacks) frames: Vec<FrameMessage>,
    /// Why the outermost frames are missing, if they are.
    pub(in crate::process::linux::stacks) incomplete: Option<Incomplete>,
}

/// Walks the stacks of one process.
#[derive(Debug)]
pub(in crate::process::linux::stacks) struct Walker<'a, M> {
    image: Image<'a, M>,
    modules: &'a mut Modules,
    rules: RegisterRules,
    /// The rules that were found, by address: many threads wait in the same place.
    found: HashMap<u64, Option<Rc<Rule>>>,
    /// The binaries, by the addresses at which they begin, with their indexes in the message.
    binaries: HashMap<u64, Option<Rc<KnownBinary>>>,
}

/// A binary, and its index in the message, if it has one.
type KnownBinary = (Binary, Option<u16>);

impl<'a, M: Memory> Walker<'a, M> {
    pub(in crate::process::linux::stacks) fn new(memory: &'a M, maps: &'a Maps, modules: &'a mut Modules) -> Self {
        Self {
            image: Image::new(memory, maps),
            modules,
            rules: RegisterRules::default(),
            found: HashMap::new(),
            binaries: HashMap::new(),
        }
    }

    /// Walks the stack of a thread with these registers.
    pub(in crate::process::linux::stacks) fn walk(&mut self, registers: &Registers, deadline: Deadline) -> Stack {
        let mut frames = Vec::new();
        let mut limits = WalkLimits::default();
        let mut next = Ok((*registers, AddressKind::Exact));
        let incomplete = loop {
            let (registers, kind) = match next {
                Ok(frame) => frame,
                Err(incomplete) => break incomplete,
            };
            let Some(address) = registers.program_counter() else { break LOST };
            if frames.len() >= FRAMES {
                break Some(Incomplete::FrameLimit);
            }
            if deadline.is_past() {
                break Some(Incomplete::TimeLimit);
            }
            frames.push(self.frame(address, kind));
            next = self.caller(&registers, address, kind, &mut limits);
        };
        Stack { frames, incomplete }
    }

    /// Returns the frame at this address.
    fn frame(&mut self, address: u64, kind: AddressKind) -> FrameMessage {
        match self.binary(instruction(address, kind)).as_deref() {
            Some((binary, Some(module))) => {
                FrameMessage { module: Some(*module), offset: address.wrapping_sub(binary.bias), kind }
            }
            _ => FrameMessage { module: None, offset: address, kind },
        }
    }

    /// Returns the binary with this address.
    fn binary(&mut self, address: u64) -> Option<Rc<KnownBinary>> {
        let beginning = self.image.maps.beginning(address)?;
        let begin = beginning.addresses.start;
        if let Some(known) = self.binaries.get(&begin) {
            return known.clone();
        }
        let binary = Binary::read(&mut self.image, beginning).map(|binary| {
            let module = self.modules.index(&beginning.path, &binary.build_id);
            Rc::new((binary, module))
        });
        self.binaries.insert(begin, binary.clone());
        binary
    }

    /// Returns the rule for the function at this address.
    fn rule(&mut self, architecture: Architecture, address: u64) -> Option<Rc<Rule>> {
        if let Some(known) = self.found.get(&address) {
            return known.clone();
        }
        let binary = self.binary(address)?;
        let table = binary.0.unwind_table?;
        let rule = self.rules.find(&mut self.image, architecture, table, address).map(Rc::new);
        if self.found.len() >= RULES {
            self.found.clear();
        }
        self.found.insert(address, rule.clone());
        rule
    }

    /// Returns the frame after this one; or nothing, and why if frames are missing.
    fn caller(
        &mut self,
        registers: &Registers,
        address: u64,
        kind: AddressKind,
        limits: &mut WalkLimits,
    ) -> Result<(Registers, AddressKind), Option<Incomplete>> {
        let (caller, kind) = match self.rule(registers.architecture, instruction(address, kind)) {
            Some(rule) if rule.is_outermost() => return Err(None),
            Some(rule) => {
                let kind = if rule.is_signal_frame { AddressKind::Exact } else { AddressKind::Return };
                let caller = rule.caller(&mut self.image, registers).ok_or(LOST)?;
                // What a wrong guess leads to is not shown.
                if limits.has_guessed && kind == AddressKind::Return && !self.may_go_on(&caller) {
                    return Err(LOST);
                }
                (caller, kind)
            }
            None if self.is_first(registers, address, kind) => return Err(None),
            None => self.guess(registers, kind, limits)?,
        };
        // A thread's first function has no caller. What a signal has interrupted may have called a null pointer.
        if caller.program_counter() == Some(0) && kind != AddressKind::Exact {
            return Err(None);
        }
        if self.has_grown(registers, &caller, kind, limits) { Ok((caller, kind)) } else { Err(LOST) }
    }

    /// Returns whether the function that goes on at this address, which has no rule, is the first one of its thread.
    fn is_first(&mut self, registers: &Registers, address: u64, kind: AddressKind) -> bool {
        let entry = self.binary(instruction(address, kind)).and_then(|binary| binary.0.entry);
        kind != AddressKind::Exact && guess::is_first(&mut self.image, registers.architecture, address, entry)
    }

    /// Returns whether a frame that nothing has interrupted may go on at its address: behind a call, or in code that was made at run
    /// time. Where calls leave the return address in a register, a thread's first function has none.
    fn may_go_on(&mut self, frame: &Registers) -> bool {
        let Some(address) = frame.program_counter() else { return false };
        let mapping = self.image.maps.find(address.wrapping_sub(1));
        let is_made = mapping.is_some_and(|mapping| mapping.is_executable && !mapping.is_image());
        let architecture = frame.architecture;
        is_made
            || (address == 0 && architecture.link_register().is_some())
            || guess::is_return_address(&mut self.image, architecture, address)
    }

    /// Returns the frame after this one, whose function has no rule.
    fn guess(
        &mut self,
        registers: &Registers,
        kind: AddressKind,
        limits: &mut WalkLimits,
    ) -> Result<(Registers, AddressKind), Option<Incomplete>> {
        if let Some(interrupted) = guess::interrupted(&mut self.image, registers) {
            return Ok((interrupted, AddressKind::Exact));
        }
        limits.has_guessed = true;
        let mut own = *registers;
        if let (Some(link), true) = (registers.architecture.link_register(), kind != AddressKind::Exact) {
            // The call has changed it.
            own.set(link, None);
        }
        let returned = returns::caller(&mut self.image, &own, |image, caller| {
            let address = caller.program_counter();
            address.is_some_and(|address| guess::is_return_address(image, caller.architecture, address))
        });
        if let Some(caller) = returned.filter(|caller| self.is_plausible(caller, limits)) {
            return Ok((caller, AddressKind::Guessed));
        }
        if kind != AddressKind::Exact && guess::is_end_of_chain(&mut self.image, registers) {
            return Err(None);
        }
        limits.guesses = limits.guesses.checked_sub(1).ok_or(LOST)?;
        let direct = match kind {
            // An innermost function has pushed little, and may use the frame pointer for anything.
            AddressKind::Exact => guess::by_link_register(&mut self.image, registers),
            _ => guess::by_frame_pointer(&mut self.image, registers),
        };
        let caller = match direct.filter(|caller| self.is_plausible(caller, limits)) {
            Some(caller) => caller,
            None => self.search(registers, returned.or(direct), limits).ok_or(LOST)?,
        };
        Ok((caller, AddressKind::Guessed))
    }

    /// Returns the first caller by a search from which the stack goes on; or else this one, or the first of all.
    fn search(
        &mut self,
        registers: &Registers,
        mut otherwise: Option<Registers>,
        limits: &mut WalkLimits,
    ) -> Option<Registers> {
        let mut from = 0;
        while let Some((caller, after)) = guess::by_search(&mut self.image, registers, from) {
            if self.is_plausible(&caller, limits) {
                return Some(caller);
            }
            otherwise = otherwise.or(Some(caller));
            from = after;
        }
        otherwise
    }

    /// Returns whether the stack goes on from a guessed frame without contradiction, as far as unwind information leads, or for some
    /// frames.
    fn is_plausible(&mut self, caller: &Registers, limits: &mut WalkLimits) -> bool {
        let (mut registers, mut kind) = (*caller, AddressKind::Guessed);
        for _ in 0..LOOK_AHEAD {
            let Some(left) = limits.look_ahead.checked_sub(1) else { return false };
            limits.look_ahead = left;
            let Some(address) = registers.program_counter() else { return false };
            let Some(rule) = self.rule(registers.architecture, instruction(address, kind)) else { return true };
            if rule.is_outermost() {
                return true;
            }
            let Some(next) = rule.caller(&mut self.image, &registers) else { return false };
            let next_kind = if rule.is_signal_frame { AddressKind::Exact } else { AddressKind::Return };
            if next_kind == AddressKind::Return && !self.may_go_on(&next) {
                return false;
            }
            if next.program_counter() == Some(0) {
                return true;
            }
            let mut switches = WalkLimits::default();
            if !self.has_grown(&registers, &next, next_kind, &mut switches) {
                return false;
            }
            (registers, kind) = (next, next_kind);
        }
        true
    }

    /// Returns whether the caller's frame is further out on the same stack, or on another one.
    fn has_grown(&self, registers: &Registers, caller: &Registers, kind: AddressKind, limits: &mut WalkLimits) -> bool {
        let was_interrupted = kind == AddressKind::Exact;
        let may_stay = was_interrupted || registers.architecture.link_register().is_some();
        let (Some(before), Some(after)) = (registers.stack_pointer(), caller.stack_pointer()) else { return false };
        let stack = self.image.maps.find(before).filter(|mapping| mapping.is_stack());
        // The first frame may begin where the stack ends.
        if let Some(stack) = stack
            && (before..=stack.addresses.end).contains(&after)
        {
            let has_moved = after > before || caller.program_counter() != registers.program_counter();
            return after > before || (may_stay && has_moved && limits.stay());
        }
        limits.switches = limits.switches.saturating_sub(1);
        // A function that overflows its stack may have moved the pointer beyond it before it touched that memory, and one that has
        // lost it points anywhere. Where the signal interrupted it is certain all the same.
        let is_known = was_interrupted || self.image.maps.find(after).is_some_and(Mapping::is_stack);
        limits.switches > 0 && is_known
    }
}

/// Limits of one walk, which count down.
#[derive(Debug)]
struct WalkLimits {
    guesses: usize,
    switches: usize,
    look_ahead: usize,
    /// A frame was guessed, so that those after it may make no sense.
    has_guessed: bool,
}

impl Default for WalkLimits {
    fn default() -> Self {
        Self { guesses: GUESSES, switches: SWITCHES, look_ahead: LOOK_AHEAD_TOTAL, has_guessed: false }
    }
}

impl WalkLimits {
    /// Counts a frame that didn't move the stack pointer.
    fn stay(&mut self) -> bool {
        self.switches = self.switches.saturating_sub(1);
        self.switches > 0
    }
}

/// The reason why the frames after one are missing: they can't be found.
const LOST: Option<Incomplete> = Some(Incomplete::NoUnwindInfo);

/// Returns an address of the instruction that a frame executes. A return address is after the call, and may be that of another
/// function, if the call never returns.
fn instruction(address: u64, kind: AddressKind) -> u64 {
    match kind {
        AddressKind::Exact => address,
        AddressKind::Return | AddressKind::Guessed => address.wrapping_sub(1),
    }
}

#[cfg(test)]
mod tests;
