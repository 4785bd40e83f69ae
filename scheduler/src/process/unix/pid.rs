//! `ChildPid`: the id of a process that may be signaled.

use std::fmt;
use std::io;

#[cfg(feature = "cli")]
use rustix::io::Errno;
#[cfg(feature = "cli")]
use rustix::process::test_kill_process;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// The id of another process, never one of the numbers with a special meaning to `kill`.
///
/// A failed fork returns -1, and `kill(-1, …)` signals every process of the user; 0 is the caller's own group, and 1 is
/// `init`. None of them can be a `ChildPid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ChildPid(Pid);

impl ChildPid {
    pub(crate) fn new(raw: i32) -> Option<Self> {
        if raw < 2 {
            return None;
        }
        Pid::from_raw(raw).map(Self)
    }

    /// Parses the number, as `/proc` has it.
    pub(in crate::process) fn parse(text: &str) -> Option<Self> {
        text.parse().ok().and_then(Self::new)
    }

    pub(crate) fn get(self) -> i32 {
        self.0.as_raw_nonzero().get()
    }

    /// Sends SIGKILL.
    ///
    /// Call it only for a child of this process that has not been reaped yet: until then the number belongs to the child.
    pub(crate) fn kill(self) -> io::Result<()> {
        Ok(kill_process(self.0, Signal::KILL)?)
    }

    /// Sends this signal, under the condition of [`kill`](Self::kill).
    pub(in crate::process) fn send(self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(self.0, signal)?)
    }

    /// Sends this signal to the process group of that number.
    ///
    /// Call it only while a child of this process that has not been reaped yet is in the group: until then the number
    /// belongs to the group.
    pub(in crate::process) fn send_to_group(self, signal: Signal) -> io::Result<()> {
        Ok(kill_process_group(self.0, signal)?)
    }

    /// Sends SIGTERM to every process of the group that this process leads, under the condition of [`kill`](Self::kill).
    pub(crate) fn terminate_group(self) -> io::Result<()> {
        Ok(kill_process_group(self.0, Signal::TERM)?)
    }
}

/// Returns whether a process has this id, which may be another one than the caller knew.
#[cfg(feature = "cli")]
pub(crate) fn process_exists(id: u32) -> bool {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw);
    // Another error, such as a missing permission, is one of a process that exists.
    id.is_some_and(|id| test_kill_process(id) != Err(Errno::SRCH))
}

impl fmt::Display for ChildPid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_with_a_special_meaning_is_no_child() {
        for raw in [i32::MIN, -2, -1, 0, 1] {
            assert_eq!(ChildPid::new(raw), None, "{raw}");
        }
        assert_eq!(ChildPid::new(2).map(ChildPid::get), Some(2));
    }
}
