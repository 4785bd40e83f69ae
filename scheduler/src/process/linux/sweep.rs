//! The sweep: kills everything below the warden until the kernel says that nothing is left.
//!
//! The warden is a subreaper, so that whatever a job leaves becomes its child sooner or later: a session of its own or
//! a double fork changes nothing. Only direct children are ever killed. Their numbers are the warden's until it reaps
//! them, while a grandchild's may belong to somebody else by the time a signal is sent. The death of a child brings its
//! own children up, and the next round finds them.

use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions};

use super::ChildPid;
use super::search::Stat;
use super::warden_process::{Bell, Reaped, reap, wait_for};
use crate::clock::Deadline;

/// A round that killed nothing new is repeated after this long, should the list have missed a child.
const ROUND: Duration = Duration::from_millis(5);

/// The highest number that Linux gives to a process unless told otherwise, and the highest that it ever gives.
const LAST_PIDS: [i32; 2] = [1 << 15, 1 << 22];

/// Kills and reaps until there is no child any more; returns those that the kernel would not let go in time.
///
/// Fails if children are left, and can't be named.
///
/// `first` is killed even where the children can't be listed. `on_reaped` hears of every process that was reaped.
pub(crate) fn sweep(
    first: Option<ChildPid>,
    bell: &Bell,
    deadline: Deadline,
    mut on_reaped: impl FnMut(Reaped),
) -> io::Result<Vec<ChildPid>> {
    let mut first = first;
    loop {
        bell.hush();
        loop {
            match reap()? {
                Reaped::NoChildren => return Ok(Vec::new()),
                Reaped::Nothing => break,
                process @ Reaped::Process { pid, .. } => {
                    first = first.filter(|first| *first != pid);
                    on_reaped(process);
                }
            }
        }
        let mut children = children(deadline);
        children.extend(first.filter(|first| !children.contains(first)));
        match (deadline.is_past(), children.is_empty()) {
            (false, _) => {}
            (true, false) => return Ok(children),
            (true, true) => return Err(io::Error::other("children are left that can't be listed")),
        }
        for child in children {
            // One that may not be signalled, a program with more rights, is listed until the deadline.
            let _ = child.kill();
        }
        wait_for(bell, deadline.earlier(Deadline::after(ROUND)));
    }
}

/// Returns the children of this process, those included that have ended and are not reaped.
fn children(deadline: Deadline) -> Vec<ChildPid> {
    // A kernel may be built without the lists, and a chroot may have no `/proc`.
    children_by_list().or_else(|_| children_by_parent()).unwrap_or_else(|_| children_by_asking(deadline))
}

fn children_by_list() -> io::Result<Vec<ChildPid>> {
    let mut children: Option<Vec<ChildPid>> = None;
    for task in fs::read_dir("/proc/self/task")? {
        // A thread may have ended meanwhile; its children are another one's by then, and the next round finds them.
        let Ok(list) = fs::read_to_string(task?.path().join("children")) else {
            continue;
        };
        let all = children.get_or_insert_with(Vec::new);
        all.extend(list.split_whitespace().filter_map(child));
    }
    children.ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn children_by_parent() -> io::Result<Vec<ChildPid>> {
    // A folder of that name proves nothing.
    fs::metadata("/proc/self/stat")?;
    let me = std::process::id().cast_signed();
    let mut children = Vec::new();
    for process in fs::read_dir("/proc")? {
        let process = process?;
        let pid = process.file_name().to_str().and_then(child);
        // A process that ended meanwhile has no `stat` any more.
        let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        children.extend(pid.filter(|_| Stat::parse(&stat).is_some_and(|stat| stat.parent == me)));
    }
    Ok(children)
}

/// Asks the kernel of every number whether that is a child, where nothing quicker is left: some milliseconds for the
/// numbers that most machines use, and a second for all.
fn children_by_asking(deadline: Deadline) -> Vec<ChildPid> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let is_child = |pid| rustix::process::waitid(WaitId::Pid(pid), options).is_ok();
    let in_time = |raw: &i32| raw % 4096 != 0 || !deadline.is_past();
    let ask = |numbers: RangeInclusive<i32>| -> Vec<_> {
        let children = numbers.take_while(in_time).filter(|raw| Pid::from_raw(*raw).is_some_and(is_child));
        children.filter_map(ChildPid::new).collect()
    };
    let [usual, ever] = LAST_PIDS;
    let children = ask(2..=usual);
    if children.is_empty() { ask(usual + 1..=ever) } else { children }
}

fn child(text: &str) -> Option<ChildPid> {
    text.parse().ok().and_then(ChildPid::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn every_way_to_list_children_finds_a_child() {
        let mut sleep = Command::new("sleep").arg("1000").spawn().expect("`sleep` is everywhere");
        let by_proc = [children_by_list(), children_by_parent()].map(|list| list.expect("/proc is mounted"));
        let by_asking = children_by_asking(Deadline::after(Duration::MAX));
        sleep.kill().expect("it is ours");
        sleep.wait().expect("it is ours");
        let raw = i32::try_from(sleep.id()).expect("a process id is positive");
        for list in by_proc.into_iter().chain([by_asking]) {
            assert!(list.iter().any(|child| child.get() == raw), "{list:?}");
        }
    }
}
