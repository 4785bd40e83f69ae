//! What the warden does with processes: it becomes a subreaper, forks the job, and reaps whatever ends.

use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::process::Command;
use std::thread;

use rustix::event::{EventfdFlags, PollFd, PollFlags};
use rustix::io::FdFlags;

use super::{ChildPid, channel, poll, sigchld, signals};
use crate::clock::Deadline;
use crate::outcome::{Exit, Usage};
use crate::process::unix::collect;
use crate::process::unix::descriptor::above_standard;

/// Makes this process the reaper of everything below it, deaf to the signals that would end it, and returns the bell
/// that rings when a child ends.
pub(crate) fn become_warden() -> io::Result<SigchldEvent> {
    signals::reset_inherited();
    sigchld::shield();
    signals::unblock();
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let eventfd = above_standard(rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)?;
    sigchld::ring_on_child(eventfd.as_raw_fd())?;
    Ok(SigchldEvent(eventfd))
}

/// Rings when a child of this process has ended.
#[derive(Debug)]
pub(crate) struct SigchldEvent(OwnedFd);

impl SigchldEvent {
    /// Stops the ringing, before the children are counted.
    pub(crate) fn hush(&self) {
        // Nothing to read means that it has not rung.
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for SigchldEvent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Returns once the bell has rung or the deadline has passed.
pub(super) fn wait_for(sigchld: &SigchldEvent, deadline: Deadline) {
    let mut fds = [PollFd::new(&sigchld.0, PollFlags::IN)];
    if poll::poll(&mut fds, deadline).is_err() {
        poll::pause();
    }
}

/// On which side of a fork the code goes on.
#[derive(Debug)]
pub(crate) enum Fork {
    Warden(ChildPid),
    Job,
}

/// Makes a copy of this process.
///
/// Call it only while no other thread of the process can hold a lock: see [`has_other_threads`].
#[expect(unsafe_code, reason = "a fork has no safe API")]
pub(crate) fn fork() -> io::Result<Fork> {
    // SAFETY: The warden is single-threaded but for libtest's idle main thread, which waits in a channel and holds no
    // lock, so that the copy may allocate and lock as the original could.
    match unsafe { libc::fork() } {
        0 => Ok(Fork::Job),
        raw => ChildPid::new(raw).map(Fork::Warden).ok_or_else(io::Error::last_os_error),
    }
}

/// Starts `command` with this input. What it is to inherit was made [`inheritable`].
pub(crate) fn execute(command: &mut Command, input: OwnedFd) -> io::Result<ChildPid> {
    let child = command.stdin(input).spawn()?;
    let pid = ChildPid::new(child.id().cast_signed());
    Ok(pid.expect("a process that was started has an id of its own"))
}

/// Returns a socket from which these bytes can be read, as a copy's standard input, and the other end, for what comes back.
///
/// A file in memory would take less code. It would be subject to the limit on the size of files (`RLIMIT_FSIZE`), though, and
/// with a limit of 0 the kernel kills the process that writes it.
pub(crate) fn input_with(bytes: Vec<u8>) -> io::Result<(OwnedFd, OwnedFd)> {
    let (input, own) = channel::pair()?;
    let sent = match channel::send(own.as_fd(), &bytes, &[]) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
        sent => sent?,
    };
    if sent == bytes.len() {
        own.shutdown(Shutdown::Write)?;
    } else {
        let own = own.try_clone()?;
        // The socket takes the rest as the copy reads. This process has to watch over the copy meanwhile.
        let rest = move || {
            let mut rest = &bytes[sent..];
            while let Ok(count @ 1..) = channel::send_waiting(own.as_fd(), rest) {
                rest = &rest[count..];
            }
            // The copy has gone, if this fails.
            let _ = own.shutdown(Shutdown::Write);
        };
        thread::Builder::new().name("scheduler-request".to_owned()).spawn(rest)?;
    }
    Ok((input.into(), own.into()))
}

/// Lets the processes that are started from now on have this descriptor, under the number that is returned.
pub(crate) fn inheritable(descriptor: BorrowedFd<'_>) -> io::Result<RawFd> {
    rustix::io::fcntl_setfd(descriptor, FdFlags::empty())?;
    Ok(descriptor.as_raw_fd())
}

/// Says whether the process has more than `expected` threads, or they can't be counted.
pub(crate) fn has_other_threads(expected: usize) -> bool {
    // The kernel counts a link for each thread beside the two of any folder, and to ask for that is a third of the price of
    // reading the folder. What only poses as a kernel may count none.
    let links = rustix::fs::stat(TASKS).map_or(0, |stat| stat.st_nlink);
    if usize::try_from(links).is_ok_and(|links| links == 2 + expected) {
        return false;
    }
    std::fs::read_dir(TASKS).map_or(true, |tasks| tasks.count() > expected)
}

/// Says whether a process here can count its threads: without `/proc` none can.
pub(crate) fn can_count_threads() -> bool {
    rustix::fs::stat(TASKS).is_ok()
}

/// A folder for each thread of this process.
const TASKS: &str = "/proc/self/task";

/// What there was to collect.
#[derive(Debug)]
pub(crate) enum Reaped {
    /// A process that has ended, and is gone now.
    Process { pid: ChildPid, exit: Exit, usage: Usage },
    /// There are children, and none has ended.
    Nothing,
    /// There is no child, which for a subreaper means: nothing is left.
    NoChildren,
}

/// Collects one process that has ended, without waiting.
pub(crate) fn reap() -> io::Result<Reaped> {
    match collect(None, libc::__WALL) {
        Ok(Some(ended)) => Ok(Reaped::Process { pid: ended.pid, exit: ended.exit, usage: ended.usage }),
        Ok(None) => Ok(Reaped::Nothing),
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(Reaped::NoChildren),
        Err(error) => Err(error),
    }
}

/// Ends the warden, without running what the program registered for its exit.
#[expect(unsafe_code, reason = "`_exit` has no safe API")]
pub(crate) fn exit_warden() -> ! {
    // SAFETY: It ends the process at once, whatever its state.
    unsafe { libc::_exit(0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read as _;

    #[test]
    fn an_input_of_any_length_can_be_read_and_ends() {
        for length in [0, 1, 2 << 20] {
            let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
            let mut read = Vec::new();
            let (input, _own) = input_with(bytes.clone()).expect("there is room");
            File::from(input).read_to_end(&mut read).expect("it is ours");
            assert!(read == bytes, "{length}");
        }
    }

    #[test]
    fn an_input_that_nobody_reads_keeps_nobody_waiting() {
        drop(input_with(vec![0; 2 << 20]).expect("there is room"));
    }
}
