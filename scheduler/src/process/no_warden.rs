//! What the platforms have in place of wardens, and of what only Linux has.

use std::ffi::OsString;
use std::io;

use super::{ChildPid, Orphans, OwnImage, RunMarker};
use crate::clock::Deadline;
use crate::options::Containment;

/// What stands in the marker of a copy that is to be a job's process.
pub(crate) const ALONE: &str = "job";

/// Whether a copy of this binary can stay and fork one job after the other.
pub(crate) const HAS_FORK_SERVERS: bool = false;

/// There is no fork server that would have to.
pub(crate) fn can_count_threads() -> bool {
    true
}

/// Has orphans become children of this process: no other kernel gives them to whoever asks.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "orphans can be adopted on Linux only"))
}

/// No file: only Linux has a link to what a process executes.
pub(crate) const EXECUTED: &str = "";

/// No other kernel tells what executes a program.
pub(crate) fn find_own_image() -> OwnImage {
    OwnImage::Unknown
}

/// The search for what the job of a lost warden has left: there is no warden, and what witnesses the end sweeps.
#[derive(Debug)]
pub(crate) struct Search(());

impl Search {
    pub(crate) fn new(_: RunMarker, _: Option<ChildPid>, _: Orphans) -> Self {
        Self(())
    }

    /// There is nothing to look for.
    #[expect(clippy::unused_self, reason = "on Linux there is a search")]
    pub(crate) fn round(&mut self, _: Deadline) -> bool {
        true
    }

    #[expect(clippy::unused_self, reason = "on Linux there is a search")]
    pub(crate) fn killed(&self) -> usize {
        0
    }
}

/// Where the cgroups of runs are made: nowhere.
#[derive(Clone, Debug)]
pub(crate) enum CgroupHome {}

impl CgroupHome {
    pub(crate) fn find(containment: Containment) -> io::Result<Option<Self>> {
        match containment {
            Containment::Auto | Containment::None => Ok(None),
            Containment::Cgroup => Err(io::Error::new(io::ErrorKind::Unsupported, "only Linux has cgroups")),
        }
    }

    pub(crate) fn group(&self, _: &RunMarker) -> OsString {
        match *self {}
    }
}

/// There is none.
pub(crate) fn end_cgroup(_: &OsString) {}

/// Who knows of ends for want of memory: nobody.
#[derive(Debug)]
pub(crate) struct OomCounter(());

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OomKills(());

impl OomCounter {
    pub(crate) fn new() -> Self {
        Self(())
    }

    #[expect(clippy::unused_self, reason = "on Linux there are counts")]
    pub(crate) fn kills(&self) -> OomKills {
        OomKills(())
    }

    #[expect(clippy::unused_self, reason = "on Linux there are counts")]
    pub(crate) fn has_seen_more_than(&self, _: &OomKills) -> bool {
        false
    }
}
