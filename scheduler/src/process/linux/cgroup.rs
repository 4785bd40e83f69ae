//! `Cgroup`: the cgroup of a run, whose processes the kernel kills at one write; `CgroupHome`: the parent of such cgroups.
//!
//! The application finds the home, once for all runs. The warden makes the run's cgroup in it, the job joins that before
//! any user code runs, and the warden kills its processes and removes it. If the warden is lost, the application does. If
//! both are lost, the next scheduler with the same home does: the name of a cgroup identifies the application.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::search::Stat;
use crate::clock::Deadline;
use crate::options::Containment;
use crate::process::RunMarker;
use crate::process::unix::poll;

/// Where a cgroup hierarchy of version 2 is mounted, alone or beside version 1.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// The prefix of the name of a run's cgroup.
const PREFIX: &str = "scheduler-";

/// The number of the first cgroup namespace (`PROC_CGROUP_INIT_INO`).
const FIRST_NAMESPACE: u64 = 0xEFFF_FFFB;

/// The extended attributes of a cgroup that its manager has delegated.
const DELEGATED: [&str; 2] = ["user.delegate", "trusted.delegate"];

/// The cgroup of this process, in which runs get theirs.
#[derive(Clone, Debug)]
pub(crate) struct CgroupHome {
    folder: PathBuf,
    /// The prefix of the names of this process's cgroups.
    prefix: String,
}

impl CgroupHome {
    /// Returns the home, if runs are to have cgroups.
    ///
    /// # Errors
    ///
    /// Fails if cgroups are required and can't be made.
    pub(crate) fn find(containment: Containment) -> io::Result<Option<Self>> {
        let is_required = match containment {
            Containment::None => return Ok(None),
            Containment::Auto => false,
            Containment::Cgroup => true,
        };
        let found = Self::of_this_process(is_required).and_then(|home| home.map(Self::tested).transpose());
        match found {
            Err(_) if !is_required => Ok(None),
            found => found,
        }
    }

    /// Returns the cgroup of this process; if it is not required, only one that was delegated to this process.
    fn of_this_process(is_required: bool) -> io::Result<Option<Self>> {
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
        if !is_required && !is_own() {
            return Ok(None);
        }
        let me = std::process::id();
        let started = started(me).ok_or_else(|| io::Error::other("/proc doesn't say when this process was started"))?;
        let namespace = fs::metadata("/proc/self/ns/pid")?.ino();
        Ok(Some(Self { folder, prefix: format!("{PREFIX}{namespace}-{me}-{started}-") }))
    }

    /// Makes and removes a cgroup, to test whether that is permitted and whether it can be killed. Removes stale cgroups.
    fn tested(self) -> io::Result<Self> {
        static TRIALS: AtomicU32 = AtomicU32::new(0);
        let group = self.folder.join(format!("{}trial{}", self.prefix, TRIALS.fetch_add(1, Ordering::Relaxed)));
        let within = |what: &str, error: io::Error| {
            io::Error::new(error.kind(), format!("{what} `{}`: {error}", group.display()))
        };
        fs::create_dir(&group).map_err(|error| within("a cgroup can't be made at", error))?;
        let kind = fs::read_to_string(group.join("cgroup.type"));
        let has_kill = group.join("cgroup.kill").exists();
        let _ = fs::remove_dir(&group);
        let kind = kind.map_err(|error| within("the type can't be read of the cgroup", error))?;
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
        self.remove_stale();
        Ok(self)
    }

    /// Returns the path of the cgroup of the run with this marker.
    pub(crate) fn group(&self, run_marker: &RunMarker) -> OsString {
        self.folder.join(format!("{}{}", self.prefix, run_marker.0)).into()
    }

    /// Removes the cgroups of applications that were killed together with their wardens.
    fn remove_stale(&self) {
        let Ok(groups) = fs::read_dir(&self.folder) else { return };
        let namespace = self.prefix.split('-').nth(1);
        for group in groups.filter_map(Result::ok) {
            let name = group.file_name();
            let Some(name) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
            let mut parts = name.split('-');
            // A process id is valid in its own pid namespace only, and can be reused after the process has exited.
            let is_in_namespace = parts.next() == namespace;
            let (Some(owner), Some(start)) = (parts.next().and_then(|id| id.parse().ok()), parts.next()) else {
                continue;
            };
            let is_alive = started(owner).is_some_and(|started| started.to_string() == start);
            if is_in_namespace && !is_alive {
                Cgroup(group.path()).kill_and_remove(Deadline::after(Duration::from_millis(100)));
            }
        }
    }
}

