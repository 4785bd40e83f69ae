//! The one completion port of this process: where the kernel says that something has happened to a pipe, and from where all
//! who wait are told to look.
//!
//! What has happened each of them sees by himself, as he would after a `poll`. So nobody can miss or steal what is meant
//! for another one, and any number of pipes and processes can be waited for.

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

/// How often something has happened.
static CHANGES: Mutex<u64> = Mutex::new(0);
static CHANGED: Condvar = Condvar::new();

/// Returns how often something has happened so far. Ask before you look.
pub(super) fn changes() -> u64 {
    *lock(&CHANGES)
}

/// Tells all who wait that something has happened.
pub(super) fn change() {
    *lock(&CHANGES) += 1;
    CHANGED.notify_all();
}

/// Returns once something has happened since there were `seen` changes, or the deadline has passed.
pub(super) fn wait_for_change(seen: u64, deadline: Deadline) {
    let mut changes = lock(&CHANGES);
    while *changes == seen {
        changes = match deadline.remaining() {
            None => unpoisoned(CHANGED.wait(changes)),
            Some(left) if left.is_zero() => return,
            Some(left) => unpoisoned(CHANGED.wait_timeout(changes, left)).0,
        };
    }
}

/// Has whatever happens on this handle be a change.
pub(super) fn attach(handle: BorrowedHandle<'_>) -> io::Result<()> {
    static PORT: Mutex<Option<OwnedHandle>> = Mutex::new(None);
    let mut port = lock(&PORT);
    if port.is_none() {
        *port = Some(open()?);
    }
    let port = port.as_ref().expect("it has just been opened");
    // SAFETY: Both handles are open.
    let attached = unsafe { CreateIoCompletionPort(handle.as_raw_handle(), port.as_raw_handle(), 0, 0) };
    if attached.is_null() { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Opens the port, with a thread that listens to it for as long as the process lives.
fn open() -> io::Result<OwnedHandle> {
    // SAFETY: Without a file the call makes a new port.
    let raw = unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, ptr::null_mut(), 0, 1) };
    if raw.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: The handle is new, and nobody else has it.
    let port = unsafe { OwnedHandle::from_raw_handle(raw) };
    let theirs = port.try_clone()?;
    thread::Builder::new().name("scheduler-port".to_owned()).stack_size(64 * 1024).spawn(move || listen(&theirs))?;
    Ok(port)
}

fn listen(port: &OwnedHandle) {
    loop {
        let (mut bytes, mut key, mut operation) = (0, 0, ptr::null_mut());
        // SAFETY: The port is open, and the pointers are to variables of ours. The operation may be gone by now, and is
        // not looked at.
        let taken = unsafe {
            GetQueuedCompletionStatus(port.as_raw_handle(), &raw mut bytes, &raw mut key, &raw mut operation, INFINITE)
        };
        if taken == 0 && operation.is_null() {
            // The port itself fails: nothing will be heard of it any more. Whoever waits looks by himself now and then.
            return;
        }
        change();
    }
}
