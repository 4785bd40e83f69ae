//! `Cgroup`: the group of a run's processes, which the kernel kills at one write; `CgroupHome`: where such groups are made.
//!
//! The parent looks for the place, once for all runs. The warden makes the run's own group there, the job enters it before any
//! user code runs, and the warden kills what is in it and removes it. If the warden is lost, the parent does. If both are, the
//! next scheduler in that place does: the name of a group says whose it is.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::RunMarker;
use super::poll;
use super::search::Stat;
use crate::clock::Deadline;
use crate::options::Containment;

/// Where a cgroup hierarchy of version 2 is mounted, alone or beside version 1.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// What the name of a run's group begins with.
const PREFIX: &str = "scheduler-";

/// The number of the first cgroup namespace (`PROC_CGROUP_INIT_INO`).
const FIRST_NAMESPACE: u64 = 0xEFFF_FFFB;

/// What marks a cgroup that its manager leaves to those in it.
const DELEGATED: [&str; 2] = ["user.delegate", "trusted.delegate"];

/// The cgroup of this process, below which runs get theirs.
#[derive(Clone, Debug)]
pub(crate) struct CgroupHome {
    folder: PathBuf,
    /// What the names of this process's groups begin with.
    prefix: String,
}

impl CgroupHome {
    /// Returns the place for the groups of runs, if they are to have any.
    ///
    /// # Errors
    ///
    /// Fails with the reason where a group is asked for, and can't be had.
    pub(crate) fn find(containment: Containment) -> io::Result<Option<Self>> {
        let is_required = match containment {
            Containment::None => return Ok(None),
            Containment::Auto => false,
            Containment::Cgroup => true,
        };
        let found = Self::of_this_process(is_required).and_then(|home| home.map(Self::tried).transpose());
        match found {
            Err(_) if !is_required => Ok(None),
            found => found,
        }
    }

    fn of_this_process(whoever_manages_it: bool) -> io::Result<Option<Self>> {
        let cgroups = fs::read_to_string("/proc/self/cgroup")?;
        let path = cgroups.lines().find_map(|line| line.strip_prefix("0::"));
        let path = path.ok_or_else(|| io::Error::other("this process is in no cgroup of version 2"))?;
        let folder = MOUNTS
            .into_iter()
            .map(|mount| Path::new(mount).join(path.trim_start_matches('/')))
            // Version 1 has no such file.
            .find(|folder| folder.join("cgroup.subtree_control").exists())
            .ok_or_else(|| io::Error::other(format!("the cgroup `{path}` is not mounted below /sys/fs/cgroup")))?;
        let is_own = || is_delegated(&folder) || (path == "/" && is_in_namespace());
        if !whoever_manages_it && !is_own() {
            return Ok(None);
        }
        let me = std::process::id();
        let started = started(me).ok_or_else(|| io::Error::other("/proc doesn't say when this process was started"))?;
        let namespace = fs::metadata("/proc/self/ns/pid")?.ino();
        Ok(Some(Self { folder, prefix: format!("{PREFIX}{namespace}-{me}-{started}-") }))
    }

    /// Makes a group and removes it, to see whether that is allowed and what it can do; and removes those that were left.
    fn tried(self) -> io::Result<Self> {
        static TRIALS: AtomicU32 = AtomicU32::new(0);
        let group = self.folder.join(format!("{}trial{}", self.prefix, TRIALS.fetch_add(1, Ordering::Relaxed)));
        let within = |what: &str, error: io::Error| {
            io::Error::new(error.kind(), format!("{what} `{}`: {error}", group.display()))
        };
        fs::create_dir(&group).map_err(|error| within("a cgroup can't be made at", error))?;
        let kind = fs::read_to_string(group.join("cgroup.type"));
        let has_kill = group.join("cgroup.kill").exists();
        let _ = fs::remove_dir(&group);
        let kind = kind.map_err(|error| within("nothing can be read of the cgroup", error))?;
        if kind.trim() != "domain" {
            let problem = format!("a cgroup here is `{}`, which takes threads only, or no process", kind.trim());
            return Err(io::Error::other(problem));
        }
        if !has_kill {
            return Err(io::Error::other("the kernel has no `cgroup.kill`, which came with Linux 5.14"));
        }
        let subtree = fs::read_to_string(self.folder.join("cgroup.subtree_control")).unwrap_or_default();
        let is_root = !self.folder.join("cgroup.type").exists();
        if !subtree.trim().is_empty() && !is_root {
            // The application itself is in a cgroup that may have no processes: only a root may.
            let problem = format!("the application's own cgroup passes on controllers (`{}`)", subtree.trim());
            return Err(io::Error::other(problem));
        }
        self.remove_what_was_left();
        Ok(self)
    }