/// Returns whether the manager of this cgroup has marked it as delegated.
fn is_delegated(folder: &Path) -> bool {
    DELEGATED.iter().any(|name| {
        let mut value = [0; 8];
        let length = rustix::fs::getxattr(folder, *name, &mut value[..]);
        length.is_ok_and(|length| &value[..length] == b"1")
    })
}

/// Returns whether this process is in a cgroup namespace of its own, as in a container.
fn is_in_namespace() -> bool {
    fs::metadata("/proc/self/ns/cgroup").is_ok_and(|namespace| namespace.ino() != FIRST_NAMESPACE)
}

/// Returns when the process with this id was started, if it exists.
fn started(process: u32) -> Option<u64> {
    Stat::parse(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?).map(|stat| stat.started())
}

/// Removes a cgroup, and those that the job has made below it. Returns whether it is gone. One with a live process stays.
fn remove(folder: &Path) -> bool {
    match fs::remove_dir(folder) {
        Ok(()) => return true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return true,
        Err(_) => {}
    }
    let below = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let below = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    // `count`, so that one that can't be removed doesn't end the loop.
    let removed = below.filter(|entry| remove(&entry.path())).count();
    removed > 0 && fs::remove_dir(folder).is_ok()
}

/// The cgroup of a run.
#[derive(Debug)]
pub(crate) struct Cgroup(PathBuf);

impl Cgroup {
    /// Makes the directory.
    pub(crate) fn create(path: &OsString) -> io::Result<Self> {
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(io::Error::new(error.kind(), format!("its cgroup could not be made: {error}")))
            }
            _ => Ok(Self(path.into())),
        }
    }

    /// Moves this process into it, and so all processes that it starts from now on.
    pub(crate) fn enter(path: &OsString) -> io::Result<()> {
        fs::write(Path::new(path).join("cgroup.procs"), "0")
            .map_err(|error| io::Error::new(error.kind(), format!("its cgroup could not be entered: {error}")))
    }

    /// Limits the memory of its processes together, which the kernel enforces by killing all of them. Returns whether it does.
    pub(crate) fn limit_memory(&self, bytes: u64) -> bool {
        // The file exists only where the controller is passed on to this cgroup.
        if !self.0.join("memory.max").exists() {
            return false;
        }
        // Not every kernel has these.
        let _ = fs::write(self.0.join("memory.swap.max"), "0");
        let _ = fs::write(self.0.join("memory.oom.group"), "1");
        fs::write(self.0.join("memory.max"), bytes.to_string()).is_ok()
    }

    /// Returns whether the kernel has killed a process in it for lack of memory.
    pub(crate) fn has_run_out_of_memory(&self) -> bool {
        let events = fs::read_to_string(self.0.join("memory.events")).unwrap_or_default();
        let kills = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        kills.is_some_and(|kills| kills.trim() != "0")
    }

    /// Kills all processes in it, including those that are forked meanwhile.
    pub(crate) fn kill(&self) {
        // It may be removed already.
        let _ = fs::OpenOptions::new()
            .write(true)
            .open(self.0.join("cgroup.kill"))
            .and_then(|mut kill| kill.write_all(b"1"));
    }

    /// Removes it if it has no process. Returns whether it is gone.
    pub(crate) fn remove(&self) -> bool {
        remove(&self.0)
    }

    /// Kills its processes and removes it, within the deadline. Returns whether it is gone.
    pub(crate) fn kill_and_remove(&self, deadline: Deadline) -> bool {
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

/// Kills the processes that a lost warden's job has left in its cgroup, or removes the cgroup if it is empty. Returns whether it
/// is gone.
pub(crate) fn clean_up_cgroup(path: &OsString) -> bool {
    let group = Cgroup(path.into());
    let is_gone = group.remove();
    if !is_gone {
        group.kill();
    }
    is_gone
}
