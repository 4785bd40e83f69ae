//! `descendants`: finds the processes that a run has left, in the kernel's list of processes.
//!
//! A process belongs to a run if it is in the group of the job's process, or has the run marker in its environment. A
//! process that has left the group and has another environment looks like any other process. Where the kernel doesn't show
//! environments, so does every process that has left the group. An empty result therefore doesn't prove that none is left.

use crate::process::RunMarker;
use crate::process::unix::ChildPid;

/// A process that has not exited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ListedProcess {
    id: ChildPid,
    group: i32,
    /// Whether the process may be within `execve`, provided that its environment is empty.
    may_be_executing: bool,
}

/// The result of one pass over all processes: those of a run, without the job's own process.
#[derive(Debug, Default)]
pub(super) struct Descendants {
    pub(super) found: Vec<ChildPid>,
    /// Whether a process is within `execve`, and can't be recognized for a moment: its old environment is gone, and the new
    /// one isn't there.
    pub(super) is_uncertain: bool,
}

/// The number of passes in a row that must find nothing, once a pass has found something.
pub(super) const EMPTY_PASSES: u32 = 3;

/// Searches for the processes of a run, whose job's process leads a group.
pub(super) fn descendants(job: ChildPid, run_marker: &RunMarker) -> Descendants {
    let own_id = std::process::id().cast_signed();
    let mut descendants = Descendants::default();
    for process in system::processes().into_iter().filter(|process| process.id != job && process.id.get() != own_id) {
        if process.group == job.get() {
            descendants.found.push(process.id);
        } else if let Some(environment) = system::environment(process.id) {
            match run_marker.is_in(&environment) {
                Some(true) => descendants.found.push(process.id),
                None if environment.is_empty() && process.may_be_executing => descendants.is_uncertain = true,
                _ => {}
            }
        }
    }
    descendants
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs;

    use crate::process::unix::ChildPid;

    use super::ListedProcess;

    pub(super) fn processes() -> Vec<ListedProcess> {
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        let process = |name: &str| {
            let id = ChildPid::parse(name)?;
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            // The name in parentheses may hold anything.
            let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
            let is_alive = !matches!(fields.next()?, "Z" | "X");
            let group = fields.nth(1)?.parse().ok()?;
            let flags: u32 = fields.nth(3)?.parse().ok()?;
            // It is neither a kernel thread (`PF_KTHREAD`) nor exiting (`PF_EXITING`). A program's command line holds at
            // least its name.
            let has_name = || fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|line| !line.is_empty());
            let may_be_executing = flags & (0x0020_0000 | 0x4) == 0 && !has_name();
            is_alive.then_some(ListedProcess { id, group, may_be_executing })
        };
        entries.filter_map(|entry| process(entry.ok()?.file_name().to_str()?)).collect()
    }

    pub(super) fn environment(id: ChildPid) -> Option<Vec<u8>> {
        fs::read(format!("/proc/{id}/environ")).ok()
    }
}

#[cfg(target_vendor = "apple")]
#[expect(unsafe_code, reason = "the kernel's list of processes has no safe API")]
mod system {
    use std::mem::MaybeUninit;
    use std::ptr;

    use crate::process::unix::ChildPid;

    use super::ListedProcess;

    pub(super) fn processes() -> Vec<ListedProcess> {
        let mut ids = vec![0_i32; 4096];
        loop {
            let bytes = i32::try_from(size_of_val(&ids[..])).unwrap_or(i32::MAX);
            // SAFETY: The pointer and the length are those of the list.
            let count = unsafe { libc::proc_listallpids(ids.as_mut_ptr().cast(), bytes) };
            let count = usize::try_from(count).unwrap_or_default();
            if count < ids.len() || ids.len() > 1 << 20 {
                ids.truncate(count);
                return ids.into_iter().filter_map(|id| process(ChildPid::new(id)?)).collect();
            }
            ids.resize(ids.len() * 2, 0);
        }
    }

    fn process(id: ChildPid) -> Option<ListedProcess> {
        let mut info = MaybeUninit::<libc::proc_bsdinfo>::zeroed();
        let size = i32::try_from(size_of::<libc::proc_bsdinfo>()).expect("a structure is small");
        // SAFETY: The pointer and the length are those of a structure of this kind.
        let queried =
            unsafe { libc::proc_pidinfo(id.get(), libc::PROC_PIDTBSDINFO, 0, info.as_mut_ptr().cast(), size) };
        // SAFETY: All-zero is a valid `proc_bsdinfo`.
        let info = unsafe { info.assume_init() };
        let is_alive = queried == size && info.pbi_status != libc::SZOMB;
        is_alive.then(|| ListedProcess { id, group: info.pbi_pgid.cast_signed(), may_be_executing: false })
    }

