//! `JobObject`: the kernel object that contains a job's process and its descendants, and kills them together.
//!
//! A process that is started in a job object is in it as well, and can't leave it. The application holds the only handle to
//! the object: when the application exits, for whatever reason, the kernel closes the handle and kills everything in the
//! object.

#![expect(unsafe_code, reason = "job objects have no safe API")]

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::time::Duration;

use windows_sys::Win32::Foundation::ERROR_MORE_DATA;
use windows_sys::Win32::System::JobObjects::{
    CreateJobObjectW, JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_BASIC_ACCOUNTING_INFORMATION, JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectBasicAccountingInformation,
    JobObjectBasicProcessIdList, JobObjectExtendedLimitInformation, QueryInformationJobObject, SetInformationJobObject,
    TerminateJobObject,
};

use super::limits::apply;
use crate::options::Limits;

/// The exit code of processes that are killed.
const KILL_EXIT_CODE: u32 = 1;

#[derive(Debug)]
pub(super) struct JobObject(OwnedHandle);

impl JobObject {
    /// Creates a job object whose processes are killed when its last handle is closed. A process that crashes in it exits
    /// at once, without a dialog.
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: The call creates a new object, without a name.
        let raw = unsafe { CreateJobObjectW(ptr::null(), ptr::null()) };
        if raw.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: The handle is new, and owned by nothing else.
        let object = Self(unsafe { OwnedHandle::from_raw_handle(raw) });
        object.set_limits(&Limits::default())?;
        Ok(object)
    }

    /// Sets limits, some of which apply to each process in the object, others to all of them together.
    pub(super) fn set_limits(&self, held: &Limits) -> io::Result<()> {
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags =
            JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION;
        apply(held, &mut limits);
        // SAFETY: The pointer and the length are those of a structure that the class requires.
        let set = unsafe {
            SetInformationJobObject(
                self.0.as_raw_handle(),
                JobObjectExtendedLimitInformation,
                (&raw const limits).cast(),
                size::<JOBOBJECT_EXTENDED_LIMIT_INFORMATION>(),
            )
        };
        if set == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Kills every process in the object.
    pub(super) fn terminate(&self) {
        // SAFETY: The handle is open. An empty object is no error.
        unsafe { TerminateJobObject(self.0.as_raw_handle(), KILL_EXIT_CODE) };
    }

    /// Returns the ids of the processes in the object that have not exited.
    ///
    /// The kernel's count of active processes is less useful, and zero under Wine.
    pub(super) fn processes(&self) -> io::Result<Vec<u32>> {
        // Two 32-bit counts, then the ids, each as wide as a pointer.
        let mut list = vec![0_usize; 64];
        loop {
            let bytes = u32::try_from(size_of_val(&list[..])).unwrap_or(u32::MAX);
            // SAFETY: The pointer and the length are those of the list.
            let queried = unsafe {
                QueryInformationJobObject(
                    self.0.as_raw_handle(),
                    JobObjectBasicProcessIdList,
                    list.as_mut_ptr().cast(),
                    bytes,
                    ptr::null_mut(),
                )
            };
            if queried != 0 {
                // SAFETY: The list holds at least 8 initialized bytes, aligned for `u32`.
                let counts = unsafe { list.as_ptr().cast::<[u32; 2]>().read() };
                let ids = &list[HEAD..];
                let count = (counts[1] as usize).min(ids.len());
                return Ok(ids[..count].iter().filter_map(|id| u32::try_from(*id).ok()).collect());
            }
            let error = io::Error::last_os_error();
            if error.raw_os_error() != Some(ERROR_MORE_DATA.cast_signed()) || list.len() > 1 << 20 {
                return Err(error);
            }
            list.resize(list.len() * 4, 0);
        }
    }

    /// Returns the processor time that all processes of the object have used, in user mode and in the kernel.
    pub(super) fn times(&self) -> (Duration, Duration) {
        let mut accounts = JOBOBJECT_BASIC_ACCOUNTING_INFORMATION::default();
        // SAFETY: The pointer and the length are those of a structure that the class requires. It stays zero if the call
        // fails.
        unsafe {
            QueryInformationJobObject(
                self.0.as_raw_handle(),
                JobObjectBasicAccountingInformation,
                (&raw mut accounts).cast(),
                size::<JOBOBJECT_BASIC_ACCOUNTING_INFORMATION>(),
                ptr::null_mut(),
            )
        };
        (from_ticks(accounts.TotalUserTime), from_ticks(accounts.TotalKernelTime))
    }
}

impl AsHandle for JobObject {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.as_handle()
    }
}

/// The number of pointer-sized words before the ids.
const HEAD: usize = 8 / size_of::<usize>();

fn size<T>() -> u32 {
    u32::try_from(size_of::<T>()).expect("a structure is small")
}

/// Converts the kernel's unit, 100 ns, into a duration.
pub(super) fn from_ticks(from_ticks: i64) -> Duration {
    let from_ticks = u64::try_from(from_ticks).unwrap_or_default();
    Duration::new(from_ticks / 10_000_000, u32::try_from(from_ticks % 10_000_000).unwrap_or_default() * 100)
}
