//! Snapshots of a job's processes: their ids, parents and names, without their threads.
//!
//! Stacks would need the names of another process's functions, from a file that the release profile doesn't make (PDB).

#![expect(unsafe_code, reason = "the list of processes has no safe API")]

use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};

use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
};

use crate::outcome::Incomplete;
use crate::wire::snapshots_message::{ProcessMessage, SnapshotsMessage};

/// The most processes in a message, as on Linux.
const LIMIT: usize = 64;

/// Returns a snapshot of each of these processes that exists, in their order.
pub(super) fn snapshots(ids: &[u32]) -> SnapshotsMessage {
    let listed = list();
    let mut processes: Vec<_> = ids
        .iter()
        .filter_map(|id| listed.iter().find(|process| process.th32ProcessID == *id))
        .map(|process| ProcessMessage {
            pid: process.th32ProcessID,
            parent: process.th32ParentProcessID,
            name: name(process),
            command_line: Vec::new(),
            // Unknown.
            state: b'?',
            threads: Vec::new(),
            incomplete: vec![Incomplete::Unsupported],
        })
        .collect();
    let omitted = u32::try_from(processes.len().saturating_sub(LIMIT)).unwrap_or(u32::MAX);
    processes.truncate(LIMIT);
    if let (1.., Some(first)) = (omitted, processes.first_mut()) {
        first.incomplete.push(Incomplete::ProcessLimit { omitted });
    }
    SnapshotsMessage { modules: Vec::new(), processes }
}

/// Returns the name of the process's file, without its folder.
fn name(process: &PROCESSENTRY32W) -> String {
    let length = process.szExeFile.iter().position(|unit| *unit == 0).unwrap_or(process.szExeFile.len());
    String::from_utf16_lossy(&process.szExeFile[..length])
}

/// Returns the system's list of processes; an empty one if it has none for us.
fn list() -> Vec<PROCESSENTRY32W> {
    // SAFETY: The call has no preconditions.
    let raw = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0) };
    if raw == INVALID_HANDLE_VALUE {
        return Vec::new();
    }
    // SAFETY: The handle is new, and owned by nothing else.
    let snapshot = unsafe { OwnedHandle::from_raw_handle(raw) };
    let length = u32::try_from(size_of::<PROCESSENTRY32W>()).expect("it has some hundred bytes");
    let mut entry = PROCESSENTRY32W { dwSize: length, ..PROCESSENTRY32W::default() };
    let mut listed = Vec::new();
    // SAFETY: The handle is open, and the entry has the length that it states.
    let mut has_entry = unsafe { Process32FirstW(snapshot.as_raw_handle(), &raw mut entry) };
    while has_entry != 0 {
        listed.push(entry);
        // SAFETY: As above.
        has_entry = unsafe { Process32NextW(snapshot.as_raw_handle(), &raw mut entry) };
    }
    listed
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_is_listed_with_its_parent_and_its_name() {
        // It blocks until it reads a line.
        let mut child = Command::new("cmd");
        let child = child.args(["/c", "set /p line="]);
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("`cmd` is everywhere");
        let own = std::process::id();
        let found = snapshots(&[own, child.id(), u32::MAX]).processes;
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        let ids: Vec<_> = found.iter().map(|process| process.pid).collect();
        assert_eq!(ids, [own, child.id()]);
        assert_eq!(found[1].parent, own);
        assert_eq!(found[1].name.to_lowercase(), "cmd.exe");
    }
}
