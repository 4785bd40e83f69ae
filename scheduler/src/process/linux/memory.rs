//! What the kernel says of want of memory: how many processes of this cgroup it has ended for it.
//!
//! A process that the kernel ends for want of memory dies of SIGKILL, as one that an operator kills. What tells them
//! apart is a count that each cgroup keeps, in `memory.events` of version 2 and in `memory.oom_control` of version 1.
//! Where no count can be read, nothing is told.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::process::PerProcess;
use crate::process::unix::descriptor::above_standard;

/// Reads the counts.
#[derive(Debug)]
pub(crate) struct OomCounter {
    files: Vec<File>,
}

/// How many processes have been ended, by each of the counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OomKills(Vec<Option<u64>>);

impl OomCounter {
    pub(crate) fn new() -> Self {
        // They are looked for once: a single call would spend more on that than on anything else in the parent. The files
        // are opened anew each time, as an application may close what it doesn't know.
        static PLACES: PerProcess<OnceLock<Vec<PathBuf>>> = PerProcess::new(OnceLock::new());
        let places = PLACES.here().get_or_init(|| {
            let cgroups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
            candidates(&cgroups).into_iter().filter(|path| path.exists()).collect()
        });
        Self { files: places.iter().filter_map(|path| above_standard(File::open(path).ok()?).ok()).collect() }
    }

    /// Returns how many there are so far.
    pub(crate) fn kills(&self) -> OomKills {
        OomKills(self.files.iter().map(read).collect())
    }

    /// Says whether there are more by now.
    pub(crate) fn has_seen_more_than(&self, before: &OomKills) -> bool {
        let counts = self.kills().0.into_iter().zip(&before.0);
        counts.into_iter().any(|(now, before)| now.zip(*before).is_some_and(|(now, before)| now > before))
    }
}

/// Returns where the count may be. In a container the path that the kernel tells may be the host's, while what is mounted
/// begins at the container's own cgroup.
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
    fn the_count_stands_in_a_line_of_its_own() {
        assert_eq!(count("low 0\nhigh 0\nmax 31\noom 3\noom_kill 2\noom_group_kill 1\n"), Some(2));
        assert_eq!(count("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"), Some(7));
        assert_eq!(count("oom_kill_disable 0\nunder_oom 0\n"), None);
    }

    #[test]
    fn the_count_is_looked_for_in_both_versions() {
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
