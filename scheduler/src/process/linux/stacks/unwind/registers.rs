//! `Registers`: the registers of a frame, by their DWARF numbers.

/// A processor, as far as a walk depends on it. Each is compiled everywhere, so that each is tested everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Architecture {
    X86_64,
    Aarch64,
}

impl Architecture {
    /// The one that this binary is compiled for.
    pub(super) const OWN: Self = if cfg!(target_arch = "aarch64") { Self::Aarch64 } else { Self::X86_64 };

    /// Returns the numbers of the frame pointer, the stack pointer, and the program counter. DWARF has no number for the program
    /// counter of aarch64; 32 is free.
    const fn special(self) -> [usize; 3] {
        match self {
            Self::X86_64 => [6, 7, 16],
            Self::Aarch64 => [29, 31, 32],
        }
    }

    /// Returns the position of each register in the kernel's `user_regs_struct`, by its DWARF number.
    const fn kernel_order(self) -> &'static [usize] {
        match self {
            Self::X86_64 => &[10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0, 16],
            Self::Aarch64 => &[
                0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
                28, 29, 30, 31, 32,
            ],
        }
    }

    /// Returns where the frame of a signal has the registers, in bytes from the stack pointer in the code that returns from the
    /// signal's handler: `ucontext_t` behind whatever stands before it.
    pub(super) fn signal_frame_offset(self, register: usize) -> u64 {
        // The 17 registers of `sigcontext` on x86-64, by their DWARF numbers.
        const X86_64: [u64; 17] = [13, 12, 14, 11, 9, 8, 10, 15, 0, 1, 2, 3, 4, 5, 6, 7, 16];
        match self {
            Self::X86_64 => 40 + 8 * X86_64[register],
            // `siginfo_t`, the beginning of `ucontext_t` with a mask of 128 bytes, and the address of a fault.
            Self::Aarch64 => 128 + 176 + 8 + 8 * register as u64,
        }
    }

    /// Returns the instructions that return from a signal's handler, where they have no unwind information: those of musl, and of
    /// the vdso of aarch64.
    pub(super) fn signal_return(self) -> &'static [u8] {
        match self {
            // mov $15, %rax; syscall
            Self::X86_64 => &[0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05],
            // mov x8, #139; svc #0
            Self::Aarch64 => &[0x68, 0x11, 0x80, 0xd2, 0x01, 0, 0, 0xd4],
        }
    }

    /// Returns the instructions of musl that end a thread, after its first function has called the thread's.
    pub(super) fn thread_exit(self) -> &'static [u8] {
        match self {
            // mov %eax, %edi; xor %eax, %eax; mov $60, %al; syscall; hlt
            Self::X86_64 => &[0x89, 0xc7, 0x31, 0xc0, 0xb0, 0x3c, 0x0f, 0x05, 0xf4],
            // mov x8, #93; svc #0
            Self::Aarch64 => &[0xa8, 0x0b, 0x80, 0xd2, 0x01, 0, 0, 0xd4],
        }
    }

    /// Returns the DWARF number of the program counter.
    pub(super) fn program_counter(self) -> usize {
        self.special()[2]
    }

    /// Returns the DWARF number of the register that holds the return address when a function is called, if there is one.
    pub(super) fn link_register(self) -> Option<usize> {
        match self {
            Self::X86_64 => None,
            Self::Aarch64 => Some(30),
        }
    }

    /// Returns the address in a register without the bits that authenticate it.
    pub(super) fn code_address(self, value: u64) -> u64 {
        match self {
            Self::X86_64 => value,
            // User space has 48 bits of addresses, unless a program asks for more.
            Self::Aarch64 => value & ((1 << 48) - 1),
        }
    }
}

/// The most registers of any architecture.
const COUNT: usize = 33;

/// The registers of a frame; some of an outer frame are unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::process::linux::stacks) struct Registers {
    pub(super) architecture: Architecture,
    values: [Option<u64>; COUNT],
}

