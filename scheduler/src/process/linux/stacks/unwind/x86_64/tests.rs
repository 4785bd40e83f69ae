//! Instructions, as an assembler encodes them.

use super::*;

const FRAME: usize = FRAME_POINTER;
const STACK: usize = STACK_POINTER;

fn set(register: usize, from: usize, offset: i64) -> Effect {
    Effect::Set { register, from, offset }
}

fn load(register: usize, base: usize, offset: i64) -> Effect {
    Effect::Load { register, base, offset }
}

#[test]
fn what_moves_the_stack_is_recognized() {
    let store = |register, base, offset| Effect::Store { register, base, offset };
    let forget = |register| Effect::Forget { register };
    let table: [(&[u8], &[Effect]); 28] = [
        // add $8, %rsp; sub $0x100, %rsp; and $-16, %rsp; cmp $8, %rsp; or $8, %rsp; sub $8, %esp
        (&[0x48, 0x83, 0xc4, 8], &[set(STACK, STACK, 8)]),
        (&[0x48, 0x81, 0xec, 0, 1, 0, 0], &[set(STACK, STACK, -0x100)]),
        (&[0x48, 0x83, 0xe4, 0xf0], &[Effect::Mask { register: STACK, mask: !15 }]),
        (&[0x48, 0x83, 0xfc, 8], &[]),
        (&[0x48, 0x83, 0xcc, 8], &[forget(STACK)]),
        (&[0x83, 0xec, 8], &[forget(STACK)]),
        // lea -0x28(%rbp), %rsp; lea 8(%rsp), %rbp; lea (%rsp,%rax), %rsp; lea 0(%rip), %rbp
        (&[0x48, 0x8d, 0x65, 0xd8], &[set(STACK, FRAME, -0x28)]),
        (&[0x48, 0x8d, 0x6c, 0x24, 8], &[set(FRAME, STACK, 8)]),
        (&[0x48, 0x8d, 0x24, 0x04], &[forget(STACK)]),
        (&[0x48, 0x8d, 0x2d, 0, 0, 0, 0], &[forget(FRAME)]),
        // mov %rsp, %rbp; mov %rbp, %rsp, in both encodings; mov %ebp, %esp; mov $1, %ebp; movzbl %al, %ebp
        (&[0x48, 0x89, 0xe5], &[set(FRAME, STACK, 0)]),
        (&[0x48, 0x89, 0xec], &[set(STACK, FRAME, 0)]),
        (&[0x48, 0x8b, 0xe5], &[set(STACK, FRAME, 0)]),
        (&[0x89, 0xec], &[forget(STACK)]),
        (&[0xbd, 1, 0, 0, 0], &[forget(FRAME)]),
        (&[0x0f, 0xb6, 0xe8], &[forget(FRAME)]),
        // mov %rbx, 8(%rsp); mov 8(%rsp), %r12; mov (%rax), %rbp; mov (%rdi), %rsp
        (&[0x48, 0x89, 0x5c, 0x24, 8], &[store(Some(3), STACK, 8)]),
        (&[0x4c, 0x8b, 0x64, 0x24, 8], &[load(12, STACK, 8)]),
        (&[0x48, 0x8b, 0x28], &[load(FRAME, 0, 0)]),
        (&[0x48, 0x8b, 0x27], &[load(STACK, 5, 0)]),
        // pop %rbx; pop %r15; push %rbp; push $1; pushf; popf
        (&[0x5b], &[load(3, STACK, 0), moved(8)]),
        (&[0x41, 0x5f], &[load(15, STACK, 0), moved(8)]),
        (&[0x55], &[store(Some(FRAME), STACK, -8), moved(-8)]),
        (&[0x6a, 1], &[store(None, STACK, -8), moved(-8)]),
        (&[0x9c], &[store(None, STACK, -8), moved(-8)]),
        (&[0x9d], &[moved(8)]),
        // push 8(%rax); leave
        (&[0xff, 0x70, 8], &[store(None, STACK, -8), moved(-8)]),
        (&[0xc9], &[set(STACK, FRAME, 8), load(FRAME, STACK, -8)]),
    ];
    for (code, expected) in table {
        assert_decodes(code, expected);
    }
}

