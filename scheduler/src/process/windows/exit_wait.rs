//! `ExitWait`: a registered wait for the exit of a process; and the exit code and resource usage of an exited process.

#![expect(unsafe_code, reason = "queries of a process handle have no safe API")]

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::{
    ERROR_NOT_ENOUGH_QUOTA, FILETIME, HANDLE, INVALID_HANDLE_VALUE, STATUS_STACK_BUFFER_OVERRUN, STATUS_STACK_OVERFLOW,
    WAIT_OBJECT_0,
};
use windows_sys::Win32::System::ProcessStatus::{K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
use windows_sys::Win32::System::Threading::{
    GetExitCodeProcess, GetProcessTimes, INFINITE, RegisterWaitForSingleObject, UnregisterWaitEx,
    WT_EXECUTEINWAITTHREAD, WT_EXECUTEONLYONCE, WaitForSingleObject,
};

use super::iocp;
use super::job_object::{JobObject, from_ticks};
use crate::outcome::{Exit, Usage};
use crate::process::ExitClass;

/// A registration that [notifies waiters](iocp::notify_waiters) when a process exits.
#[derive(Debug)]
pub(super) struct ExitWait(HANDLE);

// SAFETY: The handle of a registration belongs to no thread.
unsafe impl Send for ExitWait {}
// SAFETY: A shared reference to it allows nothing.
unsafe impl Sync for ExitWait {}

impl ExitWait {
    pub(super) fn register(process: BorrowedHandle<'_>) -> io::Result<Self> {
        let mut wait = ptr::null_mut();
        // SAFETY: The process's handle is open, and its owner drops the registration first. The callback needs no context.
        let registered = unsafe {
            RegisterWaitForSingleObject(
                &raw mut wait,
                process.as_raw_handle(),
                Some(on_exit),
                ptr::null(),
                INFINITE,
                WT_EXECUTEONLYONCE | WT_EXECUTEINWAITTHREAD,
            )
        };
        if registered == 0 { Err(io::Error::last_os_error()) } else { Ok(Self(wait)) }
    }

    /// Returns whether the process has exited.
    #[expect(clippy::unused_self, reason = "waiters are notified only with a registration")]
    pub(super) fn has_exited(&self, process: BorrowedHandle<'_>) -> bool {
        // SAFETY: The handle is open. With a timeout of zero the call doesn't block.
        unsafe { WaitForSingleObject(process.as_raw_handle(), 0) == WAIT_OBJECT_0 }
    }
}

impl Drop for ExitWait {
    fn drop(&mut self) {
        // SAFETY: The registration is ours, and is unregistered once. The call waits for a running callback.
        unsafe { UnregisterWaitEx(self.0, INVALID_HANDLE_VALUE) };
    }
}

unsafe extern "system" fn on_exit(_: *mut c_void, _: bool) {
    iocp::notify_waiters();
}

/// Returns the exit code of a process.
pub(super) fn exit(process: BorrowedHandle<'_>) -> Option<Exit> {
    let mut code = 0;
    // SAFETY: The handle is open, and the pointer is to a variable of ours.
    let queried = unsafe { GetExitCodeProcess(process.as_raw_handle(), &raw mut code) };
    (queried != 0).then_some(Exit::Code(code.cast_signed()))
}

/// Returns the resource usage of a process and its descendants.
pub(super) fn usage(process: BorrowedHandle<'_>, object: &JobObject) -> Usage {
    let mut times = [FILETIME::default(); 4];
    let [created, exited, kernel, user] = &mut times;
    // SAFETY: The handle is open, and the pointers are to local variables, which stay zero if the call fails.
    unsafe {
        GetProcessTimes(process.as_raw_handle(), &raw mut *created, &raw mut *exited, &raw mut *kernel, &raw mut *user)
    };
    let mut memory = PROCESS_MEMORY_COUNTERS::default();
    let size = u32::try_from(size_of::<PROCESS_MEMORY_COUNTERS>()).expect("a structure is small");
    // SAFETY: As above.
    unsafe { K32GetProcessMemoryInfo(process.as_raw_handle(), &raw mut memory, size) };
    // The job object's totals include this process.
    let (all_user, all_kernel) = object.times();
    Usage {
        user: from_ticks(filetime_ticks(*user)).max(all_user),
        system: from_ticks(filetime_ticks(*kernel)).max(all_kernel),
        peak_memory: memory.PeakWorkingSetSize as u64,
    }
}

fn filetime_ticks(time: FILETIME) -> i64 {
    (u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime)).cast_signed()
}

/// The exit code of processes that a job object kills at its limit of processor time.
const QUOTA_EXCEEDED: i32 = ERROR_NOT_ENOUGH_QUOTA.cast_signed();

/// Returns what the exit code of a process implies about the cause.
pub(crate) fn exit_class(exit: Exit) -> ExitClass {
    match exit {
        Exit::Code(STATUS_STACK_OVERFLOW) => ExitClass::StackOverflow,
        // The standard library's `abort` raises it; the C runtime's exits with code 3.
        Exit::Code(STATUS_STACK_BUFFER_OVERRUN) => ExitClass::Aborted,
        // Any process may exit with the same code, but the caller checks that a limit was set.
        Exit::Code(QUOTA_EXCEEDED) => ExitClass::CpuLimit,
        Exit::Code(_) | Exit::Signal { .. } => ExitClass::Other,
    }
}

/// Windows has no signals.
pub(crate) fn signal_name(_: i32) -> &'static str {
    "a signal without a name"
}

/// Uninhabited in effect: processes are identified by handles here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChildPid(());

impl ChildPid {
    /// Returns `None`: no process is killed by its id.
    pub(crate) fn new(_: i32) -> Option<Self> {
        None
    }
}
