//! A process that exists in bytes only, and what a walk makes of it, whatever the bytes are.

use std::fs;
use std::path::Path;

use super::super::binary::tests::elf;
use super::super::binary::{PT_GNU_EH_FRAME, PT_LOAD};
use super::super::fuzzed::{BASE, STACK, walk_fuzzed};
use super::super::image::tests::Written;
use super::*;

/// The functions of the binary, as addresses in its file.
const OUTERMOST: u64 = 0x1000;
const MIDDLE: u64 = 0x1100;
const HANDLER_RETURN: u64 = 0x1200;
const INNERMOST: u64 = 0x1300;
const WITHOUT_RULE: u64 = 0x1400;

/// Where the binary has its table and its unwind information.
const TABLE: u64 = 0x400;
const EH_FRAME: u64 = 0x800;

/// Returns an entry of `.eh_frame` with its length, padded.
fn entry(mut content: Vec<u8>) -> Vec<u8> {
    // No operation, up to a multiple of four.
    content.resize(content.len().next_multiple_of(4), 0);
    let length = u32::try_from(content.len()).expect("it is short");
    [length.to_le_bytes().to_vec(), content].concat()
}

/// Returns a binary with unwind information for its functions.
fn binary(architecture: Architecture) -> Vec<u8> {
    let (stack, link, offset) = match architecture {
        Architecture::X86_64 => (7, 16, 8),
        Architecture::Aarch64 => (31, 30, 0),
    };
    // Version 1, augmented by the encoding of addresses; the return address is right below the frame.
    let common = |augmentation: &[u8]| {
        let head = [&[0, 0, 0, 0, 1][..], augmentation, &[1, 0x78, link, 1, 0x1b]].concat();
        let rules = [0x0c, stack, offset, 0x80 | link, 1];
        entry([&head[..], &rules].concat())
    };
    let mut frames = common(b"zR\0");
    let signal_common = frames.len();
    frames.extend(common(b"zRS\0"));
    let mut table = Vec::new();
    let mut add = |function: u64, common: usize, rules: &[u8]| {
        let at = frames.len();
        let here = EH_FRAME + at as u64;
        let back = u32::try_from(at + 4 - common).expect("it is close");
        let begin = i32::try_from(function.cast_signed() - (here + 8).cast_signed()).expect("it is close");
        let head = [&back.to_le_bytes()[..], &begin.to_le_bytes(), &0x100_u32.to_le_bytes(), &[0]].concat();
        frames.extend(entry([&head[..], rules].concat()));
        table.push((function, here));
    };
    // The return address is undefined: nothing has called it.
    add(OUTERMOST, 0, &[0x07, link]);
    // A frame of 32 bytes, with a saved register at the address that an expression gives: the frame less 16.
    add(MIDDLE, 0, &[0x0e, 32, 0x10, 3, 2, 0x40, 0x1c]);
    add(HANDLER_RETURN, signal_common, &[0x0e, 64]);
    add(INNERMOST, 0, &[0x0e, 16]);
    let relative = |address: u64| i32::try_from(address.cast_signed() - TABLE.cast_signed()).expect("it is close");
    let mut header = vec![1, 0x1b, 0x03, 0x3b];
    header.extend(relative(EH_FRAME).to_le_bytes());
    header.extend(u32::try_from(table.len()).expect("there are few").to_le_bytes());
    for (function, frame) in table {
        header.extend(relative(function).to_le_bytes());
        header.extend(relative(frame).to_le_bytes());
    }
    let length = header.len() as u64;
    let mut file = elf(&[(PT_LOAD, 0, 0, 0x2000), (PT_GNU_EH_FRAME, TABLE, TABLE, length)]);
    file.resize(usize::try_from(TABLE).expect("it is close"), 0);
    file.extend(header);
    file.resize(usize::try_from(EH_FRAME).expect("it is close"), 0);
    file.extend(frames);
    file.resize(0x2000, 0);
    file
}

const MAPS: &[u8] = b"10000-12000 r-xp 0 1:1 7 /bin/a\n20000-24000 rw-p 0 0:0 0\n30000-34000 rw-p 0 0:0 0\n";

fn registers(architecture: Architecture, program_counter: u64, stack_pointer: u64) -> Registers {
    let mut registers = Registers::unknown(architecture);
    registers.set_stack_pointer(stack_pointer);
    registers.set_program_counter(program_counter);
    registers
}

fn walk(memory: &Written, registers: &Registers) -> (Stack, Vec<ModuleMessage>) {
    let maps = Maps::parse(MAPS);
    let mut modules = Modules::default();
    let stack = Walker::new(memory, &maps, &mut modules).walk(registers, Deadline::NEVER);
    (stack, modules.into_messages())
}