impl Registers {
    /// Returns those that the kernel has for a thread of this architecture, as `user_regs_struct`.
    pub(in crate::process::linux::stacks) fn of_thread(user_regs: &[u64]) -> Self {
        Self::from_kernel(Architecture::OWN, user_regs)
    }

    pub(super) fn from_kernel(architecture: Architecture, user_regs: &[u64]) -> Self {
        let mut registers = Self::unknown(architecture);
        for (value, position) in registers.values.iter_mut().zip(architecture.kernel_order()) {
            *value = user_regs.get(*position).copied();
        }
        registers
    }

    /// Returns registers of which none is known.
    pub(super) fn unknown(architecture: Architecture) -> Self {
        Self { architecture, values: [None; COUNT] }
    }

    /// Returns the number of registers.
    pub(super) fn count(&self) -> usize {
        self.architecture.kernel_order().len()
    }

    pub(super) fn get(&self, register: usize) -> Option<u64> {
        self.values.get(register).copied().flatten()
    }

    /// Sets a register; does nothing if there is none with this number.
    pub(super) fn set(&mut self, register: usize, value: Option<u64>) {
        if let Some(slot) = self.values.get_mut(register) {
            *slot = value;
        }
    }

    pub(super) fn frame_pointer(&self) -> Option<u64> {
        self.get(self.architecture.special()[0])
    }

    pub(super) fn stack_pointer(&self) -> Option<u64> {
        self.get(self.architecture.special()[1])
    }

    pub(super) fn program_counter(&self) -> Option<u64> {
        self.get(self.architecture.special()[2])
    }

    pub(super) fn set_frame_pointer(&mut self, value: Option<u64>) {
        self.set(self.architecture.special()[0], value);
    }

    pub(super) fn set_stack_pointer(&mut self, value: u64) {
        self.set(self.architecture.special()[1], Some(value));
    }

    /// Sets the program counter from an address that may have bits which authenticate it.
    pub(super) fn set_program_counter(&mut self, value: u64) {
        let address = self.architecture.code_address(value);
        self.set(self.architecture.special()[2], Some(address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_found_by_their_dwarf_numbers() {
        let user_regs: Vec<u64> = (100..134).collect();
        let x86 = Registers::from_kernel(Architecture::X86_64, &user_regs);
        // r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp
        assert_eq!((x86.get(0), x86.get(3), x86.get(15)), (Some(110), Some(105), Some(100)));
        assert_eq!(
            (x86.frame_pointer(), x86.stack_pointer(), x86.program_counter()),
            (Some(104), Some(119), Some(116))
        );
        let arm = Registers::from_kernel(Architecture::Aarch64, &user_regs);
        assert_eq!((arm.get(30), arm.stack_pointer(), arm.program_counter()), (Some(130), Some(131), Some(132)));
        assert_eq!((x86.count(), arm.count()), (17, 33));
        assert_eq!(x86.get(usize::MAX), None);
    }

    #[test]
    fn the_bits_that_authenticate_an_address_are_removed() {
        let mut arm = Registers::unknown(Architecture::Aarch64);
        arm.set_program_counter(0x00ab_7f00_0000_1234);
        assert_eq!(arm.program_counter(), Some(0x7f00_0000_1234));
    }

    /// The layouts are those of the kernel's `ucontext_t`, as the C library declares them.
    #[test]
    #[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
    fn the_frame_of_a_signal_has_the_registers_of_the_c_library_s_type() {
        use std::mem::offset_of;
        let registers = offset_of!(libc::ucontext_t, uc_mcontext) + offset_of!(libc::mcontext_t, gregs);
        let offset = |register: i32| registers as u64 + 8 * u64::try_from(register).expect("an index");
        let x86 = Architecture::X86_64;
        for (dwarf, register) in
            [(0, libc::REG_RAX), (6, libc::REG_RBP), (7, libc::REG_RSP), (16, libc::REG_RIP), (8, libc::REG_R8)]
        {
            assert_eq!(x86.signal_frame_offset(dwarf), offset(register));
        }
    }
}
