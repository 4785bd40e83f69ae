//! Queries about the processes that a job object lists, by their ids.

#![expect(unsafe_code, reason = "queries about another process have no safe API")]

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};

use windows_sys::Win32::Foundation::{ERROR_INVALID_PARAMETER, WAIT_OBJECT_0};
use windows_sys::Win32::System::Diagnostics::Debug::IsDebuggerPresent;
use windows_sys::Win32::System::Threading::{
    OpenProcess, PROCESS_ACCESS_RIGHTS, PROCESS_NAME_WIN32, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE,
    QueryFullProcessImageNameW, WaitForSingleObject,
};

/// Returns whether a debugger is attached to this process.
pub(crate) fn is_traced() -> bool {
    // SAFETY: It has no preconditions.
    unsafe { IsDebuggerPresent() != 0 }
}

/// Returns whether a process has exited, or doesn't exist any more: it may still be listed for a while. Under Wine, a
/// process whose creator was killed before the process had a thread is listed forever.
pub(super) fn has_exited(id: u32) -> bool {
    match open(id, PROCESS_SYNCHRONIZE) {
        // SAFETY: The handle is open. With a timeout of zero the call doesn't block.
        Ok(process) => unsafe { WaitForSingleObject(process.as_raw_handle(), 0) == WAIT_OBJECT_0 },
        // Any other error, such as a denied access, means that the process exists.
        Err(error) => error.raw_os_error() == Some(ERROR_INVALID_PARAMETER.cast_signed()),
    }
}

/// Returns whether a process has this id, which may be another one than the caller knew.
#[cfg(feature = "cli")]
pub(crate) fn process_exists(id: u32) -> bool {
    !has_exited(id)
}

/// Returns whether a process is a console host, which the kernel starts and stops together with another process.
pub(super) fn is_console_host(id: u32) -> bool {
    let Ok(process) = open(id, PROCESS_QUERY_LIMITED_INFORMATION) else {
        return false;
    };
    let mut name = [0_u16; 1024];
    let mut length = 1024;
    // SAFETY: The pointer and the length are those of a local variable.
    let queried = unsafe {
        let name = name.as_mut_ptr();
        QueryFullProcessImageNameW(process.as_raw_handle(), PROCESS_NAME_WIN32, name, &raw mut length)
    };
    let name = String::from_utf16_lossy(&name[..length as usize]).to_lowercase();
    queried != 0 && name.ends_with(r"\system32\conhost.exe")
}

fn open(id: u32, rights: PROCESS_ACCESS_RIGHTS) -> io::Result<OwnedHandle> {
    // SAFETY: The call has no preconditions.
    let raw = unsafe { OpenProcess(rights, 0, id) };
    if raw.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: The handle is new, and owned by nothing else.
    Ok(unsafe { OwnedHandle::from_raw_handle(raw) })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_that_was_killed_has_exited_even_while_its_handle_is_held() {
        assert!(!has_exited(std::process::id()));
        // It blocks until it reads a line.
        let mut child = Command::new("cmd");
        let child = child.args(["/c", "set /p line="]);
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("`cmd` is everywhere");
        assert!(!has_exited(child.id()));
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        assert!(has_exited(child.id()));
    }
}