fn word(value: u64) -> [u8; 8] {
    value.to_le_bytes()
}

/// Returns the memory of a process with a stack through all functions.
fn process(architecture: Architecture) -> Written {
    Written::default()
        .with(BASE, &binary(architecture))
        .with(STACK + 8, &word(BASE + HANDLER_RETURN + 4))
        // The frame of a signal: 64 bytes. It interrupted the middle function at its first instruction.
        .with(STACK + 16 + 56, &word(BASE + MIDDLE))
        .with(STACK + 80 + 24, &word(BASE + OUTERMOST + 9))
}

#[test]
fn a_stack_is_walked_through_the_frame_of_a_signal_to_the_outermost_function() {
    for architecture in [Architecture::X86_64, Architecture::Aarch64] {
        let registers = registers(architecture, BASE + INNERMOST + 7, STACK);
        let (stack, modules) = walk(&process(architecture), &registers);
        let frames: Vec<_> = stack.frames.iter().map(|frame| (frame.module, frame.offset, frame.kind)).collect();
        let expected = [
            (INNERMOST + 7, AddressKind::Exact),
            (HANDLER_RETURN + 4, AddressKind::Return),
            (MIDDLE, AddressKind::Exact),
            (OUTERMOST + 9, AddressKind::Return),
        ];
        assert_eq!(frames, expected.map(|(offset, kind)| (Some(0), offset, kind)), "{architecture:?}");
        assert_eq!(stack.incomplete, None);
        assert_eq!(modules, [ModuleMessage { path: "/bin/a".to_owned(), build_id: Vec::new() }]);
    }
}

#[test]
fn a_function_without_a_rule_is_left_by_a_guess_which_is_marked() {
    let architecture = Architecture::X86_64;
    // After the call in the middle function.
    let memory = process(architecture)
        .with(BASE + MIDDLE + 0x10, &[0xe8, 0, 0, 0, 0])
        .with(STACK, &word(BASE + MIDDLE))
        .with(STACK + 8, &word(BASE + MIDDLE + 0x15))
        .with(BASE + OUTERMOST + 4, &[0xe8, 0, 0, 0, 0])
        .with(STACK + 16 + 24, &word(BASE + OUTERMOST + 9));
    let (stack, _) = walk(&memory, &registers(architecture, BASE + WITHOUT_RULE, STACK));
    let kinds: Vec<_> = stack.frames.iter().map(|frame| frame.kind).collect();
    assert_eq!(kinds, [AddressKind::Exact, AddressKind::Guessed, AddressKind::Return]);
    assert_eq!(stack.incomplete, None);
}

/// Returns the offsets of the frames of a stack, each with its kind, and whether the stack is whole.
fn offsets(stack: &Stack) -> (Vec<(u64, AddressKind)>, bool) {
    (stack.frames.iter().map(|frame| (frame.offset, frame.kind)).collect(), stack.incomplete.is_none())
}

/// What an earlier call has left on the stack comes first there, and leads nowhere.
#[test]
fn a_search_passes_over_return_addresses_from_which_the_stack_does_not_go_on() {
    let architecture = Architecture::X86_64;
    let (stale, called) = (MIDDLE + 0x15, MIDDLE + 0x25);
    let memory = process(architecture)
        // It never returns: `hlt`.
        .with(BASE + WITHOUT_RULE, &[0xf4])
        .with(BASE + stale - 5, &[0xe8, 0, 0, 0, 0])
        .with(BASE + called - 5, &[0xe8, 0, 0, 0, 0])
        .with(BASE + OUTERMOST + 4, &[0xe8, 0, 0, 0, 0])
        .with(STACK, &word(BASE + stale))
        .with(STACK + 8, &word(BASE + called))
        .with(STACK + 8 + 8 + 24, &word(BASE + OUTERMOST + 9));
    let registers = registers(architecture, BASE + WITHOUT_RULE, STACK);
    let whole =
        [(WITHOUT_RULE, AddressKind::Exact), (called, AddressKind::Guessed), (OUTERMOST + 9, AddressKind::Return)];
    assert_eq!(offsets(&walk(&memory, &registers).0), (whole.to_vec(), true));
    // Without a return address that makes sense, the first is shown, and nothing that follows from it.
    let others = [STACK + 8, STACK + 8 + 8 + 24, STACK + 80 + 24];
    let memory = others.into_iter().fold(memory, |memory, other| memory.with(other, &word(7)));
    assert_eq!(offsets(&walk(&memory, &registers).0), ([whole[0], (stale, AddressKind::Guessed)].to_vec(), false));
}

