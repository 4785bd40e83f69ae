//! `OverlappedIo`: one asynchronous read or write.

#![expect(unsafe_code, reason = "overlapped input and output have no safe API")]

use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle};
use std::ptr::{self, NonNull};
use std::slice;

use windows_sys::Win32::Foundation::{ERROR_IO_INCOMPLETE, ERROR_IO_PENDING, STATUS_PENDING};
use windows_sys::Win32::Storage::FileSystem::{ReadFile, WriteFile};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};

/// The size of the buffer: the most bytes that are read or written at a time.
const SIZE: u32 = 64 * 1024;

/// An operation on one handle, which must stay open until the operation is complete or [cancelled](Self::cancel).
#[derive(Debug)]
pub(super) struct OverlappedIo {
    // The kernel accesses both allocations while the operation is pending, so they must not move.
    overlapped: NonNull<OVERLAPPED>,
    buffer: NonNull<u8>,
    is_pending: bool,
}

// SAFETY: Both allocations are owned by this value and the kernel alone, and neither depends on the thread.
unsafe impl Send for OverlappedIo {}
// SAFETY: Through a shared reference only the status can be read, which the kernel writes.
unsafe impl Sync for OverlappedIo {}

impl OverlappedIo {
    pub(super) fn new() -> Self {
        let overlapped = Box::leak(Box::new(OVERLAPPED::default()));
        let buffer = Box::leak(vec![0_u8; SIZE as usize].into_boxed_slice());
        Self { overlapped: NonNull::from(overlapped), buffer: NonNull::from(buffer).cast(), is_pending: false }
    }

    /// Returns whether an operation was started whose result has not been taken.
    pub(super) fn is_pending(&self) -> bool {
        self.is_pending
    }

    /// Returns whether the result can be taken.
    pub(super) fn is_complete(&self) -> bool {
        // SAFETY: The structure is allocated. The read is volatile because the kernel may write to it concurrently.
        let status = unsafe { (&raw const (*self.overlapped.as_ptr()).Internal).read_volatile() };
        self.is_pending && status != STATUS_PENDING as usize
    }

    /// Starts a read.
    pub(super) fn read(&mut self, handle: BorrowedHandle<'_>) -> io::Result<()> {
        self.begin(|overlapped, buffer| {
            // SAFETY: The handle is open, and both allocations outlive the operation.
            unsafe { ReadFile(handle.as_raw_handle(), buffer, SIZE, ptr::null_mut(), overlapped) }
        })
    }

    /// Starts to write as many of the bytes as fit into the buffer, and returns their number.
    pub(super) fn write(&mut self, handle: BorrowedHandle<'_>, bytes: &[u8]) -> io::Result<usize> {
        let count = u32::try_from(bytes.len()).map_or(SIZE, |length| length.min(SIZE));
        self.begin(|overlapped, buffer| {
            // SAFETY: As above. No operation is pending, so the kernel doesn't access the buffer.
            unsafe {
                buffer.copy_from_nonoverlapping(bytes.as_ptr(), count as usize);
                WriteFile(handle.as_raw_handle(), buffer, count, ptr::null_mut(), overlapped)
            }
        })?;
        Ok(count as usize)
    }

    fn begin(&mut self, begin: impl FnOnce(*mut OVERLAPPED, *mut u8) -> i32) -> io::Result<()> {
        assert!(!self.is_pending, "a result is taken before the next operation starts");
        // SAFETY: No operation is pending, so the kernel doesn't access the structure.
        unsafe { self.overlapped.write(OVERLAPPED::default()) };
        if begin(self.overlapped.as_ptr(), self.buffer.as_ptr()) == 0 {
            let error = io::Error::last_os_error();
            if !is(&error, ERROR_IO_PENDING) {
                return Err(error);
            }
        }
        self.is_pending = true;
        Ok(())
    }

    /// Takes the number of transferred bytes, or returns `None` if the operation is not complete.
    pub(super) fn take(&mut self, handle: BorrowedHandle<'_>) -> io::Result<Option<usize>> {
        let mut count = 0;
        // SAFETY: The handle is that of the operation, and both pointers are valid.
        let taken = unsafe { GetOverlappedResult(handle.as_raw_handle(), self.overlapped.as_ptr(), &raw mut count, 0) };
        if taken == 0 {
            let error = io::Error::last_os_error();
            if is(&error, ERROR_IO_INCOMPLETE) {
                return Ok(None);
            }
            self.is_pending = false;
            return Err(error);
        }
        self.is_pending = false;
        Ok(Some(count as usize))
    }

    /// Returns a range of the bytes that were read last.
    pub(super) fn buffer(&self, range: std::ops::Range<usize>) -> &[u8] {
        assert!(!self.is_pending, "the kernel may be writing to the buffer");
        // SAFETY: No operation is pending, so the kernel doesn't access the buffer.
        let buffer = unsafe { slice::from_raw_parts(self.buffer.as_ptr(), SIZE as usize) };
        &buffer[range]
    }

    /// Cancels a pending operation, and waits until the kernel has released the buffer, which takes no time.
    pub(super) fn cancel(&mut self, handle: BorrowedHandle<'_>) {
        if !self.is_pending {
            return;
        }
        let mut count = 0;
        // SAFETY: As in `take`. It is no error if the operation has completed.
        unsafe {
            CancelIoEx(handle.as_raw_handle(), self.overlapped.as_ptr());
            GetOverlappedResult(handle.as_raw_handle(), self.overlapped.as_ptr(), &raw mut count, 1);
        }
        self.is_pending = false;
    }
}

impl Drop for OverlappedIo {
    fn drop(&mut self) {
        assert!(!self.is_pending, "the owner of the handle cancels the operation first");
        // SAFETY: Both were boxes, and the kernel doesn't access them any more.
        unsafe {
            drop(Box::from_raw(self.overlapped.as_ptr()));
            drop(Box::from_raw(ptr::slice_from_raw_parts_mut(self.buffer.as_ptr(), SIZE as usize)));
        }
    }
}

fn is(error: &io::Error, code: u32) -> bool {
    error.raw_os_error() == Some(code.cast_signed())
}