#[track_caller]
fn assert_decodes(code: &[u8], expected: &[Effect]) {
    // What follows doesn't belong to the instruction.
    let longer = [code, &[0x90; LONGEST]].concat();
    let Some(found) = decode(&longer, 0x1000) else { panic!("{code:x?} is none") };
    assert_eq!(found, Instruction::new(code.len(), expected), "{code:x?}");
    assert_eq!(decode(&code[..code.len() - 1], 0x1000), None, "{code:x?} is cut");
}

#[test]
fn what_goes_on_elsewhere_is_recognized() {
    let table: [(&[u8], &[Effect]); 16] = [
        // ret; repz ret
        (&[0xc3], &[load(PROGRAM_COUNTER, STACK, 0), moved(8), Effect::Return]),
        (&[0xf3, 0xc3], &[load(PROGRAM_COUNTER, STACK, 0), moved(8), Effect::Return]),
        // call, direct, by a register, and by memory; jmp, short and long; je, short and long
        (&[0xe8, 1, 2, 3, 4], &[Effect::Call]),
        (&[0x41, 0xff, 0xd4], &[Effect::Call]),
        (&[0xff, 0x15, 1, 2, 3, 4], &[Effect::Call]),
        (&[0xeb, 0xfe], &[Effect::Jump { target: 0x1000 }]),
        (&[0xe9, 0x0b, 0x10, 0, 0], &[Effect::Jump { target: 0x2010 }]),
        (&[0x74, 0x10], &[Effect::Branch { target: 0x1012 }]),
        (&[0x0f, 0x84, 0xfa, 0xff, 0xff, 0xff], &[Effect::Branch { target: 0x1000 }]),
        // jmp *%rax; hlt; int3; ud2; ret $8; retf; enter
        (&[0xff, 0xe0], &[Effect::End]),
        (&[0xf4], &[Effect::End]),
        (&[0xcc], &[Effect::End]),
        (&[0x0f, 0x0b], &[Effect::End]),
        (&[0xc2, 8, 0], &[Effect::End]),
        (&[0xcb], &[Effect::End]),
        (&[0xc8, 8, 0, 0], &[Effect::End]),
    ];
    for (code, expected) in table {
        assert_decodes(code, expected);
    }
}

#[test]
fn an_instruction_without_an_effect_has_its_length() {
    let table: [&[u8]; 22] = [
        // syscall; nopw 0(%rax,%rax); xchg %ax, %ax; mov %fs:0x28, %rdx; sub %fs:0x28, %rdx
        &[0x0f, 0x05],
        &[0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
        &[0x66, 0x90],
        &[0x64, 0x48, 0x8b, 0x14, 0x25, 0x28, 0, 0, 0],
        &[0x64, 0x48, 0x2b, 0x14, 0x25, 0x28, 0, 0, 0],
        // movabs $1, %rax; mov $1, %ax; movabs 1, %al; movl $8, (%rsp); movw $8, (%rsp); test $1, %al
        &[0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0x66, 0xb8, 1, 2],
        &[0xa0, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0xc7, 0x04, 0x24, 8, 0, 0, 0],
        &[0x66, 0xc7, 0x04, 0x24, 8, 0],
        &[0xa8, 1],
        // testb $1, (%rax); notb (%rax); testl $1, 8(%rax); lock cmpxchg %rcx, (%rdx); bt $3, %eax
        &[0xf6, 0x00, 1],
        &[0xf6, 0x10],
        &[0xf7, 0x40, 8, 1, 0, 0, 0],
        &[0xf0, 0x48, 0x0f, 0xb1, 0x0a],
        &[0x0f, 0xba, 0xe0, 3],
        // pshufb (%rax), %mm0; palignr $1, %xmm1, %xmm0; vpalignr; vzeroupper; vpshufb; an EVEX `vmovdqu8`
        &[0x0f, 0x38, 0x00, 0x00],
        &[0x66, 0x0f, 0x3a, 0x0f, 0xc1, 1],
        &[0xc4, 0xe3, 0x71, 0x0f, 0xc2, 1],
        &[0xc5, 0xf8, 0x77],
        &[0xc4, 0xe2, 0x71, 0x00, 0xc2],
        &[0x62, 0xf1, 0x7f, 0x48, 0x6f, 0x47, 0x01],
    ];
    for code in table {
        assert_decodes(code, &[]);
    }
    for invalid in [&[][..], &[0x06], &[0xea], &[0x60], &[0x66; 20], &[0x48], &[0x0f]] {
        assert_eq!(decode(invalid, 0x1000), None, "{invalid:x?}");
    }
}
