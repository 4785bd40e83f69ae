//! `TracedThreads`: the threads that this process traces, until they go on or are killed.

use std::collections::{BTreeMap, HashSet};
use std::io;

use rustix::process::Signal;

use super::ptrace::{self, TraceState};
use crate::process::unix::ChildPid;

/// The threads of a job that are traced.
///
/// Dropping it lets them go on, so that nothing stays stopped if a capture is given up.
#[derive(Debug, Default)]
pub(super) struct TracedThreads {
    threads: BTreeMap<ThreadKey, TracedThread>,
}

/// The id of a thread, which orders the map; a process id is that of its main thread.
type ThreadKey = i32;

#[derive(Debug)]
struct TracedThread {
    thread: ChildPid,
    process: ChildPid,
    state: TraceState,
}

impl TracedThreads {
    /// Begins to trace a thread of this process, and to stop it.
    pub(super) fn seize(&mut self, process: ChildPid, thread: ChildPid) -> io::Result<()> {
        ptrace::seize(thread)?;
        // From here on it must be let go.
        self.threads.insert(thread.get(), TracedThread { thread, process, state: TraceState::Running });
        ptrace::interrupt(thread)
    }

    /// Looks for threads that have stopped since the last time.
    pub(super) fn update(&mut self) {
        for traced in self.threads.values_mut().filter(|traced| traced.state == TraceState::Running) {
            traced.state = ptrace::wait(traced.thread);
        }
    }

    /// Returns what a thread does. One that is not traced is taken for one that runs.
    pub(super) fn state(&self, thread: ChildPid) -> TraceState {
        self.threads.get(&thread.get()).map_or(TraceState::Running, |traced| traced.state)
    }

    /// Lets all threads go on. Returns those that have not stopped yet: `wait4` will report their stops, and
    /// [`reap_child`](crate::process::unix::reap_child) detaches them then.
    pub(super) fn detach(mut self) -> SeizedProcesses {
        self.detach_all()
    }

    fn detach_all(&mut self) -> SeizedProcesses {
        let mut left = SeizedProcesses::default();
        for (_, TracedThread { thread, process, state }) in std::mem::take(&mut self.threads) {
            let is_detached = match state {
                TraceState::Standing { signal } => ptrace::detach(thread, signal).is_ok(),
                // It may have stopped a moment ago. Then the report of the stop is consumed, or stays unread: it is
                // detached either way.
                TraceState::Running => match ptrace::wait(thread) {
                    TraceState::Standing { signal } => ptrace::detach(thread, signal).is_ok(),
                    _ => false,
                },
                TraceState::Exited => false,
            };
            if !is_detached {
                left.add(thread, process);
            }
        }
        left
    }

    /// Kills the processes of all traced threads, which stay stopped until then.
    pub(super) fn kill(mut self) -> SeizedProcesses {
        let mut left = SeizedProcesses::default();
        let mut processes = HashSet::new();
        for TracedThread { thread, process, state } in self.threads.values() {
            left.add(*thread, *process);
            // A traced thread keeps the id of its process from being reused, until this process reaps it.
            if *state != TraceState::Exited && processes.insert(*process) {
                let _ = process.send(Signal::KILL);
            }
        }
        // The kernel lets them go when they exit.
        self.threads.clear();
        left
    }
}

impl Drop for TracedThreads {
    fn drop(&mut self) {
        drop(self.detach_all());
    }
}

/// The processes and threads that this process still traces, and whose exits it is therefore reported as their parents are.
///
/// A thread that exits is reported like a process. A process that isn't this one's child is reported twice: now, and once more
/// when its parent has exited.
#[derive(Debug, Default)]
pub(crate) struct SeizedProcesses {
    threads: HashSet<ChildPid>,
    processes: HashSet<ChildPid>,
    reported: HashSet<ChildPid>,
}

impl SeizedProcesses {
    fn add(&mut self, thread: ChildPid, process: ChildPid) {
        self.processes.insert(process);
        if thread != process {
            self.threads.insert(thread);
        }
    }

    /// Adds those of a later capture.
    pub(crate) fn extend(&mut self, others: Self) {
        self.threads.extend(others.threads);
        self.processes.extend(others.processes);
    }

    /// Returns whether a reported exit is that of a process, for the first time.
    pub(crate) fn is_first_exit(&mut self, pid: ChildPid) -> bool {
        let is_thread = self.threads.contains(&pid);
        !is_thread && (!self.processes.contains(&pid) || self.reported.insert(pid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(raw: i32) -> ChildPid {
        ChildPid::new(raw).expect("it is the id of a process")
    }

    #[test]
    fn a_process_counts_once_and_its_threads_do_not() {
        let mut seized = SeizedProcesses::default();
        seized.add(pid(10), pid(10));
        seized.add(pid(11), pid(10));
        assert!(!seized.is_first_exit(pid(11)));
        assert!(seized.is_first_exit(pid(10)));
        assert!(!seized.is_first_exit(pid(10)));
        // Others are reported by the kernel once.
        assert!(seized.is_first_exit(pid(12)) && seized.is_first_exit(pid(12)));
    }
}
