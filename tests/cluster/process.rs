//! Processes of a cluster, as `/proc` shows them.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process(i32);

impl Process {
    pub(crate) fn new(pid: i32) -> Self {
        Self(pid)
    }

    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let entries = fs::read_dir("/proc").expect("/proc is mounted");
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).map(Self)
    }

    /// Returns the process that has a file open.
    pub(crate) fn that_holds(file: &Path) -> Option<Self> {
        Self::all().find(|process| {
            let descriptors = fs::read_dir(process.path("fd")).into_iter().flatten().flatten();
            descriptors.into_iter().any(|entry| fs::read_link(entry.path()).is_ok_and(|link| link == file))
        })
    }

    pub(crate) fn parent(self) -> Option<Self> {
        self.field("PPid:").and_then(|parent| parent.parse().ok()).filter(|parent| *parent > 0).map(Self)
    }

    /// Returns the process, its parent, and so on.
    pub(crate) fn line(self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self), |process| process.parent())
    }

    pub(crate) fn children(self) -> impl Iterator<Item = Self> {
        Self::all().filter(move |process| process.parent() == Some(self))
    }

    /// Returns the name of its program, at most 15 bytes.
    pub(crate) fn name(self) -> String {
        fs::read_to_string(self.path("comm")).unwrap_or_default().trim_end().to_owned()
    }

    /// Returns whether it executes this program.
    pub(crate) fn executes(self, program: &str) -> bool {
        fs::read_link(self.path("exe")).is_ok_and(|link| link == Path::new(program))
    }

    /// Returns whether it exists, and is no zombie.
    pub(crate) fn is_alive(self) -> bool {
        self.field("State:").is_some_and(|state| !state.starts_with('Z'))
    }

    /// Returns the process namespace, which each node has one of.
    pub(crate) fn namespace(self) -> Option<PathBuf> {
        fs::read_link(self.path("ns/pid")).ok()
    }

    pub(crate) fn signal(self, signal: Signal) {
        // One that is dead doesn't mind.
        let _ = kill_process(Pid::from_raw(self.0).expect("it is no zero"), signal);
    }

    fn field(self, name: &str) -> Option<String> {
        let status = fs::read_to_string(self.path("status")).ok()?;
        Some(status.lines().find_map(|line| line.strip_prefix(name))?.trim().to_owned())
    }

    fn path(self, file: &str) -> PathBuf {
        Path::new("/proc").join(self.0.to_string()).join(file)
    }
}
