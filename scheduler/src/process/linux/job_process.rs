//! What a process does on its way from the warden's copy to the job: a session, a death wish, plain signals, its own
//! standard streams.

use std::ffi::OsString;
use std::io;

use rustix::process::Signal;

use super::{Cgroup, sigchld};
use crate::process::unix::channel::{Streams, take_streams};

/// Makes this process a job's: after it nothing but its stream to the parent tells it from a program that was started plainly.
///
/// `warden` is the process id of the warden; a job whose warden is gone by now gets an error. `cgroup` is
/// the path of the group that it is to enter.
pub(crate) fn become_job(warden: u32, streams: Streams, cgroup: Option<&OsString>) -> io::Result<()> {
    sigchld::unshield();
    // First, so that all that it starts is in there, too.
    cgroup.map_or(Ok(()), Cgroup::enter)?;
    rustix::process::setsid()?;
    // It fires when the thread that forked ends; the warden's is the one that it lives by.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // The warden may have died before that was set. Under a subreaper or in a container the new parent is anybody.
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if parent.map(i32::cast_unsigned) != Some(warden) {
        return Err(io::Error::other("the warden is gone"));
    }
    take_streams(streams)
}
