//! Captures: where the processes of a stuck job are, whatever they do.

mod crashes;
mod hostile;
mod kinds;
mod limits;
mod safety;

use std::path::PathBuf;
use std::time::Duration;

use scheduler::{Incomplete, Job, ProcessSnapshot, Run, Scheduler, StackFrame, StartMethod, ThreadSnapshot};
use scheduler_tests::wait_until::wait_until;
use tempfile::TempDir;

/// A folder in which a job marks that it is about to be stuck.
pub(crate) struct Mark {
    folder: TempDir,
}

impl Mark {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("stuck")
    }

    pub(crate) fn wait(&self) {
        wait_until("the job is stuck", || self.path().exists());
    }
}

/// Runs a job until it marks that it is about to be stuck, and cancels it.
pub(crate) fn cancelled<T>(method: StartMethod, make: impl Fn(PathBuf) -> Job<T>) -> Run<T> {
    cancelled_after(Duration::ZERO, method, make)
}

fn cancelled_after<T>(moment: Duration, method: StartMethod, make: impl Fn(PathBuf) -> Job<T>) -> Run<T> {
    let mark = Mark::new();
    let handle =
        Scheduler::new().start_method(method).stacks(true).spawn(make(mark.path())).expect("the input is fine");
    mark.wait();
    std::thread::sleep(moment);
    handle.cancel();
    handle.wait().expect("nothing fails")
}

/// The times after which a job is captured, one after the other: it marks that it is stuck a moment before it is.
const MOMENTS: [u64; 6] = [0, 5, 20, 100, 500, 2000];

/// The most times that a job is captured: on a busy machine the time of a capture is over before it is complete.
const TRIES: usize = 60;

/// Returns whether the time of the capture was enough.
pub(crate) fn is_in_time(stacks: &[ProcessSnapshot]) -> bool {
    let of_threads = stacks.iter().flat_map(ProcessSnapshot::threads).filter_map(ThreadSnapshot::incomplete);
    let mut missing = stacks.iter().flat_map(ProcessSnapshot::incomplete).copied().chain(of_threads);
    !stacks.is_empty() && missing.all(|why| why != Incomplete::TimeLimit)
}

/// Captures a stuck job, once more as long as it isn't as it will be in a moment.
#[track_caller]
pub(crate) fn captured<T>(
    method: StartMethod,
    make: impl Fn(PathBuf) -> Job<T>,
    is_stuck: impl Fn(&[ProcessSnapshot]) -> bool,
) -> Run<T> {
    let mut tries = 0;
    loop {
        let run = cancelled_after(Duration::from_millis(MOMENTS[tries % MOMENTS.len()]), method, &make);
        tries += 1;
        if is_stuck(run.stacks()) {
            return run;
        }
        let may_succeed = tries < MOMENTS.len() || (tries < TRIES && !is_in_time(run.stacks()));
        assert!(may_succeed, "{}\n{:?}", ProcessSnapshot::tree(run.stacks()), run.stacks());
    }
}

/// Returns the names of the functions of a stack, the innermost first.
pub(crate) fn functions(thread: &ThreadSnapshot) -> Vec<String> {
    let symbols = thread.frames().iter().flat_map(StackFrame::symbols);
    symbols.map(|symbol| symbol.function().to_owned()).collect()
}

/// Returns whether the functions of the stack have these names, in this order, with others in between.
pub(crate) fn calls(thread: &ThreadSnapshot, names: &[&str]) -> bool {
    let mut functions = functions(thread).into_iter();
    names.iter().all(|name| functions.any(|function| function.contains(name)))
}

/// Returns whether the stack is whole.
pub(crate) fn is_complete(thread: &ThreadSnapshot) -> bool {
    thread.incomplete().is_none() && thread.frames().len() > 2
}