#[test]
fn a_function_without_a_rule_is_left_by_its_return() {
    let architecture = Architecture::X86_64;
    let (stale, called) = (MIDDLE + 0x15, MIDDLE + 0x25);
    let memory = process(architecture)
        // add $8, %rsp; ret
        .with(BASE + WITHOUT_RULE, &[0x48, 0x83, 0xc4, 8, 0xc3])
        .with(BASE + stale - 5, &[0xe8, 0, 0, 0, 0])
        .with(BASE + called - 5, &[0xe8, 0, 0, 0, 0])
        .with(BASE + OUTERMOST + 4, &[0xe8, 0, 0, 0, 0])
        .with(STACK, &word(BASE + stale))
        .with(STACK + 8, &word(BASE + called))
        .with(STACK + 24, &word(BASE + OUTERMOST + 9))
        .with(STACK + 16 + 24, &word(BASE + OUTERMOST + 9));
    let (stack, _) = walk(&memory, &registers(architecture, BASE + WITHOUT_RULE, STACK));
    let expected =
        [(WITHOUT_RULE, AddressKind::Exact), (called, AddressKind::Guessed), (OUTERMOST + 9, AddressKind::Return)];
    assert_eq!(offsets(&stack), (expected.to_vec(), true));
}

/// As in a program without any unwind information.
#[test]
fn the_handler_of_a_signal_is_left_without_a_rule() {
    for (architecture, returns) in [
        (Architecture::X86_64, &[0xc3_u8][..]),
        // ldp x29, x30, [sp], #16; ret
        (Architecture::Aarch64, &[0xfd, 0x7b, 0xc1, 0xa8, 0xc0, 0x03, 0x5f, 0xd6]),
    ] {
        let code = BASE + WITHOUT_RULE + 0x40;
        // The stack pointer in the code that returns from the handler, and the address of that code.
        let (signal_frame, at) = if architecture == Architecture::X86_64 { (8, 0) } else { (16, 8) };
        let mut memory = process(architecture)
            .with(BASE + WITHOUT_RULE, returns)
            .with(code, architecture.signal_return())
            .with(STACK + at, &word(code));
        let interrupted = registers(architecture, BASE + MIDDLE, 0x30000);
        for register in 0..interrupted.count() {
            let address = STACK + signal_frame + architecture.signal_frame_offset(register);
            memory = memory.with(address, &word(interrupted.get(register).unwrap_or_default()));
        }
        let memory = memory.with(0x30000 + 24, &word(BASE + OUTERMOST + 9));
        let call = if architecture == Architecture::X86_64 { 4 } else { 5 };
        let memory =
            memory.with(BASE + OUTERMOST + call, if call == 4 { &[0xe8, 0, 0, 0, 0] } else { &[0, 0, 0, 0x94] });
        let (stack, _) = walk(&memory, &registers(architecture, BASE + WITHOUT_RULE, STACK));
        let expected = [
            (WITHOUT_RULE, AddressKind::Exact),
            (WITHOUT_RULE + 0x40, AddressKind::Guessed),
            (MIDDLE, AddressKind::Exact),
            (OUTERMOST + 9, AddressKind::Return),
        ];
        assert_eq!(offsets(&stack), (expected.to_vec(), true), "{architecture:?}");
    }
}

/// The first functions of musl have no unwind information. A thread's calls the thread's function and ends the thread; a program's
/// begins where the headers say.
#[test]
fn a_stack_is_whole_if_it_leads_to_the_first_function_of_a_thread_or_a_program() {
    let architecture = Architecture::X86_64;
    let first = BASE + WITHOUT_RULE + 5;
    let memory = || {
        process(architecture)
            .with(BASE + WITHOUT_RULE, &[0xe8, 0, 0, 0, 0])
            .with(STACK + 24, &word(first))
            .with(first, &[0xf4])
    };
    let registers = registers(architecture, BASE + MIDDLE + 1, STACK);
    let expected = vec![(MIDDLE + 1, AddressKind::Exact), (WITHOUT_RULE + 5, AddressKind::Return)];
    assert_eq!(offsets(&walk(&memory(), &registers).0), (expected.clone(), false));
    let thread = memory().with(first, architecture.thread_exit());
    assert_eq!(offsets(&walk(&thread, &registers).0), (expected.clone(), true));
    let program = memory().with(BASE + 24, &word(WITHOUT_RULE));
    assert_eq!(offsets(&walk(&program, &registers).0), (expected, true));
}

