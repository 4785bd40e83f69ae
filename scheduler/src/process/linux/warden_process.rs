//! The warden's use of processes: it becomes a subreaper, forks or executes jobs, and reaps children.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Command, Stdio};
use std::thread;

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

/// Leaves the working directory, which a process that waits must not keep in use.
pub(crate) fn leave_folder() {
    // There is no process without a root.
    let _ = rustix::process::chdir(c"/");
}

/// Enters the working directory of the next job.
pub(crate) fn enter_folder(folder: &OwnedFd) -> io::Result<()> {
    rustix::process::fchdir(folder).map_err(|error| {
        let error = io::Error::from(error);
        io::Error::new(error.kind(), format!("the application's working directory can't be entered: {error}"))
    })
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

/// Starts `command`, a copy of this binary that becomes a job's process, with a socket as its standard input. Returns its id
/// and the other end.
pub(crate) fn spawn_job(command: &mut Command) -> io::Result<(ChildPid, OwnedFd)> {
    let (input, own) = socket::pair()?;
    let child = command.stdin(OwnedFd::from(input)).spawn()?;
    // A `Command` keeps its descriptors.
    command.stdin(Stdio::null());
    let pid = ChildPid::new(child.id().cast_signed());
    Ok((pid.expect("a process that was started has an id of its own"), own.into()))
}

/// The side of the fork of a process that waits for its request, each with its end of the socket for that.
#[derive(Debug)]
pub(crate) enum ForkStandby {
    Warden(ChildPid, OwnedFd),
    Job(OwnedFd),
}

/// Forks a process that waits for its request, under the condition of [`fork`].
pub(crate) fn fork_standby() -> io::Result<ForkStandby> {
    let (input, own) = socket::pair()?;
    Ok(match fork()? {
        Fork::Warden(job) => ForkStandby::Warden(job, own.into()),
        Fork::Job => ForkStandby::Job(input.into()),
    })
}

/// Sends a request to that process, with its descriptors, through the other end of its input.
pub(crate) fn send_request(own: &OwnedFd, bytes: Vec<u8>, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let sent = socket::send(own.as_fd(), &bytes, descriptors)?;
    if sent < bytes.len() {
        let own = own.try_clone()?;
        // The socket has room for the rest as the copy reads. A thread waits for that, as this one has to watch the copy.
        let rest = move || {
            let mut rest = &bytes[sent..];
            // It fails if the copy has exited.
            while let Ok(count @ 1..) = socket::send_waiting(own.as_fd(), rest) {
                rest = &rest[count..];
            }
        };
        thread::Builder::new().name("scheduler-request".to_owned()).spawn(rest)?;
    }
    Ok(())
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
    fn a_request_of_any_length_can_be_read() {
        for length in [1, 2 << 20] {
            let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
            let mut read = vec![0; length];
            let (input, own) = socket::pair().expect("there is room");
            send_request(&own.into(), bytes.clone(), &[input.as_fd()]).expect("there is room");
            File::from(OwnedFd::from(input)).read_exact(&mut read).expect("it is ours");
            assert!(read == bytes, "{length}");
        }
    }

    #[test]
    fn a_request_without_a_reader_does_not_block() {
        let (_input, own) = socket::pair().expect("there is room");
        send_request(&own.into(), vec![0; 2 << 20], &[]).expect("there is room");
    }
}