    /// Returns the arguments, and then the environment. The kernel leaves out what this process may not see.
    pub(super) fn environment(id: ChildPid) -> Option<Vec<u8>> {
        let mut name = [libc::CTL_KERN, libc::KERN_PROCARGS2, id.get()];
        let mut all = vec![0_u8; 1 << 20];
        let mut length = all.len();
        // SAFETY: The pointers and lengths are those of variables of ours.
        let queried = unsafe {
            let (name, place) = (name.as_mut_ptr(), all.as_mut_ptr().cast());
            libc::sysctl(name, 3, place, &raw mut length, ptr::null_mut(), 0)
        };
        all.truncate(length);
        (queried == 0).then_some(all)
    }
}

#[cfg(target_os = "freebsd")]
#[expect(unsafe_code, reason = "the kernel's list of processes has no safe API")]
mod system {
    use std::mem::MaybeUninit;
    use std::ptr;

    use crate::process::unix::ChildPid;

    use super::ListedProcess;

    pub(super) fn processes() -> Vec<ListedProcess> {
        let bytes = query([libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_PROC, 0]).unwrap_or_default();
        let process = |bytes: &[u8]| {
            let mut info = MaybeUninit::<libc::kinfo_proc>::zeroed();
            // SAFETY: The chunk has the structure's size, and the kernel wrote it as such a structure.
            let info = unsafe {
                info.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
                info.assume_init()
            };
            let is_alive = info.ki_stat != libc::SZOMB;
            ChildPid::new(info.ki_pid).filter(|_| is_alive).map(|id| ListedProcess {
                id,
                group: info.ki_pgid,
                may_be_executing: false,
            })
        };
        bytes.chunks_exact(size_of::<libc::kinfo_proc>()).filter_map(process).collect()
    }

    pub(super) fn environment(id: ChildPid) -> Option<Vec<u8>> {
        query([libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_ENV, id.get()])
    }

    fn query(name: [libc::c_int; 4]) -> Option<Vec<u8>> {
        let mut length = 0;
        // SAFETY: The pointers and lengths are those of variables of ours; the first call asks for the length only.
        unsafe {
            if libc::sysctl(name.as_ptr(), 4, ptr::null_mut(), &raw mut length, ptr::null(), 0) != 0 {
                return None;
            }
            // The result of the second call may be longer.
            length += length / 4 + 4096;
            let mut bytes = vec![0_u8; length];
            let queried = libc::sysctl(name.as_ptr(), 4, bytes.as_mut_ptr().cast(), &raw mut length, ptr::null(), 0);
            bytes.truncate(length);
            (queried == 0).then_some(bytes)
        }
    }
}

/// Other processes can't be listed: only the group is killed.
#[cfg(not(any(target_os = "linux", target_vendor = "apple", target_os = "freebsd")))]
mod system {
    use crate::process::unix::ChildPid;

    use super::ListedProcess;

    pub(super) fn processes() -> Vec<ListedProcess> {
        Vec::new()
    }

    pub(super) fn environment(_: ChildPid) -> Option<Vec<u8>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    use super::*;
    use crate::process::RUN_VARIABLE;

    struct SleepProcess(Child);

    impl SleepProcess {
        fn new(command: &mut Command) -> (Self, ChildPid) {
            let sleeper = Self(command.spawn().expect("it exists"));
            let id = ChildPid::new(sleeper.0.id().cast_signed()).expect("a process id");
            (sleeper, id)
        }
    }

    impl Drop for SleepProcess {
        fn drop(&mut self) {
            // It may have exited already.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_process_in_the_group_or_with_the_run_marker_is_found_until_it_has_exited() {
        let run_marker = RunMarker::new([3; 16]);
        let (_leader, job) = SleepProcess::new(Command::new("sleep").arg("1000").process_group(0));
        let (_member, member) = SleepProcess::new(Command::new("sleep").arg("1000").process_group(job.get()));
        let mut marked = Command::new("sleep");
        let (mut marked, marked_id) =
            SleepProcess::new(marked.arg("1000").process_group(0).env(RUN_VARIABLE, run_marker.value()));
        let (_other, other) = SleepProcess::new(Command::new("sleep").arg("1000").process_group(0));
        // The environment appears a moment after `execve`.
        while !descendants(job, &run_marker).found.contains(&marked_id) {
            std::thread::yield_now();
        }
        let found = descendants(job, &run_marker).found;
        assert!(found.contains(&member) && !found.contains(&other) && !found.contains(&job), "{found:?}");
        marked.0.kill().expect("it is ours");
        // A zombie has exited, too.
        while descendants(job, &run_marker).found.contains(&marked_id) {
            std::thread::yield_now();
        }
    }
}