#[test]
fn a_stack_of_aarch64_is_whole_if_the_last_frame_record_has_no_return_address() {
    let walk = |frame_pointer, record: [u64; 2]| {
        let memory = Written::default()
            .with(BASE, &binary(Architecture::Aarch64))
            // bl; bl, which never returns
            .with(BASE + WITHOUT_RULE, &[0, 0, 0, 0x94, 0, 0, 0, 0x94])
            .with(STACK + 24, &word(BASE + WITHOUT_RULE + 4))
            .with(STACK + 48, &word(record[0]))
            .with(STACK + 56, &word(record[1]));
        let mut registers = registers(Architecture::Aarch64, BASE + MIDDLE + 1, STACK);
        registers.set_frame_pointer(Some(frame_pointer));
        let (stack, _) = walk(&memory, &registers);
        (stack.frames.len(), stack.incomplete.is_none())
    };
    assert_eq!(walk(STACK + 48, [0, 0]), (2, true));
    assert_eq!(walk(STACK + 48, [0, 7]), (2, false));
    assert_eq!(walk(STACK + 48, [STACK + 80, 0]), (2, false));
    // It isn't on the stack of this function.
    assert_eq!(walk(STACK + 8, [0, 0]), (2, false));
    assert_eq!(walk(0, [0, 0]), (2, false));
}

/// A zero on the stack is no end of it, once a frame was guessed.
#[test]
fn a_stack_that_a_guess_has_led_to_a_zero_is_not_whole() {
    let architecture = Architecture::X86_64;
    let memory = |call: &[u8]| {
        process(architecture)
            .with(BASE + WITHOUT_RULE, &[0xf4])
            .with(BASE + MIDDLE + 0x10, call)
            .with(STACK, &word(BASE + MIDDLE + 0x15))
            .with(STACK + 8 + 24, &word(0))
    };
    let (stack, _) = walk(&memory(&[0xe8, 0, 0, 0, 0]), &registers(architecture, BASE + WITHOUT_RULE, STACK));
    assert_eq!((stack.frames.len(), stack.incomplete), (2, Some(Incomplete::NoUnwindInfo)));
    let (stack, _) = walk(&memory(&[]), &registers(architecture, BASE + MIDDLE, STACK + 8));
    assert_eq!((stack.frames.len(), stack.incomplete), (1, None));
}

#[test]
fn a_stack_that_leads_to_itself_or_nowhere_ends() {
    for architecture in [Architecture::X86_64, Architecture::Aarch64] {
        let at = |stack| registers(architecture, BASE + INNERMOST, stack);
        // Each frame returns to the same function: the stack pointer grows until the memory ends.
        let mut memory = Written::default().with(BASE, &binary(architecture));
        for frame in 0..0x400 {
            memory = memory.with(STACK + 16 * frame + 8, &word(BASE + INNERMOST + 1));
        }
        let (stack, _) = walk(&memory, &at(STACK));
        assert_eq!((stack.frames.len(), stack.incomplete), (256, Some(Incomplete::FrameLimit)));
        for nowhere in [0, STACK + 0x4000 - 8, u64::MAX - 7] {
            let (stack, _) = walk(&memory, &at(nowhere));
            assert_eq!((stack.frames.len(), stack.incomplete), (1, Some(Incomplete::NoUnwindInfo)), "{nowhere:x}");
        }
    }
}

/// An overflow, before the function touched that memory; or a function that has lost its stack.
#[test]
fn a_stack_continues_outside_of_stacks_only_where_a_signal_interrupted_a_function() {
    let maps = Maps::parse(MAPS);
    let (memory, mut modules) = (Written::default(), Modules::default());
    let walker = Walker::new(&memory, &maps, &mut modules);
    let [handler, overflowed] =
        [0x30100, STACK - 24].map(|stack| registers(Architecture::X86_64, BASE + MIDDLE, stack));
    let mut limits = WalkLimits::default();
    assert!(walker.has_grown(&handler, &overflowed, AddressKind::Exact, &mut limits));
    assert!(!walker.has_grown(&handler, &overflowed, AddressKind::Return, &mut limits));
    let lost = registers(Architecture::X86_64, BASE + MIDDLE, 64);
    assert!(walker.has_grown(&handler, &lost, AddressKind::Exact, &mut limits));
    assert!(!walker.has_grown(&handler, &lost, AddressKind::Return, &mut limits));
    // Not without end.
    assert!((0..100).any(|_| !walker.has_grown(&handler, &lost, AddressKind::Exact, &mut limits)));
}

