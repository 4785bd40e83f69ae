//! `Tree`: the processes of a job with their threads, as they are found and stopped.

use std::collections::{HashSet, VecDeque};
use std::io;

use super::proc_files::{self, ThreadStat};
use super::ptrace::TraceState;
use super::traced::TracedThreads;
use crate::clock::Deadline;
use crate::outcome::Incomplete;
use crate::process::linux::children;
use crate::process::unix::ChildPid;
use crate::wire::snapshots_message::{FrameMessage, ProcessMessage, SystemCallMessage, ThreadMessage};

/// The most processes of which there are snapshots.
const PROCESSES: usize = 64;

/// The most of them that have exited: a program that reaps no child may have any number.
const EXITED_PROCESSES: usize = 16;

/// The most threads of which there are snapshots, apart from the first of each process.
const THREADS: usize = 512;

/// The most threads that are stopped: nothing is read of a process as long as one of its threads runs.
const STOPPED_THREADS: usize = 8192;

/// Whether threads are stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CaptureMode {
    /// Threads run on, and only what `/proc` reports is read.
    Observe,
    /// Threads are stopped, so that their stacks can be read.
    Stop,
}

/// The processes of a job.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) mode: CaptureMode,
    /// The kernel has lists of the children of each thread.
    has_lists: bool,
    pub(super) processes: Vec<Process>,
    pub(super) traced: TracedThreads,
    known: HashSet<ChildPid>,
    /// The number of processes that have exited and may yet be described.
    exited_left: usize,
    /// The number of threads that may yet be described.
    threads_left: usize,
    /// The number of threads that may yet be stopped.
    stops_left: usize,
    /// The number of processes beyond the limit.
    pub(super) omitted: u32,
    /// The time was over before all processes were looked at.
    pub(super) is_cut: bool,
}

/// A process of a job.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: ChildPid,
    pub(super) threads: Vec<Thread>,
    /// All threads that were found, also those beyond the limit.
    known: HashSet<ChildPid>,
    /// The number of threads beyond the limit.
    pub(super) omitted: u32,
    /// Why it can't be traced, as the system's error number.
    pub(super) refused: Option<i32>,
    /// The time was over before all of its threads were found.
    is_cut: bool,
    /// Its stacks were read, or can't be.
    pub(super) is_done: bool,
}

/// A thread, as it was before it was stopped.
#[derive(Debug)]
pub(super) struct Thread {
    pub(super) id: ChildPid,
    pub(super) stat: ThreadStat,
    pub(super) wait_channel: String,
    pub(super) system_call: Option<SystemCallMessage>,
}

impl Tree {
    pub(super) fn new(mode: CaptureMode) -> Self {
        let own = own_id();
        Self {
            mode,
            has_lists: proc_files::children(own, own).is_ok(),
            processes: Vec::new(),
            traced: TracedThreads::default(),
            known: HashSet::new(),
            exited_left: EXITED_PROCESSES,
            threads_left: THREADS,
            stops_left: STOPPED_THREADS,
            omitted: 0,
            is_cut: false,
        }
    }

    /// Finds processes and threads, and stops those that are new. `job` comes first. Returns whether there were any.
    pub(super) fn find(&mut self, job: ChildPid, deadline: Deadline) -> bool {
        let before = self.known.len();
        let mut has_found = false;
        self.add_process(job);
        let mut queue: VecDeque<_> = self.children(own_id(), deadline).into();
        let mut index = 0;
        while !deadline.is_past() {
            if let Some(pid) = queue.pop_front() {
                self.add_process(pid);
            } else if let Some(process) = self.processes.get(index).map(|process| process.pid) {
                has_found |= self.find_threads(index, deadline);
                queue.extend(self.children(process, deadline));
                index += 1;
            } else {
                break;
            }
        }
        self.is_cut |= !queue.is_empty() || index < self.processes.len();
        has_found || self.known.len() > before
    }

