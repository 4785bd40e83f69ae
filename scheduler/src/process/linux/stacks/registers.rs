//! The registers of a thread that stands.

#![expect(unsafe_code, reason = "tracing has no safe API")]

use std::io;

use super::ptrace::check;
use crate::process::unix::ChildPid;

/// The number of registers that the kernel has room for: the most of any architecture here.
const REGISTERS: usize = 34;

/// The set of registers that hold integers and addresses, `NT_PRSTATUS`.
const GENERAL_REGISTERS: usize = 1;

/// Returns the general registers of a thread that stands, in the order of the kernel's `user_regs_struct`.
///
/// # Errors
///
/// Fails with `ENOTSUP` for a 32-bit program, whose registers are others.
pub(super) fn registers(thread: ChildPid) -> io::Result<[u64; REGISTERS]> {
    const LENGTH: usize = if cfg!(target_arch = "x86_64") { 27 } else { 34 };
    let mut registers = [0; REGISTERS];
    let mut buffer = libc::iovec { iov_base: registers.as_mut_ptr().cast(), iov_len: size_of_val(&registers) };
    // SAFETY: The kernel writes at most the bytes that the buffer has, and their number to it.
    check(unsafe { libc::ptrace(libc::PTRACE_GETREGSET, thread.get(), GENERAL_REGISTERS, &raw mut buffer) })?;
    if buffer.iov_len == LENGTH * size_of::<u64>() {
        Ok(registers)
    } else {
        Err(io::Error::from_raw_os_error(libc::ENOTSUP))
    }
}
