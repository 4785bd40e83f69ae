//! `ExitWatch`: makes the exit of a child visible to `poll`, without reaping the child.
//!
//! A thread waits for the one process, and then closes a pipe. That needs neither a SIGCHLD handler, which belongs to the
//! application, nor a feature of one kernel. On Linux a child that asked its parent to trace it is also reported at every
//! stop. Only the thread that started the child can collect the stop, so the watch ends and is started again.

use std::io::{self, PipeReader};
use std::thread;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions};

use crate::process::unix::ChildPid;
use crate::process::unix::descriptor::above_standard;
use crate::process::unix::poll::Awaited;
use crate::process::unix::reap_child;

/// The stack size of the thread, which does next to nothing.
const STACK_SIZE: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct ExitWatch {
    child: ChildPid,
    /// A pipe that is closed when the process has exited. Without it the process must be polled.
    exit: Option<PipeReader>,
}

impl ExitWatch {
    /// Starts watching this child.
    pub(super) fn new(child: ChildPid) -> Self {
        // Without a thread the process is polled, which only takes longer.
        Self { child, exit: watch(child).ok() }
    }

    /// Returns whether the child has exited, even if the application has reaped it.
    pub(super) fn has_exited(&mut self) -> bool {
        // After an interruption, or without memory, the next call finds out.
        match wait_for(self.child, WaitIdOptions::NOHANG) {
            Ok(ChildState::Running) => false,
            Ok(ChildState::Exited) => true,
            Ok(ChildState::Stopped) => {
                // The child has not exited, so this collects its stop and nothing else.
                let _ = reap_child(Some(self.child), 0);
                self.exit = watch(self.child).ok();
                false
            }
            Err(error) => error == Errno::CHILD,
        }
    }

    /// Returns whether the application has reaped the child: its id may belong to another process now.
    pub(super) fn was_reaped_elsewhere(&self) -> bool {
        wait_for(self.child, WaitIdOptions::NOHANG) == Err(Errno::CHILD)
    }

    pub(super) fn interest(&self) -> Option<Awaited<'_>> {
        self.exit.as_ref().map(|exit| Awaited::new(exit, PollFlags::IN))
    }
}

/// Starts a thread that closes a pipe at the child's exit or stop. Returns the end to poll.
fn watch(child: ChildPid) -> io::Result<PipeReader> {
    let (exit, writer) = io::pipe()?;
    let (exit, writer) = (above_standard(exit)?, above_standard(writer)?);
    let wait = move || {
        while wait_for(child, WaitIdOptions::empty()) == Err(Errno::INTR) {}
        drop(writer);
    };
    thread::Builder::new().name("scheduler-watch".to_owned()).stack_size(STACK_SIZE).spawn(wait)?;
    Ok(exit)
}

/// The state of a child, as the kernel reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChildState {
    Running,
    Exited,
    /// Stopped, because it asked to be traced.
    Stopped,
}

/// Returns the child's state without reaping the child: until it is reaped, its id isn't reused.
fn wait_for(child: ChildPid, options: WaitIdOptions) -> Result<ChildState, Errno> {
    let child = Pid::from_raw(child.get()).ok_or(Errno::CHILD)?;
    let waited = rustix::process::waitid(WaitId::Pid(child), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | options)?;
    Ok(match waited {
        None => ChildState::Running,
        Some(status) if status.exited() || status.killed() || status.dumped() => ChildState::Exited,
        Some(_) => ChildState::Stopped,
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::*;
    use crate::clock::Deadline;
    use crate::process::unix::poll::poll;

    #[test]
    fn an_exit_is_visible_and_leaves_the_child_to_be_reaped() {
        let mut child = Command::new("sh").args(["-c", "read line"]).stdin(std::process::Stdio::piped()).spawn();
        let child = child.as_mut().expect("`sh` is everywhere");
        let mut watch = ExitWatch::new(ChildPid::new(child.id().cast_signed()).expect("a process id"));
        assert!(!watch.has_exited());
        drop(child.stdin.take());
        let mut fds = [watch.interest().expect("there is room for a thread").poll_fd()];
        poll(&mut fds, Deadline::after(Duration::from_secs(60))).expect("it can be waited for");
        assert!(!fds[0].revents().is_empty() && watch.has_exited());
        assert_eq!(child.wait().expect("it is ours").code(), Some(1));
        assert!(watch.has_exited());
    }

    #[cfg(target_os = "linux")]
    #[test]
    #[expect(unsafe_code, reason = "tracing has no safe API")]
    fn a_stop_of_a_traced_child_is_not_an_exit() {
        use std::os::unix::process::CommandExt;

        let mut command = Command::new("sh");
        command.args(["-c", "kill -URG $$; exit 3"]);
        // SAFETY: The call may be made after a fork. The program that is executed next stops at once.
        unsafe {
            command.pre_exec(|| match libc::ptrace(libc::PTRACE_TRACEME, 0, std::ptr::null_mut::<libc::c_void>(), 0) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            });
        }
        let mut child = command.spawn().expect("`sh` is everywhere");
        let mut watch = ExitWatch::new(ChildPid::new(child.id().cast_signed()).expect("a process id"));
        while !watch.has_exited() {
            let mut fds: Vec<_> = watch.interest().map(Awaited::poll_fd).into_iter().collect();
            poll(&mut fds, Deadline::after(Duration::from_secs(60))).expect("it can be waited for");
        }
        assert_eq!(child.wait().expect("it is ours").code(), Some(3));
    }
}