    /// Returns the children of a process, whichever of its threads has started them.
    fn children(&self, process: ChildPid, deadline: Deadline) -> Vec<ChildPid> {
        if self.has_lists {
            let threads = proc_files::threads(process);
            // A thread that has exited meanwhile has no list: its children are another thread's.
            return threads.iter().filter_map(|thread| proc_files::children(process, *thread).ok()).flatten().collect();
        }
        let mut found = Vec::new();
        // Without `/proc` there is nothing to find.
        let _ = children::by_parent(process.get(), deadline, &mut |child| found.push(child));
        found
    }

    fn add_process(&mut self, pid: ChildPid) {
        if !self.known.insert(pid) {
            return;
        }
        let has_exited = is_zombie(pid);
        if self.processes.len() >= PROCESSES || has_exited && self.exited_left == 0 {
            self.omitted = self.omitted.saturating_add(1);
            return;
        }
        self.exited_left -= usize::from(has_exited);
        let known = HashSet::new();
        let process =
            Process { pid, threads: Vec::new(), known, omitted: 0, refused: None, is_cut: false, is_done: false };
        self.processes.push(process);
    }

    /// Finds the threads of a process, and stops those that are new. Returns whether there were any.
    pub(super) fn find_threads(&mut self, index: usize, deadline: Deadline) -> bool {
        let process = &mut self.processes[index];
        let mut has_found = false;
        for thread in proc_files::threads(process.pid) {
            if deadline.is_past() {
                process.is_cut = true;
                break;
            }
            if !process.known.insert(thread) {
                continue;
            }
            has_found = true;
            // A process without a thread would be missing itself.
            let is_described = self.threads_left > 0 || process.threads.is_empty();
            // What is read here changes when the thread is stopped, so it is stopped right afterwards.
            if is_described {
                let Some(described) = Thread::read(process.pid, thread) else { continue };
                self.threads_left = self.threads_left.saturating_sub(1);
                process.threads.push(described);
            } else {
                process.omitted = process.omitted.saturating_add(1);
            }
            if self.mode == CaptureMode::Stop && process.refused.is_none() && self.stops_left > 0 {
                self.stops_left -= 1;
                if let Err(error) = self.traced.seize(process.pid, thread) {
                    process.note_refusal(thread, &error);
                }
            }
        }
        has_found
    }

    /// Returns whether all threads of a process stand, so that its memory can be read without waiting for one of them.
    pub(super) fn stands(&self, index: usize) -> bool {
        let process = &self.processes[index];
        process.known.iter().all(|thread| match self.traced.state(*thread) {
            TraceState::Standing { .. } | TraceState::Exited => true,
            TraceState::Running => process.has_exited(*thread) || process.is_in_vfork(*thread),
        })
    }

    /// Returns whether all processes are described.
    pub(super) fn is_done(&self) -> bool {
        self.processes.iter().all(|process| process.is_done)
    }
}

impl Process {
    /// Notes that a thread could not be traced, unless it has exited.
    fn note_refusal(&mut self, thread: ChildPid, error: &io::Error) {
        if !self.has_exited(thread) {
            self.refused = error.raw_os_error().or(Some(libc::EPERM));
        }
    }

    /// Returns whether a thread has exited by now.
    pub(super) fn has_exited(&self, thread: ChildPid) -> bool {
        ThreadStat::read(self.pid, thread).is_none_or(|stat| stat.has_exited())
    }

    /// Returns whether a thread waits for a child that it has started by `vfork`. It can't be stopped, and waits without holding
    /// anything.
    fn is_in_vfork(&self, thread: ChildPid) -> bool {
        let Some(thread) = self.threads.iter().find(|described| described.id == thread) else { return false };
        let stat = ThreadStat::read(self.pid, thread.id);
        let is_waiting = stat.is_some_and(|stat| stat.is_in_disk_sleep());
        is_waiting && thread.is_creating_process()
    }

