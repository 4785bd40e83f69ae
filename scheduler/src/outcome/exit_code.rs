//! `ExitCode`: displays an exit code, with its name on Windows.

use std::fmt;

/// An exit code, with its name if it is a status of the Windows kernel. No other system has codes like those.
pub(super) struct ExitCode(pub(super) i32);

impl fmt::Display for ExitCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.0.cast_unsigned();
        let name = match code {
            0x4001_0005 => "DBG_CONTROL_C",
            0x8000_0003 => "STATUS_BREAKPOINT",
            0x8000_0004 => "STATUS_SINGLE_STEP",
            0xC000_0005 => "STATUS_ACCESS_VIOLATION",
            0xC000_0006 => "STATUS_IN_PAGE_ERROR",
            0xC000_0008 => "STATUS_INVALID_HANDLE",
            0xC000_0017 => "STATUS_NO_MEMORY",
            0xC000_001D => "STATUS_ILLEGAL_INSTRUCTION",
            0xC000_008C => "STATUS_ARRAY_BOUNDS_EXCEEDED",
            0xC000_008E => "STATUS_FLOAT_DIVIDE_BY_ZERO",
            0xC000_0094 => "STATUS_INTEGER_DIVIDE_BY_ZERO",
            0xC000_0095 => "STATUS_INTEGER_OVERFLOW",
            0xC000_0096 => "STATUS_PRIVILEGED_INSTRUCTION",
            0xC000_00FD => "STATUS_STACK_OVERFLOW",
            0xC000_0135 => "STATUS_DLL_NOT_FOUND",
            0xC000_0138 => "STATUS_ORDINAL_NOT_FOUND",
            0xC000_0139 => "STATUS_ENTRYPOINT_NOT_FOUND",
            0xC000_013A => "STATUS_CONTROL_C_EXIT",
            0xC000_0142 => "STATUS_DLL_INIT_FAILED",
            0xC000_0374 => "STATUS_HEAP_CORRUPTION",
            0xC000_0409 => "STATUS_STACK_BUFFER_OVERRUN",
            0xC000_0417 => "STATUS_INVALID_CRUNTIME_PARAMETER",
            0xC000_041D => "STATUS_FATAL_USER_CALLBACK_EXCEPTION",
            0xC000_0420 => "STATUS_ASSERTION_FAILURE",
            0xE06D_7363 => "a C++ exception",
            _ if code >= 0xC000_0000 => return write!(f, "{code:#X}"),
            _ => return self.0.fmt(f),
        };
        write!(f, "0x{code:08X} ({name})")
    }
}
