//! The warden's use of processes: it becomes a subreaper, forks or executes jobs, and reaps children.

use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::process::Command;
use std::thread;

use rustix::io::FdFlags;

use super::sigchld::SigchldEvent;
use super::warden_signals;
use crate::process::unix::{ChildPid, ExitedChild, reap_child, signals, socket};

/// Makes this process a warden: a subreaper of all its descendants, which ignores the signals that would kill it. Returns
/// the event of its children's exits.
pub(crate) fn become_warden() -> io::Result<SigchldEvent> {
    signals::reset_inherited();
    warden_signals::ignore_group_signals();
    signals::unblock();
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    SigchldEvent::install()
}

/// The side of a fork on which the code continues.
#[derive(Debug)]
pub(crate) enum Fork {
    Warden(ChildPid),
    Job,
}

/// Forks this process.
///
/// Call it only while no other thread of the process can hold a lock: see [`has_other_threads`].
#[expect(
    unsafe_code,
    reason = "rustix has no stable `fork`, and the C library's runs the handlers of `pthread_atfork`"
)]
pub(crate) fn fork() -> io::Result<Fork> {
    // SAFETY: The warden has one thread, and under libtest an idle main thread, which waits in a channel and holds no lock.
    // So the forked process may allocate and lock.
    match unsafe { libc::fork() } {
        0 => Ok(Fork::Job),
        raw => ChildPid::new(raw).map(Fork::Warden).ok_or_else(io::Error::last_os_error),
    }
}

/// Starts `command` with this standard input. The descriptors that it inherits were made [`make_inheritable`].
pub(crate) fn spawn_with_input(command: &mut Command, input: OwnedFd) -> io::Result<ChildPid> {
    let child = command.stdin(input).spawn()?;
    let pid = ChildPid::new(child.id().cast_signed());
    Ok(pid.expect("a process that was started has an id of its own"))
}

/// Returns a socket from which a copy can read these bytes as its standard input, and the other end, from which to read its
/// replies.
///
/// A file in memory would take less code, but is subject to the limit on the size of files (`RLIMIT_FSIZE`): with a limit
/// of 0 the kernel kills the process that writes it.
pub(crate) fn input_socket(bytes: Vec<u8>) -> io::Result<(OwnedFd, OwnedFd)> {
    let (input, own) = socket::pair()?;
    let sent = match socket::send(own.as_fd(), &bytes, &[]) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
        sent => sent?,
    };
    if sent == bytes.len() {
        own.shutdown(Shutdown::Write)?;
    } else {
        let own = own.try_clone()?;
        // The socket has room for the rest as the copy reads. A thread waits for that, as this one has to watch the copy.
        let rest = move || {
            let mut rest = &bytes[sent..];
            while let Ok(count @ 1..) = socket::send_waiting(own.as_fd(), rest) {
                rest = &rest[count..];
            }
            // It fails if the copy has exited.
            let _ = own.shutdown(Shutdown::Write);
        };
        thread::Builder::new().name("scheduler-request".to_owned()).spawn(rest)?;
    }
    Ok((input.into(), own.into()))
}

/// Makes the processes that are started from now on inherit this descriptor, and returns its number.
pub(crate) fn make_inheritable(descriptor: BorrowedFd<'_>) -> io::Result<RawFd> {
    rustix::io::fcntl_setfd(descriptor, FdFlags::empty())?;
    Ok(descriptor.as_raw_fd())
}

/// Returns whether the process has more than `expected` threads, or an unknown number.
pub(crate) fn has_other_threads(expected: usize) -> bool {
    // The directory has a link for each thread, beside the two of every directory. To read the count takes a third of the
    // time of listing the directory. An emulated kernel may count none.
    let links = rustix::fs::stat(TASKS).map_or(0, |stat| stat.st_nlink);
    if usize::try_from(links).is_ok_and(|links| links == 2 + expected) {
        return false;
    }
    std::fs::read_dir(TASKS).map_or(true, |tasks| tasks.count() > expected)
}

/// Returns whether a process can count its threads here, which takes `/proc`.
pub(crate) fn can_count_threads() -> bool {
    rustix::fs::stat(TASKS).is_ok()
}

/// A folder for each thread of this process.
const TASKS: &str = "/proc/self/task";

/// The result of [`reap`].
#[derive(Debug)]
pub(crate) enum ReapResult {
    /// A child that has exited, and is reaped.
    Exited(ExitedChild),
    /// There are children, and none has exited.
    NoneExited,
    /// There is no child. For a subreaper that means that no process is left.
    NoChildren,
}

/// Reaps one child that has exited. Doesn't wait.
pub(crate) fn reap() -> io::Result<ReapResult> {
    match reap_child(None, libc::__WALL) {
        Ok(Some(child)) => Ok(ReapResult::Exited(child)),
        Ok(None) => Ok(ReapResult::NoneExited),
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(ReapResult::NoChildren),
        Err(error) => Err(error),
    }
}

/// Exits the warden, without running the program's exit handlers.
#[expect(unsafe_code, reason = "rustix has no stable `_exit`")]
pub(crate) fn exit_warden() -> ! {
    // SAFETY: It exits the process at once, whatever its state.
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
            let (input, _own) = input_socket(bytes.clone()).expect("there is room");
            File::from(input).read_to_end(&mut read).expect("it is ours");
            assert!(read == bytes, "{length}");
        }
    }

    #[test]
    fn an_input_without_a_reader_does_not_block() {
        drop(input_socket(vec![0; 2 << 20]).expect("there is room"));
    }
}
