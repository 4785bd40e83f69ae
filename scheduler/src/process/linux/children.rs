//! The children of this process: those that are alive, and the next one that has exited.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::ops::RangeInclusive;

use rustix::process::{Pid, WaitId, WaitIdOptions};

use super::search::Stat;
use crate::clock::Deadline;
use crate::process::unix::ChildPid;

/// The highest process id by default, and the highest that can be configured.
const LAST_PIDS: [i32; 2] = [1 << 15, 1 << 22];

/// The number of ids below the newest one that are queried first.
const NEWEST: i32 = 32;

/// Calls `found` with each child that is alive, until the deadline has passed.
///
/// A process that keeps forking and exiting has a new id before a long list is read to its end. So the newest ids come
/// first, and `found` is called as soon as a child is found.
pub(super) fn each_alive(deadline: Deadline, mut found: impl FnMut(ChildPid)) {
    let mut found = |child: ChildPid| {
        if query(child) == Some(ChildState::Alive) {
            found(child);
        }
    };
    if let Some(newest) = newest_pid() {
        (newest.saturating_sub(NEWEST)..=newest).rev().filter_map(ChildPid::new).for_each(&mut found);
    }
    // A kernel may be built without the lists, and a chroot may have no `/proc`.
    let listed = by_list(&mut found).or_else(|_| by_parent(std::process::id().cast_signed(), deadline, &mut found));
    listed.unwrap_or_else(|_| by_query(deadline, &mut found));
}

/// The state of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChildState {
    Alive,
    Exited,
}

/// Returns the state of the child with this id. Returns `None` if there is no such child.
fn query(child: ChildPid) -> Option<ChildState> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT | all_children();
    match rustix::process::waitid(WaitId::Pid(Pid::from_raw(child.get())?), options) {
        Ok(None) => Some(ChildState::Alive),
        // A traced child that has stopped is reported as well.
        Ok(Some(status)) if status.trapped() || status.stopped() => Some(ChildState::Alive),
        Ok(Some(_)) => Some(ChildState::Exited),
        Err(_) => None,
    }
}

/// Includes the children that were made by `clone` and send no SIGCHLD.
fn all_children() -> WaitIdOptions {
    WaitIdOptions::from_bits_retain(libc::__WALL.cast_unsigned())
}

/// Returns a child that has exited, or is traced and has stopped, and doesn't reap it: until it is reaped, its id and that
/// of its group can't be reused. Returns `None` if no child has exited.
///
/// # Errors
///
/// Fails with `ECHILD` if there is no child at all.
#[expect(unsafe_code, reason = "rustix's `waitid` doesn't return the id of the child")]
pub(super) fn next_exited() -> io::Result<Option<ChildPid>> {
    loop {
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
        // SAFETY: The call writes at most a `siginfo_t`.
        if unsafe { libc::waitid(libc::P_ALL, 0, info.as_mut_ptr(), options) } == 0 {
            // SAFETY: All-zero is a valid `siginfo_t`, and its id stays zero if no child has exited.
            return Ok(ChildPid::new(unsafe { info.assume_init().si_pid() }));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Returns the process id that the kernel assigned last, where it can be read.
fn newest_pid() -> Option<i32> {
    fs::read_to_string("/proc/loadavg").ok()?.split_ascii_whitespace().nth(4)?.parse().ok()
}

fn by_list(found: &mut impl FnMut(ChildPid)) -> io::Result<()> {
    // A warden nearly always has one thread, and to list them takes twice as long as the rest.
    if has_one_thread()
        && let Ok(list) = fs::read_to_string("/proc/thread-self/children")
    {
        list.split_whitespace().filter_map(ChildPid::parse).for_each(found);
        return Ok(());
    }
    let mut has_list = false;
    for task in fs::read_dir("/proc/self/task")? {
        // The thread may have exited meanwhile. Then its children are another thread's, and the next pass finds them.
        let Ok(list) = fs::read_to_string(task?.path().join("children")) else {
            continue;
        };
        has_list = true;
        list.split_whitespace().filter_map(ChildPid::parse).for_each(&mut *found);
    }
    if has_list { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// Returns whether this thread is the only one: the folder of the threads then has its two links and one folder in it.
fn has_one_thread() -> bool {
    rustix::fs::stat(c"/proc/self/task").is_ok_and(|folder| folder.st_nlink == 3)
}

/// Returns whether this process has no other child than this one, exited ones included. Only this thread may reap any.
///
/// Returns `false` where the kernel has no lists of children.
pub(crate) fn has_only_child(child: ChildPid) -> bool {
    let mut children = Vec::new();
    by_list(&mut |child| children.push(child)).is_ok() && children == [child]
}

/// Calls `found` with each child of a process.
pub(super) fn by_parent(parent: i32, deadline: Deadline, found: &mut impl FnMut(ChildPid)) -> io::Result<()> {
    // `/proc` may be an empty directory.
    fs::metadata("/proc/self/stat")?;
    for process in fs::read_dir("/proc")? {
        if deadline.is_past() {
            break;
        }
        let Some(pid) = process?.file_name().to_str().and_then(ChildPid::parse) else {
            continue;
        };
        // A process that has exited meanwhile has no `stat`.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if Stat::parse(&stat).is_some_and(|stat| stat.parent == parent) {
            found(pid);
        }
    }
    Ok(())
}

/// Queries every process id, which takes some milliseconds for the default range, and a second for all: the last resort.
fn by_query(deadline: Deadline, found: &mut impl FnMut(ChildPid)) {
    let in_time = |raw: &i32| raw % 4096 != 0 || !deadline.is_past();
    let mut has_found = false;
    let mut try_all = |numbers: RangeInclusive<i32>| {
        for child in numbers.take_while(in_time).filter_map(ChildPid::new) {
            if query(child).is_some() {
                has_found = true;
                found(child);
            }
        }
        has_found
    };
    let [usual, ever] = LAST_PIDS;
    let _ = try_all(2..=usual) || try_all(usual + 1..=ever);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn every_way_to_list_children_finds_a_child_until_it_has_exited() {
        let never = Deadline::NEVER;
        let mut sleep = Command::new("sleep").arg("1000").spawn().expect("`sleep` is everywhere");
        let raw = i32::try_from(sleep.id()).expect("a process id is positive");
        let mut lists = [const { Vec::new() }; 3];
        // A kernel may have no lists.
        let has_lists = by_list(&mut |child| lists[0].push(child.get())).is_ok();
        let me = std::process::id().cast_signed();
        by_parent(me, never, &mut |child| lists[1].push(child.get())).expect("/proc is mounted");
        by_query(never, &mut |child| lists[2].push(child.get()));
        for list in &lists[usize::from(!has_lists)..] {
            assert!(list.contains(&raw), "{lists:?}");
        }
        let is_alive = || {
            let mut is_alive = false;
            each_alive(never, |child| is_alive |= child.get() == raw);
            is_alive
        };
        assert!(is_alive());
        sleep.kill().expect("it is ours");
        while next_exited().expect("there is a child").map(ChildPid::get) != Some(raw) {
            std::thread::yield_now();
        }
        assert!(!is_alive());
        sleep.wait().expect("it is ours");
    }
}
