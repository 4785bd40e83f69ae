//! A file of an application on Windows that every child inherits, unless it is started with a list of handles.
//!
//! The application is a process of its own: others that start something at the same time would hand the file down as well.

#![expect(unsafe_code, reason = "that a handle is inherited has no safe API")]

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use scheduler::job;
use windows_sys::Win32::Foundation::{HANDLE_FLAG_INHERIT, SetHandleInformation};

/// The variable that names the folder of the file.
pub const FOLDER: &str = "TEST_FOLDER";

pub(crate) fn folder() -> PathBuf {
    std::env::var_os(FOLDER).expect("the test sets it").into()
}

/// Opens the file without sharing it.
fn open_alone() -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).share_mode(0).open(folder().join("file"))
}

/// Opens it for all that is started.
fn open_for_all() -> io::Result<File> {
    let file = open_alone()?;
    // SAFETY: The handle is open.
    match unsafe { SetHandleInformation(file.as_raw_handle(), HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(file),
    }
}

pub(crate) fn wait_for(path: &Path) {
    while !path.exists() {
        thread::yield_now();
    }
}

/// Asserts that a child of the standard library has the file, and keeps it open until a job is up.
///
/// # Errors
///
/// If there is no shell, or the folder can't be written to.
///
/// # Panics
///
/// If the file was not inherited.
pub fn hand_down() -> io::Result<()> {
    let file = open_for_all()?;
    let mut other = Command::new("cmd");
    let mut other = other.args(["/c", "set /p line="]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    drop(file);
    assert!(open_alone().is_err(), "it was inherited");
    other.kill()?;
    other.wait()?;
    let file = open_for_all()?;
    thread::spawn(move || {
        wait_for(&folder().join("up"));
        drop(file);
        fs::write(folder().join("go on"), "").expect("the folder is the test's");
    });
    Ok(())
}

/// Returns whether no process has the file open once the application has closed it.
///
/// # Errors
///
/// If the folder can't be written to.
#[job]
pub fn finds_it_closed() -> io::Result<bool> {
    fs::write(folder().join("up"), "")?;
    wait_for(&folder().join("go on"));
    Ok(open_alone().is_ok())
}
