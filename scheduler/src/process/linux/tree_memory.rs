//! `TreeMemory`: the memory of a warden's descendants, looked at ten times a second.
//!
//! A cgroup counts it exactly, but few applications may make one that limits memory. Without one, the pages that only one
//! process has are added up, which costs a few reads for each process. Processes that were forked share pages, so only if
//! that sum exceeds the limit, each page is counted once (`Pss` in `smaps_rollup`), which is slower.

use std::fs;
use std::time::Duration;

use super::search::Stat;
use crate::clock::Deadline;

/// The time between two looks.
const INTERVAL: Duration = Duration::from_millis(100);

/// The most processes that are looked at: a storm of them must not keep the warden from its other work.
const MOST_PROCESSES: usize = 10_000;

/// A limit on the memory of the descendants of this process.
#[derive(Debug)]
pub(crate) struct TreeMemory {
    /// In bytes.
    limit: u64,
    next: Deadline,
}

impl TreeMemory {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, next: Deadline::after(INTERVAL) }
    }

    /// Returns the time until the next look.
    pub(crate) fn due(&self) -> Duration {
        self.next.remaining().unwrap_or(INTERVAL)
    }

    /// Looks at the processes if that is due, and returns whether they exceed the limit.
    pub(crate) fn is_exceeded(&mut self) -> bool {
        if !self.next.is_past() {
            return false;
        }
        let processes = descendants(std::process::id());
        let sum = |memory: fn(u32) -> u64| processes.iter().map(|id| memory(*id)).fold(0, u64::saturating_add);
        let is_exceeded = sum(unshared) > self.limit && sum(proportional) > self.limit;
        // From now on: a look that takes long must not be followed by the next one at once.
        self.next = Deadline::after(INTERVAL);
        is_exceeded
    }
}

/// Returns the descendants of a process.
fn descendants(root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    let mut parents = None;
    while let Some(id) = found.get(next).copied() {
        next += 1;
        if found.len() > MOST_PROCESSES {
            break;
        }
        if let Some(children) = listed_children(id) {
            found.extend(children);
        } else {
            // A kernel may be built without the lists.
            let parents: &Vec<(u32, u32)> = parents.get_or_insert_with(all_parents);
            found.extend(parents.iter().filter(|(_, parent)| *parent == id).map(|(child, _)| *child));
        }
    }
    found.split_off(1)
}

/// Returns the children of a process from the kernel's lists; `None` if there are no such lists.
fn listed_children(id: u32) -> Option<Vec<u32>> {
    let mut children = Vec::new();
    // A process that has exited meanwhile has none.
    for task in fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten() {
        match fs::read_to_string(task.path().join("children")) {
            Ok(list) => children.extend(list.split_ascii_whitespace().filter_map(|id| id.parse::<u32>().ok())),
            Err(_) if task.path().join("stat").exists() => return None,
            Err(_) => {}
        }
    }
    Some(children)
}

/// Returns every process with its parent.
fn all_parents() -> Vec<(u32, u32)> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let with_parent = ids.filter_map(|id| {
        let stat = Stat::parse(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)?;
        Some((id, stat.parent.cast_unsigned()))
    });
    with_parent.collect()
}

/// Returns the memory of a process without what it shares as files or as shared memory, in bytes.
fn unshared(id: u32) -> u64 {
    let statm = fs::read_to_string(format!("/proc/{id}/statm")).unwrap_or_default();
    let mut pages = statm.split_ascii_whitespace().skip(1).filter_map(|pages| pages.parse::<u64>().ok());
    let (resident, shared) = (pages.next().unwrap_or_default(), pages.next().unwrap_or_default());
    resident.saturating_sub(shared).saturating_mul(rustix::param::page_size() as u64)
}

/// Returns the memory of a process, in bytes, of which pages that several processes share count in part: without files that
/// could be read again.
fn proportional(id: u32) -> u64 {
    // A process that changed its user can't be read.
    let Ok(rollup) = fs::read_to_string(format!("/proc/{id}/smaps_rollup")) else {
        return unshared(id);
    };
    let of = |name: &str| -> Option<u64> {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().next()?.parse().ok()
    };
    let anonymous = of("Pss_Anon:").zip(of("Pss_Shmem:")).map(|(anonymous, shared)| anonymous + shared);
    anonymous.or_else(|| of("Pss:")).map_or_else(|| unshared(id), |kibibytes| kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_memory_of_every_descendant_counts() {
        // The shell has a child, which has no memory to speak of.
        let mut shell = Command::new("sh").args(["-c", "sleep 1000; :"]).spawn().expect("`sh` is everywhere");
        let child = || descendants(shell.id());
        while child().is_empty() {
            std::thread::yield_now();
        }
        let all = descendants(std::process::id());
        assert!(all.contains(&shell.id()) && child().iter().all(|child| all.contains(child)), "{all:?}");
        let parents = all_parents();
        assert!(child().iter().all(|child| parents.contains(&(*child, shell.id()))));
        assert!(unshared(shell.id()) > 0 && proportional(shell.id()) > 0);
        for sleep in child() {
            let _ = Command::new("kill").arg(sleep.to_string()).status();
        }
        let _ = shell.wait();
        assert_eq!((unshared(shell.id()), proportional(u32::MAX)), (0, 0));
    }
}
