//! `OomCounter`: the number of processes in this cgroup that the kernel has killed for lack of memory.
//!
//! Such a process exits by SIGKILL, like one that an operator kills. A counter of each cgroup distinguishes them: in
//! `memory.events` of version 2, and in `memory.oom_control` of version 1. Where there is none, such an exit is not
//! recognized.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::process::PerProcess;
use crate::process::unix::descriptor::above_standard;

/// Reads the counters of this process's cgroups.
#[derive(Debug)]
pub(crate) struct OomCounter {
    files: Vec<File>,
}

/// The value of each counter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OomKills(Vec<Option<u64>>);

impl OomCounter {
    pub(crate) fn new() -> Self {
        // Their paths are cached: finding them would take a single call longer than anything else in the parent. The files
        // are not, as an application may close descriptors that it doesn't know.
        static PATHS: PerProcess<OnceLock<Vec<PathBuf>>> = PerProcess::new(OnceLock::new());
        let paths = PATHS.here().get_or_init(|| {
            let cgroups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
            candidates(&cgroups).into_iter().filter(|path| path.exists()).collect()
        });
        Self { files: paths.iter().filter_map(|path| above_standard(File::open(path).ok()?).ok()).collect() }
    }

    /// Returns the current values.
    pub(crate) fn kills(&self) -> OomKills {
        OomKills(self.files.iter().map(read).collect())
    }

    /// Returns whether a counter is higher now than `before`.
    pub(crate) fn has_increased_since(&self, before: &OomKills) -> bool {
        let counts = self.kills().0.into_iter().zip(&before.0);
        counts.into_iter().any(|(now, before)| now.zip(*before).is_some_and(|(now, before)| now > before))
    }
}

/// Returns the paths that a counter may have. In a container the path in `/proc/self/cgroup` may be the host's, while the
/// mounted hierarchy begins at the container's own cgroup.
fn candidates(cgroups: &str) -> Vec<PathBuf> {
    let lines = cgroups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let mut files = Vec::new();
    for (controllers, path) in lines {
        let (mounts, file): (&[&str], _) = match controllers {
            "" => (&["/sys/fs/cgroup", "/sys/fs/cgroup/unified"], "memory.events"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (&["/sys/fs/cgroup/memory"], "memory.oom_control")
            }
            _ => continue,
        };
        let path = path.trim_start_matches('/');
        files.extend(mounts.iter().flat_map(|mount| {
            let mount = PathBuf::from(mount);
            [mount.join(path).join(file), mount.join(file)]
        }));
    }
    files.sort();
    files.dedup();
    files
}

fn read(file: &File) -> Option<u64> {
    let mut bytes = [0; 512];
    let length = file.read_at(&mut bytes, 0).ok()?;
    count(&String::from_utf8_lossy(&bytes[..length]))
}

fn count(text: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix("oom_kill "))?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_read_from_its_line() {
        assert_eq!(count("low 0\nhigh 0\nmax 31\noom 3\noom_kill 2\noom_group_kill 1\n"), Some(2));
        assert_eq!(count("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"), Some(7));
        assert_eq!(count("oom_kill_disable 0\nunder_oom 0\n"), None);
    }

    #[test]
    fn candidates_cover_both_cgroup_versions() {
        let files = candidates("5:cpu,memory:/a/b\n4:memoryless:/x\n0::/\n");
        let expected = [
            "/sys/fs/cgroup/memory/a/b/memory.oom_control",
            "/sys/fs/cgroup/memory/memory.oom_control",
            "/sys/fs/cgroup/memory.events",
            "/sys/fs/cgroup/unified/memory.events",
        ];
        assert_eq!(files, expected.map(PathBuf::from));
    }
}