    /// Returns the path of the group of a run with this cookie.
    pub(crate) fn group(&self, run_marker: &RunMarker) -> OsString {
        self.folder.join(format!("{}{}", self.prefix, run_marker.0)).into()
    }

    /// Removes the groups of applications that were killed together with their wardens.
    fn remove_what_was_left(&self) {
        let Ok(groups) = fs::read_dir(&self.folder) else { return };
        let namespace = self.prefix.split('-').nth(1);
        for group in groups.filter_map(Result::ok) {
            let name = group.file_name();
            let Some(name) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
            let mut parts = name.split('-');
            // A number means a process in its own namespace only, and another one once that has ended.
            let is_of_here = parts.next() == namespace;
            let (Some(owner), Some(start)) = (parts.next().and_then(|id| id.parse().ok()), parts.next()) else {
                continue;
            };
            let lives = started(owner).is_some_and(|started| started.to_string() == start);
            if is_of_here && !lives {
                Cgroup(group.path()).end(Deadline::after(Duration::from_millis(100)));
            }
        }
    }
}

/// Says whether the manager of this cgroup has marked it as left to those in it.
fn is_delegated(folder: &Path) -> bool {
    DELEGATED.iter().any(|name| {
        let mut value = [0; 8];
        let length = rustix::fs::getxattr(folder, *name, &mut value[..]);
        length.is_ok_and(|length| &value[..length] == b"1")
    })
}

/// Says whether this process has a view of cgroups of its own, as in a container.
fn is_in_namespace() -> bool {
    fs::metadata("/proc/self/ns/cgroup").is_ok_and(|namespace| namespace.ino() != FIRST_NAMESPACE)
}

/// Returns when a process was started, if there is one of that number.
fn started(process: u32) -> Option<u64> {
    Stat::parse(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?).map(|stat| stat.started())
}

/// Removes a group with those that the job has made below it; true once it is gone. One in which a process lives stays.
fn remove(folder: &Path) -> bool {
    match fs::remove_dir(folder) {
        Ok(()) => return true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return true,
        Err(_) => {}
    }
    let below = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let below = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    // All of them, and not only the first that can't be removed.
    let removed = below.filter(|entry| remove(&entry.path())).count();
    removed > 0 && fs::remove_dir(folder).is_ok()
}

/// The group of a run.
#[derive(Debug)]
pub(crate) struct Cgroup(PathBuf);

impl Cgroup {
    /// Makes it.
    pub(crate) fn make(path: &OsString) -> io::Result<Self> {
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(io::Error::new(error.kind(), format!("its cgroup could not be made: {error}")))
            }
            _ => Ok(Self(path.into())),
        }
    }

    /// Puts this process into it, and all that this process starts from now on.
    pub(crate) fn enter(path: &OsString) -> io::Result<()> {
        fs::write(Path::new(path).join("cgroup.procs"), "0")
            .map_err(|error| io::Error::new(error.kind(), format!("its cgroup could not be entered: {error}")))
    }

    /// Kills all that is in it, whatever forks meanwhile.
    pub(crate) fn kill(&self) {
        // It may be gone by now.
        let _ = fs::OpenOptions::new()
            .write(true)
            .open(self.0.join("cgroup.kill"))
            .and_then(|mut kill| kill.write_all(b"1"));
    }

    /// Removes it, if nothing is left in it; true once it is gone.
    pub(crate) fn remove(&self) -> bool {
        remove(&self.0)
    }

    /// Kills what is in it and removes it, as long as there is time; true once it is gone.
    pub(crate) fn end(&self, deadline: Deadline) -> bool {
        loop {
            if self.remove() {
                return true;
            }
            if deadline.is_past() {
                return false;
            }
            self.kill();
            poll::pause();
        }
    }
}

/// Kills what the job of a lost warden has left in its group, and removes that, if it is empty by then.
pub(crate) fn end_cgroup(path: &OsString) {
    let group = Cgroup(path.into());
    if !group.remove() {
        group.kill();
    }
}
