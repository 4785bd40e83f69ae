//! `JobObject`: the kernel's own account of a job's process and all that it starts, and the way to end them together.
//!
//! Whatever a process in a job object starts is in it, too, and can't leave it. It is closed with the last handle to it,
//! which the application holds: when that dies, however it dies, the kernel ends everything in it.

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

use super::limits::add;
use crate::options::Limits;

/// The exit code of what we end.
const ENDED: u32 = 1;

#[derive(Debug)]
pub(super) struct JobObject(OwnedHandle);

impl JobObject {
    /// Makes one that ends with its last handle. What crashes in it ends at once, without a window that asks what to do.
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: The call makes a new object, without a name.
        let raw = unsafe { CreateJobObjectW(ptr::null(), ptr::null()) };
        if raw.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: The handle is new, and nobody else has it.
        let object = Self(unsafe { OwnedHandle::from_raw_handle(raw) });
        object.hold(&Limits::default())?;
        Ok(object)
    }

    /// Holds what is in it to these limits, each process or all together.
    pub(super) fn hold(&self, held: &Limits) -> io::Result<()> {
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags =
            JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION;
        add(held, &mut limits);
        // SAFETY: The pointer and the length are those of a structure of the class.
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

    /// Ends all that is in it.
    pub(super) fn terminate(&self) {
        // SAFETY: The handle is open. That nothing is in it is as good.
        unsafe { TerminateJobObject(self.0.as_raw_handle(), ENDED) };
    }

    /// Returns the ids of what is in it and has not ended.
    ///
    /// The count of active processes would say less, and is zero in Wine.
    pub(super) fn processes(&self) -> io::Result<Vec<u32>> {
        // Two counts of 32 bits, then the ids, each as wide as a pointer.
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
                // SAFETY: A list of words is as well one of halves of words.
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

    /// Returns the processor time that everything in it has used, in user code and in the kernel.
    pub(super) fn times(&self) -> (Duration, Duration) {
        let mut accounts = JOBOBJECT_BASIC_ACCOUNTING_INFORMATION::default();
        // SAFETY: The pointer and the length are those of a structure of the class. Where it fails, zeros are left.
        unsafe {
            QueryInformationJobObject(
                self.0.as_raw_handle(),
                JobObjectBasicAccountingInformation,
                (&raw mut accounts).cast(),
                size::<JOBOBJECT_BASIC_ACCOUNTING_INFORMATION>(),
                ptr::null_mut(),
            )
        };
        (ticks(accounts.TotalUserTime), ticks(accounts.TotalKernelTime))
    }
}

impl AsHandle for JobObject {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.as_handle()
    }
}

/// How many words stand before the ids.
const HEAD: usize = 8 / size_of::<usize>();

fn size<T>() -> u32 {
    u32::try_from(size_of::<T>()).expect("a structure is small")
}

/// Turns what the kernel counts, in tenths of a microsecond, into a duration.
pub(super) fn ticks(ticks: i64) -> Duration {
    let ticks = u64::try_from(ticks).unwrap_or_default();
    Duration::new(ticks / 10_000_000, u32::try_from(ticks % 10_000_000).unwrap_or_default() * 100)
}
