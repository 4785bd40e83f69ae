//! `ExitWatch`: makes the exit of a child visible to `poll`, without reaping the child.
//!
//! A thread waits for the one process, and then closes a pipe. That needs neither a SIGCHLD handler, which belongs to the
//! application, nor a feature of one kernel. On Linux a child that asked to be traced by its parent is reported at every
//! stop as well: the thread that started it must pass the stop on, so the watch ends and is started again.

use std::io::{self, PipeReader};
use std::thread;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions};

use crate::process::unix::ChildPid;
use crate::process::unix::descriptor::above_standard;
use crate::process::unix::reap_child;

/// The stack size of the thread, which does next to nothing.
const STACK_SIZE: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct ExitWatch {
    child: ChildPid,
    /// It ends when the process has ended. Without one the process must be looked at every so often.
    exit: Option<PipeReader>,
}

impl ExitWatch {
    /// Starts to watch this child.
    pub(super) fn new(child: ChildPid) -> Self {
        // Without a thread the process is polled, which only takes longer.
        Self { child, exit: watch(child).ok() }
    }

    /// Returns whether the child has exited, even if the application has reaped it.
    pub(super) fn has_exited(&mut self) -> bool {
        // Interrupted, or without memory: the next look will tell.
        match wait_for(self.child, WaitIdOptions::NOHANG) {
            Ok(ChildState::Running) => false,
            Ok(ChildState::Exited) => true,
            Ok(ChildState::Stopped) => {
                // It has not ended, so that this collects its stop and nothing else.
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

    pub(super) fn interest(&self) -> Option<PollFd<'_>> {
        self.exit.as_ref().map(|exit| PollFd::new(exit, PollFlags::IN))
    }
}

fn watch(child: ChildPid) -> io::Result<PipeReader> {
    let (exit, held) = io::pipe()?;
    let (exit, held) = (above_standard(exit)?, above_standard(held)?);
    let wait = move || {
        while wait_for(child, WaitIdOptions::empty()) == Err(Errno::INTR) {}
        drop(held);
    };
    thread::Builder::new().name("scheduler-watch".to_owned()).stack_size(STACK_SIZE).spawn(wait)?;
    Ok(exit)
}

/// What the kernel reports of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChildState {
    Running,
    Exited,
    /// It stopped, as it asked to be traced.
    Stopped,
}

/// Returns what has become of the child, and leaves it uncollected: until it is collected its number is its own.
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
    fn an_end_is_told_and_leaves_the_child_to_be_collected() {
        let mut child = Command::new("sh").args(["-c", "read line"]).stdin(std::process::Stdio::piped()).spawn();
        let child = child.as_mut().expect("`sh` is everywhere");
        let mut watch = ExitWatch::new(ChildPid::new(child.id().cast_signed()).expect("a process id"));
        assert!(!watch.has_exited());
        drop(child.stdin.take());
        let mut fds = [watch.interest().expect("there is room for a thread")];
        poll(&mut fds, Deadline::after(Duration::from_secs(60))).expect("it can be waited for");
        assert!(!fds[0].revents().is_empty() && watch.has_exited());
        assert_eq!(child.wait().expect("it is ours").code(), Some(1));
        assert!(watch.has_exited());
    }

    #[cfg(target_os = "linux")]
    #[test]
    #[expect(unsafe_code, reason = "tracing has no safe API")]
    fn a_stop_of_a_traced_child_is_no_end() {
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
            let mut fds: Vec<_> = watch.interest().into_iter().collect();
            poll(&mut fds, Deadline::after(Duration::from_secs(60))).expect("it can be waited for");
        }
        assert_eq!(child.wait().expect("it is ours").code(), Some(3));
    }
}
