//! `ChildPid`: the id of a process that may be signalled.

use std::fmt;
use std::io;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// The id of another process, which is never one of the numbers that mean something else to `kill`.
///
/// A failed fork answers -1, and `kill(-1, …)` hits every process of the user; 0 is one's own group, and 1 is `init`.
/// None of them can be a `ChildPid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ChildPid(Pid);

impl ChildPid {
    pub(crate) fn new(raw: i32) -> Option<Self> {
        if raw < 2 {
            return None;
        }
        Pid::from_raw(raw).map(Self)
    }

    pub(crate) fn get(self) -> i32 {
        self.0.as_raw_nonzero().get()
    }

    /// Sends the signal that can't be refused.
    ///
    /// Call it only for a child of this process that it has not reaped yet: until then the number belongs to it.
    pub(crate) fn kill(self) -> io::Result<()> {
        Ok(kill_process(self.0, Signal::KILL)?)
    }

    /// Sends this signal, under the condition of [`kill`](Self::kill).
    pub(in crate::process) fn send(self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(self.0, signal)?)
    }

    /// Sends this signal to the process group of that number.
    ///
    /// Call it only while a child of this process is in that group which was not collected yet: until then the number
    /// belongs to the group.
    pub(in crate::process) fn send_to_group(self, signal: Signal) -> io::Result<()> {
        Ok(kill_process_group(self.0, signal)?)
    }

    /// Sends the signal that asks a process to end to every process of the group that this one leads.
    ///
    /// As long as it isn't reaped, the group's number belongs to it, too.
    pub(crate) fn terminate_group(self) -> io::Result<()> {
        Ok(kill_process_group(self.0, Signal::TERM)?)
    }
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
    fn a_number_that_means_more_than_one_process_is_no_child() {
        for raw in [i32::MIN, -2, -1, 0, 1] {
            assert_eq!(ChildPid::new(raw), None, "{raw}");
        }
        assert_eq!(ChildPid::new(2).map(ChildPid::get), Some(2));
    }
}
