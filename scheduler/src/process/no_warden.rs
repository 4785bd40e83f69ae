//! Substitutes for wardens, cgroups, counters of OOM kills and a limit that can be raised, which only Linux has.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Seek as _, Write as _};
use std::time::Duration;

use super::{ChildPid, Orphans, OwnImage, RunMarker};
use crate::clock::Deadline;
use crate::options::Containment;
use crate::random::random_bytes;

/// The role of a copy that is a job's process.
pub(crate) const DIRECT_ROLE: &str = "job";

/// Whether a copy of this binary can be a fork server, which forks one job after the other.
pub(crate) const HAS_FORK_SERVERS: bool = false;

/// Does nothing: without a warden a crash is not captured.
pub(crate) fn capture_crashes(_: fn(u32), _: fn(Duration)) {}

/// Returns the name of a system call. Snapshots have none here.
pub(crate) fn system_call_name(_: u64) -> Option<&'static str> {
    None
}

/// Returns `None`: no stack is walked.
#[cfg(any(test, fuzzing))]
pub(crate) fn walk_fuzzed(_: &[u8]) -> Option<usize> {
    None
}

/// Returns `true`: only a fork server must be able to count its threads.
pub(crate) fn can_count_threads() -> bool {
    true
}

/// What a process inherits: nothing matters, as each is started for one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InheritedState(());

impl InheritedState {
    pub(crate) fn current() -> Self {
        Self(())
    }

    /// Returns `false`: no process outlives a run.
    #[expect(clippy::unused_self, reason = "on Linux it depends on the working directory")]
    pub(crate) fn can_be_kept(self) -> bool {
        false
    }
}

/// Fails: no other kernel has subreapers.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "orphans can be adopted on Linux only"))
}

/// Returns `None`: how long a process has existed is not known.
#[cfg(feature = "cli")]
pub(crate) fn process_age(_: u32) -> Option<Duration> {
    None
}

/// The link to the executed image. There is none.
pub(crate) const EXECUTED: &str = "";

/// Returns `Unknown`: only Linux can find the image.
pub(crate) fn own_image() -> &'static OwnImage {
    &OwnImage::Unknown
}

/// The search for the processes of a lost warden's job. There is no warden: the worker itself sweeps.
#[derive(Debug)]
pub(crate) struct Search(());

impl Search {
    pub(crate) fn new(_: RunMarker, _: Option<ChildPid>, _: Orphans) -> Self {
        Self(())
    }

    /// Returns `true`: the search is complete.
    #[expect(clippy::unused_self, reason = "on Linux there is a search")]
    pub(crate) fn scan(&mut self, _: Deadline) -> bool {
        true
    }

    #[expect(clippy::unused_self, reason = "on Linux there is a search")]
    pub(crate) fn killed(&self) -> usize {
        0
    }
}

/// The parent of the cgroups of runs. There is none.
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

/// Does nothing: only Linux lets a process choose its name.
pub(crate) fn name_job(_: &str, _: &str) {}

/// Returns a file with this content and without a name, at its beginning.
pub(crate) fn anonymous_file(content: &[u8]) -> io::Result<File> {
    let name = format!("scheduler-{:032x}.in", u128::from_le_bytes(random_bytes()));
    let path = std::env::temp_dir().join(name);
    let mut file = File::options().read(true).write(true).create_new(true).open(&path)?;
    // On Windows, too, it stays until it is closed.
    fs::remove_file(&path)?;
    file.write_all(content)?;
    file.rewind()?;
    Ok(file)
}

/// Does nothing: there are no cgroups.
pub(crate) fn clean_up_cgroup(_: &OsString) -> bool {
    true
}

/// An event loop's need for descriptors. The limit isn't raised.
#[derive(Debug, Default)]
pub(crate) struct DescriptorLimit(());

impl DescriptorLimit {
    /// Returns `false`: only Linux can give a process that was started meanwhile the application's own limit.
    #[expect(clippy::unused_self, reason = "on Linux the limit is raised")]
    pub(crate) fn raise_after(&mut self, _: &io::Error) -> bool {
        false
    }

    /// Returns the error that a process could not be started.
    pub(crate) fn explain(error: &io::Error) -> String {
        error.to_string()
    }
}

/// The counters of the processes that the kernel has killed for lack of memory. There are none.
#[derive(Debug)]
pub(crate) struct OomCounter(());

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OomKills(());

impl OomCounter {
    pub(crate) fn new() -> Self {
        Self(())
    }

    #[expect(clippy::unused_self, reason = "on Linux there are counters")]
    pub(crate) fn kills(&self) -> OomKills {
        OomKills(())
    }

    #[expect(clippy::unused_self, reason = "on Linux there are counters")]
    pub(crate) fn has_increased_since(&self, _: &OomKills) -> bool {
        false
    }
}