#[test]
fn a_walk_ends_at_its_deadline() {
    let memory = process(Architecture::X86_64);
    let maps = Maps::parse(MAPS);
    let mut modules = Modules::default();
    let registers = registers(Architecture::X86_64, BASE + INNERMOST, STACK);
    let stack = Walker::new(&memory, &maps, &mut modules).walk(&registers, Deadline::now());
    assert_eq!(stack, Stack { frames: Vec::new(), incomplete: Some(Incomplete::TimeLimit) });
}

/// Returns the input of the fuzz target for the process with a stack through all functions.
fn seed(architecture: Architecture) -> Vec<u8> {
    let registers = registers(architecture, BASE + INNERMOST + 7, STACK);
    let words = [(8, HANDLER_RETURN + 4), (16 + 56, MIDDLE), (80 + 24, OUTERMOST + 9)];
    input(&registers, binary(architecture), &words)
}

/// Returns the input for a process in a function without a rule, which returns.
fn seed_without_rule(architecture: Architecture) -> Vec<u8> {
    let registers = registers(architecture, BASE + WITHOUT_RULE, STACK);
    let (returns, call, after): (&[u8], &[u8], _) = match architecture {
        Architecture::X86_64 => (&[0x48, 0x83, 0xc4, 8, 0xc3], &[0xe8, 0, 0, 0, 0], 9),
        // ldp x29, x30, [sp], #16; ret
        Architecture::Aarch64 => (&[0xfd, 0x7b, 0xc1, 0xa8, 0xc0, 0x03, 0x5f, 0xd6], &[0, 0, 0, 0x94], 8),
    };
    let mut binary = binary(architecture);
    for (address, code) in [(WITHOUT_RULE, returns), (MIDDLE + 4, call), (OUTERMOST + 4, call)] {
        let at = usize::try_from(address).expect("it is close");
        binary[at..at + code.len()].copy_from_slice(code);
    }
    input(&registers, binary, &[(8, MIDDLE + after), (16 + 24, OUTERMOST + after)])
}

/// Returns the input of the fuzz target for a process with these registers, this binary, and these addresses on its stack.
fn input(registers: &Registers, mut binary: Vec<u8>, words: &[(usize, u64)]) -> Vec<u8> {
    binary.resize(0x2000, 0);
    let mut stack = vec![0; 0x100];
    for (at, value) in words {
        stack[*at..at + 8].copy_from_slice(&word(BASE + value));
    }
    let all = (0..registers.count()).flat_map(|register| word(registers.get(register).unwrap_or_default()));
    let architecture = u8::from(registers.architecture == Architecture::Aarch64);
    [&[architecture, 0, 0][..], &all.collect::<Vec<_>>(), &binary, &stack].concat()
}

/// A fuzz target makes progress only if it begins with valid input.
#[test]
fn the_fuzzer_s_seeds_are_whole_stacks() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = package.join("../fuzz/seeds/unwind");
    if !package.join("../Cargo.toml").exists() {
        // The published package has no seeds.
        return;
    }
    for (name, seed, frames) in [
        ("x86_64", seed(Architecture::X86_64), 4),
        ("aarch64", seed(Architecture::Aarch64), 4),
        ("x86_64_without_rule", seed_without_rule(Architecture::X86_64), 3),
        ("aarch64_without_rule", seed_without_rule(Architecture::Aarch64), 3),
    ] {
        let path = folder.join(name);
        let found = walk_fuzzed(&seed).map(|stack| (stack.frames.len(), stack.incomplete));
        assert_eq!(found, Some((frames, None)), "{name}");
        if std::env::var_os("SCHEDULER_NEW_SEEDS").is_some() {
            fs::create_dir_all(&folder).and_then(|()| fs::write(&path, &seed)).expect("it is a file of ours");
        }
        let is_current = fs::read(&path).expect("it is a file of ours") == seed;
        assert!(is_current, "{name} is outdated; run this once more with SCHEDULER_NEW_SEEDS=1");
    }
}

/// Each byte of a valid process is replaced by others: nothing panics, and every walk ends.
#[test]
fn a_process_with_any_byte_changed_is_walked_to_an_end() {
    let architectures = [Architecture::X86_64, Architecture::Aarch64];
    let seeds =
        architectures.into_iter().flat_map(|architecture| [seed(architecture), seed_without_rule(architecture)]);
    for valid in seeds {
        for at in 0..valid.len() {
            if valid[at] == 0 && at % 64 != 0 {
                // Most of the memory is empty.
                continue;
            }
            for value in [0, 0xff, valid[at] ^ 0x80, valid[at].wrapping_add(1), valid[at].wrapping_sub(1)] {
                let mut changed = valid.clone();
                changed[at] = value;
                if let Some(stack) = walk_fuzzed(&changed) {
                    assert!(stack.frames.len() <= FRAMES);
                }
            }
        }
    }
}