    /// Returns the description of the process; `None` if nothing is known. `stack` returns the frames of a thread, and why some are
    /// missing.
    pub(super) fn describe(
        &self,
        command_line: Vec<String>,
        mut incomplete: Vec<Incomplete>,
        mut stack: impl FnMut(&Thread) -> (Vec<FrameMessage>, Option<Incomplete>),
    ) -> Option<ProcessMessage> {
        let main = &self.threads.first()?.stat;
        if self.omitted > 0 {
            incomplete.push(Incomplete::ThreadLimit { omitted: self.omitted });
        }
        if self.is_cut && !incomplete.contains(&Incomplete::TimeLimit) {
            incomplete.push(Incomplete::TimeLimit);
        }
        let threads = self.threads.iter().map(|thread| {
            let (frames, incomplete) = stack(thread);
            thread.describe(frames, incomplete)
        });
        Some(ProcessMessage {
            pid: self.pid.get().cast_unsigned(),
            parent: main.parent,
            name: main.name.clone(),
            command_line,
            state: main.state,
            threads: threads.collect(),
            incomplete,
        })
    }

    /// Returns what `/proc` alone has about the process; `None` if it has exited and is reaped.
    pub(super) fn describe_without_stacks(&self, reason: Incomplete) -> Option<ProcessMessage> {
        let Some(live) = self.live_thread() else { return self.describe_exited() };
        let command_line = if self.may_block_readers() { Vec::new() } else { proc_files::command_line(live) };
        self.describe(command_line, vec![reason], |_| (Vec::new(), None))
    }

    /// Returns the description of a process that has exited. Nothing is missing of one that had when it was found.
    pub(super) fn describe_exited(&self) -> Option<ProcessMessage> {
        let missing = |thread: &Thread| (!thread.stat.has_exited()).then_some(Incomplete::Exited);
        self.describe(Vec::new(), Vec::new(), |thread| (Vec::new(), missing(thread)))
    }

    /// Returns a thread that has not exited, through which the process can be read: its main thread may have.
    pub(super) fn live_thread(&self) -> Option<ChildPid> {
        let mut described = self.threads.iter().map(|thread| thread.id);
        described.find(|thread| !self.has_exited(*thread))
    }

    /// Returns whether a thread sleeps in a way that no signal interrupts. It may hold what the kernel needs to read the memory of
    /// the process.
    fn may_block_readers(&self) -> bool {
        self.threads.iter().any(|thread| thread.stat.is_in_disk_sleep())
    }
}

impl Thread {
    /// Reads what `/proc` has about a thread; `None` if it has exited and is reaped.
    fn read(process: ChildPid, thread: ChildPid) -> Option<Self> {
        let stat = ThreadStat::read(process, thread)?;
        let (wait_channel, system_call) = match stat.state {
            // It sleeps nowhere.
            b'R' => (String::new(), None),
            _ => (proc_files::wait_channel(process, thread), proc_files::system_call(process, thread)),
        };
        Some(Self { id: thread, stat, wait_channel, system_call })
    }

    fn describe(&self, frames: Vec<FrameMessage>, incomplete: Option<Incomplete>) -> ThreadMessage {
        ThreadMessage {
            id: self.id.get().cast_unsigned(),
            name: self.stat.name.clone(),
            state: self.stat.state,
            wait_channel: self.wait_channel.clone(),
            system_call: self.system_call.clone(),
            cpu_time: self.stat.cpu_time,
            frames,
            incomplete,
            has_crashed: false,
        }
    }

    fn is_creating_process(&self) -> bool {
        let number = self.system_call.as_ref().map(|call| call.number);
        let creates = |call: libc::c_long| number == u64::try_from(call).ok();
        #[cfg(target_arch = "x86_64")]
        if creates(libc::SYS_vfork) {
            return true;
        }
        creates(libc::SYS_clone) || creates(libc::SYS_clone3)
    }
}

/// Returns whether nothing is left of a process but its exit status. Its main thread may exit before others.
fn is_zombie(process: ChildPid) -> bool {
    ThreadStat::read(process, process).is_some_and(|stat| stat.has_exited()) && proc_files::threads(process).len() < 2
}

/// Returns the id of this process.
fn own_id() -> ChildPid {
    ChildPid::new(std::process::id().cast_signed()).expect("a warden is not the first process")
}
