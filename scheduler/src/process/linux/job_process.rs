//! What a process does between the fork and the job: it joins its cgroup, leads a session, and gets the job's signals and
//! descriptors.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::OwnedFd;

use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use rustix::process::Signal;

use super::cgroup::Cgroup;
use super::warden_signals;
use crate::process::unix::JobDescriptors;
use crate::process::unix::descriptor::private;

/// Returns a file with this content and without a name, at its beginning.
pub(crate) fn anonymous_file(content: &[u8]) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("stdin", MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file)
}

/// Makes this process a job's. After that, only its data socket distinguishes it from an ordinary program.
///
/// `warden` is the process id of the warden, and `cgroup` the path of the cgroup to join.
///
/// # Errors
///
/// Fails if the warden has exited, or if the process can't be set up.
pub(crate) fn become_job(warden: u32, descriptors: JobDescriptors, cgroup: Option<&OsString>) -> io::Result<()> {
    leave_warden(warden)?;
    equip_job(descriptors, cgroup)
}

/// Makes this process a job's, except for what its request brings: [`equip_job`] does the rest.
///
/// # Errors
///
/// Fails if the warden has exited.
pub(crate) fn leave_warden(warden: u32) -> io::Result<()> {
    warden_signals::restore_defaults();
    rustix::process::setsid()?;
    // The kernel sends it when the thread that forked exits, which is the one that runs the warden.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // If the warden exited before that call, no signal will come: the request applies to the parent of that moment. Then
    // the parent is another process by now: `init`, or a subreaper, whatever its id.
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if parent.map(i32::cast_unsigned) != Some(warden) {
        return Err(io::Error::other("the warden has exited"));
    }
    Ok(())
}

/// Moves this process, which has left its warden, into its cgroup, and gives it its descriptors.
///
/// # Errors
///
/// Fails if the process can't be set up.
pub(crate) fn equip_job(descriptors: JobDescriptors, cgroup: Option<&OsString>) -> io::Result<()> {
    // Before it starts any process, so that all are in there.
    cgroup.map_or(Ok(()), Cgroup::enter)?;
    descriptors.install()
}

/// Duplicates of the standard streams of a process that serves several calls, each of which may have others.
#[derive(Debug)]
pub(crate) struct StandardStreams([OwnedFd; 3]);

impl StandardStreams {
    /// Duplicates those of this process.
    pub(crate) fn save() -> io::Result<Self> {
        Ok(Self([
            private(rustix::stdio::stdin())?,
            private(rustix::stdio::stdout())?,
            private(rustix::stdio::stderr())?,
        ]))
    }

    /// Makes them the standard streams again, once what the C library has buffered is written to the current ones.
    #[expect(unsafe_code, reason = "the buffers of the C library have no safe API")]
    pub(crate) fn restore(&self) -> io::Result<()> {
        // SAFETY: A null pointer stands for all streams.
        unsafe { libc::fflush(std::ptr::null_mut()) };
        let Self([stdin, stdout, stderr]) = self;
        rustix::stdio::dup2_stdin(stdin)?;
        rustix::stdio::dup2_stdout(stdout)?;
        Ok(rustix::stdio::dup2_stderr(stderr)?)
    }
}

/// Wakes the warden of this process, as the exit of a child would.
pub(crate) fn notify_warden() -> io::Result<()> {
    let warden = rustix::process::getppid().ok_or(Errno::SRCH)?;
    Ok(rustix::process::kill_process(warden, Signal::CHILD)?)
}
