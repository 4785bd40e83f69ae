//! The sweep: kills everything below the warden until the kernel says that nothing is left.
//!
//! The warden is a subreaper, so that whatever a job leaves becomes its child sooner or later: a session of its own or
//! a double fork changes nothing. Only direct children are ever killed. Their numbers are the warden's until it reaps
//! them, while a grandchild's may belong to somebody else by the time a signal is sent. The death of a child brings its
//! own children up, and the next round finds them.

use std::fs;
use std::io;
use std::time::Duration;

use super::pid::ChildPid;
use super::warden_process::{Bell, Reaped, reap, wait_for};
use crate::clock::Deadline;

/// A round that killed nothing new is repeated after this long, should the list have missed a child.
const ROUND: Duration = Duration::from_millis(5);

/// Kills and reaps until there is no child any more; returns those that the kernel would not let go in time.
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
        let mut children = children().unwrap_or_default();
        children.extend(first.filter(|first| !children.contains(first)));
        if deadline.is_past() {
            return Ok(children);
        }
        for child in children {
            // One that may not be signalled, a program with more rights, is listed until the deadline.
            let _ = child.kill();
        }
        wait_for(bell, None, deadline.earlier(Deadline::after(ROUND)))?;
    }
}

/// Returns the children of this process, those included that have ended and are not reaped.
fn children() -> io::Result<Vec<ChildPid>> {
    let mut children = Vec::new();
    for task in fs::read_dir("/proc/self/task")? {
        let Ok(list) = fs::read_to_string(task?.path().join("children")) else {
            // A kernel without checkpoint support has no such file.
            return children_by_parent();
        };
        children.extend(list.split_whitespace().filter_map(child));
    }
    Ok(children)
}

fn children_by_parent() -> io::Result<Vec<ChildPid>> {
    let me = std::process::id();
    let mut children = Vec::new();
    for process in fs::read_dir("/proc")? {
        let process = process?;
        let pid = process.file_name().to_str().and_then(child);
        // A process that ended meanwhile has no `stat` any more.
        let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        children.extend(pid.filter(|_| parent_in(&stat) == Some(me)));
    }
    Ok(children)
}

/// Returns the parent's id of a line of `/proc/PID/stat`; the name before it may hold anything.
fn parent_in(stat: &str) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}

fn child(text: &str) -> Option<ChildPid> {
    text.parse().ok().and_then(ChildPid::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn both_ways_to_list_children_find_a_child() {
        let mut sleep = Command::new("sleep").arg("1000").spawn().expect("`sleep` is everywhere");
        let listed = [children(), children_by_parent()].map(|list| list.expect("/proc is mounted"));
        sleep.kill().expect("it is ours");
        sleep.wait().expect("it is ours");
        let raw = i32::try_from(sleep.id()).expect("a process id is positive");
        for list in listed {
            assert!(list.iter().any(|child| child.get() == raw), "{list:?}");
        }
    }

    #[test]
    fn a_process_name_can_not_forge_its_parent() {
        assert_eq!(parent_in("17 (a) S 1 (b) S 42 17 17 0"), Some(42));
        assert_eq!(parent_in(""), None);
    }
}
