//! `ProcessEnd`: how the end of a process comes to be known, and what is told of it.

#![expect(unsafe_code, reason = "what is asked of a process handle has no safe API")]

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
use super::job_object::{JobObject, ticks};
use crate::outcome::{Exit, Usage};
use crate::process::ExitClass;

/// Has the end of a process be a change that those who wait hear of.
#[derive(Debug)]
pub(super) struct ProcessEnd(HANDLE);

// SAFETY: The handle of a registration belongs to no thread.
unsafe impl Send for ProcessEnd {}
// SAFETY: A shared reference to it allows nothing.
unsafe impl Sync for ProcessEnd {}

impl ProcessEnd {
    pub(super) fn watch(process: BorrowedHandle<'_>) -> io::Result<Self> {
        let mut wait = ptr::null_mut();
        // SAFETY: The process's handle is open; whoever has it drops the registration first. What is called needs nothing.
        let registered = unsafe {
            RegisterWaitForSingleObject(
                &raw mut wait,
                process.as_raw_handle(),
                Some(on_end),
                ptr::null(),
                INFINITE,
                WT_EXECUTEONLYONCE | WT_EXECUTEINWAITTHREAD,
            )
        };
        if registered == 0 { Err(io::Error::last_os_error()) } else { Ok(Self(wait)) }
    }

    /// Says whether it has come.
    #[expect(clippy::unused_self, reason = "what is asked about is watched")]
    pub(super) fn has_come(&self, process: BorrowedHandle<'_>) -> bool {
        // SAFETY: The handle is open. With no time to wait the call only looks.
        unsafe { WaitForSingleObject(process.as_raw_handle(), 0) == WAIT_OBJECT_0 }
    }
}

impl Drop for ProcessEnd {
    fn drop(&mut self) {
        // SAFETY: The registration is ours, and this is its end. It waits for a call that is under way.
        unsafe { UnregisterWaitEx(self.0, INVALID_HANDLE_VALUE) };
    }
}

unsafe extern "system" fn on_end(_: *mut c_void, _: bool) {
    iocp::change();
}

/// Returns how a process has ended.
pub(super) fn exit(process: BorrowedHandle<'_>) -> Option<Exit> {
    let mut code = 0;
    // SAFETY: The handle is open, and the pointer is to a variable of ours.
    let told = unsafe { GetExitCodeProcess(process.as_raw_handle(), &raw mut code) };
    (told != 0).then_some(Exit::Code(code.cast_signed()))
}

/// Returns what a process has used, with what it started.
pub(super) fn usage(process: BorrowedHandle<'_>, object: &JobObject) -> Usage {
    let mut times = [FILETIME::default(); 4];
    let [created, ended, kernel, user] = &mut times;
    // SAFETY: The handle is open, and the pointers are to variables of ours. Where it fails, zeros are left.
    unsafe {
        GetProcessTimes(process.as_raw_handle(), &raw mut *created, &raw mut *ended, &raw mut *kernel, &raw mut *user)
    };
    let mut memory = PROCESS_MEMORY_COUNTERS::default();
    let size = u32::try_from(size_of::<PROCESS_MEMORY_COUNTERS>()).expect("a structure is small");
    // SAFETY: As above.
    unsafe { K32GetProcessMemoryInfo(process.as_raw_handle(), &raw mut memory, size) };
    // What the job object accounts for includes this process.
    let (all_user, all_kernel) = object.times();
    Usage {
        user: ticks(number(*user)).max(all_user),
        system: ticks(number(*kernel)).max(all_kernel),
        peak_memory: memory.PeakWorkingSetSize as u64,
    }
}

fn number(time: FILETIME) -> i64 {
    (u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime)).cast_signed()
}

/// The code with which a job object ends what has used up its time.
const QUOTA_USED_UP: i32 = ERROR_NOT_ENOUGH_QUOTA.cast_signed();

/// Says what the way in which a process ended tells of the cause.
pub(crate) fn exit_class(exit: Exit) -> ExitClass {
    match exit {
        Exit::Code(STATUS_STACK_OVERFLOW) => ExitClass::OutOfStack,
        // What the standard library's `abort` raises; the one of the C runtime exits with code 3.
        Exit::Code(STATUS_STACK_BUFFER_OVERRUN) => ExitClass::Aborted,
        // What a job object ends all with that have used up its time. Somebody else's exit looks the same, but he was given
        // no limit.
        Exit::Code(QUOTA_USED_UP) => ExitClass::OutOfCpuTime,
        Exit::Code(_) | Exit::Signal { .. } => ExitClass::Otherwise,
    }
}

/// There are no signals.
pub(crate) fn signal_name(_: i32) -> &'static str {
    "a signal without a name"
}

/// The id of another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChildPid(());

impl ChildPid {
    /// Here processes are known by handles, and none is ended by its number.
    pub(crate) fn new(_: i32) -> Option<Self> {
        None
    }
}
