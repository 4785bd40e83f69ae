//! The I/O completion port of this process: the kernel posts completed pipe operations to it, and all waiting threads are
//! woken.
//!
//! Each woken thread checks the readiness of its own pipes and processes, as after a `poll`. So no thread can miss or steal
//! an event of another one, and the number of pipes and processes is unlimited.

#![expect(unsafe_code, reason = "completion ports have no safe API")]

use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::sync::{Condvar, Mutex};
use std::thread;

use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::System::IO::{CreateIoCompletionPort, GetQueuedCompletionStatus};
use windows_sys::Win32::System::Threading::INFINITE;

use crate::clock::Deadline;
use crate::sync::{lock, unpoisoned};

/// The number of events so far.
static CHANGES: Mutex<u64> = Mutex::new(0);
static CHANGED: Condvar = Condvar::new();

/// Returns the number of events so far. Call it before checking readiness.
pub(super) fn change_count() -> u64 {
    *lock(&CHANGES)
}

/// Wakes all threads in [`wait_for_change`].
pub(super) fn notify_waiters() {
    *lock(&CHANGES) += 1;
    CHANGED.notify_all();
}

/// Blocks until an event follows the first `seen` ones, or the deadline has passed.
pub(super) fn wait_for_change(seen: u64, deadline: Deadline) {
    let mut change_count = lock(&CHANGES);
    while *change_count == seen {
        change_count = match deadline.remaining() {
            None => unpoisoned(CHANGED.wait(change_count)),
            Some(left) if left.is_zero() => return,
            Some(left) => unpoisoned(CHANGED.wait_timeout(change_count, left)).0,
        };
    }
}

/// Associates a handle with the port, so that each completed operation on it wakes the waiting threads.
pub(super) fn associate(handle: BorrowedHandle<'_>) -> io::Result<()> {
    static PORT: Mutex<Option<OwnedHandle>> = Mutex::new(None);
    let mut port = lock(&PORT);
    if port.is_none() {
        *port = Some(open()?);
    }
    let port = port.as_ref().expect("the port was opened above");
    // SAFETY: Both handles are open.
    let attached = unsafe { CreateIoCompletionPort(handle.as_raw_handle(), port.as_raw_handle(), 0, 0) };
    if attached.is_null() { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Opens the port, and starts a thread that serves it until the process exits.
fn open() -> io::Result<OwnedHandle> {
    // SAFETY: Without a file the call creates a new port.
    let raw = unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, ptr::null_mut(), 0, 1) };
    if raw.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: The handle is new, and owned by nothing else.
    let port = unsafe { OwnedHandle::from_raw_handle(raw) };
    let theirs = port.try_clone()?;
    thread::Builder::new().name("scheduler-port".to_owned()).stack_size(64 * 1024).spawn(move || listen(&theirs))?;
    Ok(port)
}

fn listen(port: &OwnedHandle) {
    loop {
        let (mut bytes, mut key, mut operation) = (0, 0, ptr::null_mut());
        // SAFETY: The port is open, and the pointers are to local variables. The operation may be freed already, and is not
        // dereferenced.
        let taken = unsafe {
            GetQueuedCompletionStatus(port.as_raw_handle(), &raw mut bytes, &raw mut key, &raw mut operation, INFINITE)
        };
        if taken == 0 && operation.is_null() {
            // The port itself has failed, and no event will follow.
            return;
        }
        notify_waiters();
    }
}
