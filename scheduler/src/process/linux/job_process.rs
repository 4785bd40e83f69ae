//! What a process does between the fork and the job: it joins its cgroup, leads a session, and gets the job's signals and
//! descriptors.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};

use rustix::fs::MemfdFlags;
use rustix::process::Signal;

use super::cgroup::Cgroup;
use super::warden_signals;
use crate::process::unix::JobDescriptors;

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
