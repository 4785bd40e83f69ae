//! `Operation`: one read or write that the kernel carries out while we do something else.

#![expect(unsafe_code, reason = "overlapped input and output have no safe API")]

use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle};
use std::ptr::{self, NonNull};
use std::slice;

use windows_sys::Win32::Foundation::{ERROR_IO_INCOMPLETE, ERROR_IO_PENDING, STATUS_PENDING};
use windows_sys::Win32::Storage::FileSystem::{ReadFile, WriteFile};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};

/// How much is read or written at a time.
const SIZE: u32 = 64 * 1024;

/// Goes on by itself, on one handle, which must stay open until it is [ended](Self::end).
#[derive(Debug)]
pub(super) struct Operation {
    // What the kernel reads and writes stands at places that don't move.
    overlapped: NonNull<OVERLAPPED>,
    buffer: NonNull<u8>,
    is_pending: bool,
}

// SAFETY: Both places belong to the operation alone, and to the kernel, which doesn't care who asks.
unsafe impl Send for Operation {}
// SAFETY: What takes a shared reference only reads a status that the kernel writes.
unsafe impl Sync for Operation {}

impl Operation {
    pub(super) fn new() -> Self {
        let overlapped = Box::leak(Box::new(OVERLAPPED::default()));
        let buffer = Box::leak(vec![0_u8; SIZE as usize].into_boxed_slice());
        Self { overlapped: NonNull::from(overlapped), buffer: NonNull::from(buffer).cast(), is_pending: false }
    }

    /// Says whether it has been begun, and its result not been taken.
    pub(super) fn is_pending(&self) -> bool {
        self.is_pending
    }

    /// Says whether its result can be taken.
    pub(super) fn is_complete(&self) -> bool {
        // SAFETY: The place is allocated. The kernel may write to it at this moment: hence volatile.
        let status = unsafe { (&raw const (*self.overlapped.as_ptr()).Internal).read_volatile() };
        self.is_pending && status != STATUS_PENDING as usize
    }

    /// Begins to read.
    pub(super) fn read(&mut self, handle: BorrowedHandle<'_>) -> io::Result<()> {
        self.begin(|overlapped, buffer| {
            // SAFETY: The handle is open, and what the kernel writes to stays allocated until it has ended.
            unsafe { ReadFile(handle.as_raw_handle(), buffer, SIZE, ptr::null_mut(), overlapped) }
        })
    }

    /// Begins to write as many of the bytes as there is room for, and returns how many these are.
    pub(super) fn write(&mut self, handle: BorrowedHandle<'_>, bytes: &[u8]) -> io::Result<usize> {
        let count = u32::try_from(bytes.len()).map_or(SIZE, |length| length.min(SIZE));
        self.begin(|overlapped, buffer| {
            // SAFETY: As above; while nothing is pending the buffer is ours.
            unsafe {
                buffer.copy_from_nonoverlapping(bytes.as_ptr(), count as usize);
                WriteFile(handle.as_raw_handle(), buffer, count, ptr::null_mut(), overlapped)
            }
        })?;
        Ok(count as usize)
    }

    fn begin(&mut self, begin: impl FnOnce(*mut OVERLAPPED, *mut u8) -> i32) -> io::Result<()> {
        assert!(!self.is_pending, "one is taken before the next is begun");
        // SAFETY: Nothing is pending, so that the place is ours.
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

    /// Returns how many bytes were moved, `None` if it is still under way.
    pub(super) fn take(&mut self, handle: BorrowedHandle<'_>) -> io::Result<Option<usize>> {
        let mut count = 0;
        // SAFETY: The handle is that of the operation, and both pointers are to what is allocated.
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

    /// Returns what was read last.
    pub(super) fn buffer(&self, range: std::ops::Range<usize>) -> &[u8] {
        assert!(!self.is_pending, "the kernel may be writing there");
        // SAFETY: Nothing is pending, so that the buffer is ours.
        let buffer = unsafe { slice::from_raw_parts(self.buffer.as_ptr(), SIZE as usize) };
        &buffer[range]
    }

    /// Calls it off, and waits until the kernel has let go of it: at once.
    pub(super) fn end(&mut self, handle: BorrowedHandle<'_>) {
        if !self.is_pending {
            return;
        }
        let mut count = 0;
        // SAFETY: As in `take`. It may have ended by now, which is as good.
        unsafe {
            CancelIoEx(handle.as_raw_handle(), self.overlapped.as_ptr());
            GetOverlappedResult(handle.as_raw_handle(), self.overlapped.as_ptr(), &raw mut count, 1);
        }
        self.is_pending = false;
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        assert!(!self.is_pending, "whoever has the handle ends it first");
        // SAFETY: They were boxes, and nobody writes there any more.
        unsafe {
            drop(Box::from_raw(self.overlapped.as_ptr()));
            drop(Box::from_raw(ptr::slice_from_raw_parts_mut(self.buffer.as_ptr(), SIZE as usize)));
        }
    }
}

fn is(error: &io::Error, code: u32) -> bool {
    error.raw_os_error() == Some(code.cast_signed())
}
