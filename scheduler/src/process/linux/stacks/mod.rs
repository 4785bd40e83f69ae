//! `Capture`: where the processes of a job are: their threads, the system calls in which these wait, and their stacks.
//!
//! The warden is an ancestor of all processes of a job, so that it may trace them wherever the kernel allows tracing at all
//! (`ptrace_scope` up to 1). It stops all threads, whatever they do about signals, reads their registers and their stacks,
//! and lets them go on or kills them.
//!
//! What must hold:
//!
//! - Nothing stays stopped. If this process dies, the kernel kills whatever it traces (`PTRACE_O_EXITKILL`). A thread that
//!   stops too late is detached as soon as it does (`unix/reap.rs`).
//! - A job that is to be killed never runs on in between: its threads stay stopped until they are killed.
//! - Nothing is waited for that the job decides on. The memory of a process, and all files of `/proc` for which the kernel
//!   looks into that memory (`maps`, `cmdline`), are read only while all its threads stand: one that runs may hold the lock.
//!   Everything has limits, and one deadline.
//!
//! A file imports from rows above its own:
//!
//! ```text
//! proc_files   the files of a process in /proc    ptrace   requests    fit   a message cut to its limit
//! traced       the threads that are traced        unwind/  from registers to frames (feature `stacks`)
//! tree         processes and threads, as they are found and stopped
//! registers    of a thread that stands (feature `stacks`)
//! read_stacks  the stacks of a process            no_stacks  without the feature
//! mod          the capture
//! ```

mod fit;
#[cfg(not(all(feature = "stacks", any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod no_stacks;
mod proc_files;
mod ptrace;
#[cfg(all(feature = "stacks", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod read_stacks;
#[cfg(all(feature = "stacks", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod registers;
mod traced;
mod tree;
#[cfg(all(feature = "stacks", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod unwind;

use std::time::Duration;

use fit::encode_within_limit;
#[cfg(not(all(feature = "stacks", any(target_arch = "x86_64", target_arch = "aarch64"))))]
use no_stacks as stacks;
#[cfg(all(feature = "stacks", any(target_arch = "x86_64", target_arch = "aarch64")))]
use read_stacks as stacks;
pub(crate) use traced::SeizedProcesses;
use traced::TracedThreads;
use tree::{CaptureMode, Tree};

use super::sigchld::SigchldEvent;
use crate::clock::Deadline;
use crate::outcome::{AddressKind, Incomplete};
use crate::process::fallback_deadlines::CAPTURE_FACTOR;
use crate::process::unix::ChildPid;
use crate::wire::snapshots_message::{ProcessMessage, SnapshotsMessage, ThreadMessage};

/// The time limit of a capture.
const LIMIT: Duration = Duration::from_millis(100 * CAPTURE_FACTOR);

/// The part of that in which threads may stop. One that computes stops when the kernel next gives it the processor.
const STOP_LIMIT: Duration = Duration::from_millis(85 * CAPTURE_FACTOR);

/// The interval at which the threads are looked at, should a SIGCHLD be missed: the kernel merges them.
const INTERVAL: Duration = Duration::from_millis(1);

/// Walks the stack of a process that is given as bytes, for the fuzz target. Returns the number of frames.
#[cfg(any(test, fuzzing))]
pub(crate) fn walk_fuzzed(input: &[u8]) -> Option<usize> {
    stacks::walk_fuzzed(input)
}

/// The number of times that new processes are stopped. A process that can't be traced may start others without end.
const ROUNDS: u32 = 3;

/// A capture, whose threads stand until they go on or are killed.
#[derive(Debug)]
pub(crate) struct Capture {
    message: Vec<u8>,
    traced: TracedThreads,
}

impl Capture {
    /// Captures the processes of this process's job, which are all its descendants. `job` comes first. `crashed` is the thread that has
    /// reported a crash.
    pub(crate) fn take(job: ChildPid, sigchld: &SigchldEvent, crashed: Option<u32>) -> Self {
        let deadline = Deadline::after(LIMIT);
        let stop_deadline = Deadline::after(STOP_LIMIT);
        let mut tree = Tree::new(stacks::MODE);
        let mut modules = stacks::Modules::default();
        let mut messages = Vec::new();
        tree.find(job, deadline);
        let mut rounds = ROUNDS;
        loop {
            sigchld.reset();
            tree.traced.update();
            for index in 0..tree.processes.len() {
                messages.resize_with(tree.processes.len(), || None);
                if !tree.processes[index].is_done && is_ready(&mut tree, index, deadline) {
                    tree.processes[index].is_done = true;
                    let process = &tree.processes[index];
                    messages[index] = stacks::describe(process, &tree.traced, &mut modules, deadline);
                }
            }
            if stop_deadline.is_past() {
                break;
            }
            if tree.is_done() {
                // A thread may have started a process before it stopped.
                if rounds == 0 || !tree.find(job, deadline) {
                    break;
                }
                rounds -= 1;
                continue;
            }
            sigchld.wait(stop_deadline.earlier(Deadline::after(INTERVAL)));
        }
        // Children may have exited as well, and nothing is reaped here.
        sigchld.set();
        let left = tree.processes.iter().enumerate().filter(|(_, process)| !process.is_done);
        messages.resize_with(tree.processes.len(), || None);
        for (index, process) in left {
            messages[index] = process.describe_without_stacks(Incomplete::TimeLimit);
        }
        let mut processes: Vec<ProcessMessage> = messages.into_iter().flatten().collect();
        if let (Some(first), 1..) = (processes.first_mut(), tree.omitted) {
            first.incomplete.push(Incomplete::ProcessLimit { omitted: tree.omitted });
        }
        if let (Some(first), true) = (processes.first_mut(), tree.is_cut)
            && !first.incomplete.contains(&Incomplete::TimeLimit)
        {
            first.incomplete.push(Incomplete::TimeLimit);
        }
        let mut threads = processes.iter_mut().flat_map(|process| &mut process.threads);
        threads.find(|thread| Some(thread.id) == crashed).into_iter().for_each(mark_crashed);
        let message = SnapshotsMessage { modules: modules.into_messages(), processes };
        Self { message: encode_within_limit(message), traced: tree.traced }
    }

    /// Lets all threads go on. Returns the message, and what is still traced.
    pub(crate) fn resume(self) -> (Vec<u8>, SeizedProcesses) {
        let Self { message, traced } = self;
        (message, traced.detach())
    }

    /// Kills all processes whose threads are traced. Returns the message, and what is still to be reaped.
    pub(crate) fn kill(self) -> (Vec<u8>, SeizedProcesses) {
        let Self { message, traced } = self;
        (message, traced.kill())
    }
}

/// Marks the thread that has crashed, and removes what it does since then: the handler of its signal waits for this capture.
fn mark_crashed(thread: &mut ThreadMessage) {
    thread.has_crashed = true;
    // What crashed may itself have been called by the handler of another signal.
    if let Some(last) = thread.frames.iter().skip(1).position(|frame| frame.kind == AddressKind::Exact) {
        thread.frames.drain(..=last);
        (thread.state, thread.system_call) = (b'R', None);
        thread.wait_channel.clear();
    }
}

/// Returns whether everything about a process can be read now.
fn is_ready(tree: &mut Tree, index: usize, deadline: Deadline) -> bool {
    let process = &tree.processes[index];
    if tree.mode == CaptureMode::Observe || process.refused.is_some() {
        return true;
    }
    // A thread that was started before all stood.
    tree.stands(index) && !tree.find_threads(index, deadline)
}
