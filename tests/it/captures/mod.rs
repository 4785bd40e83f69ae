//! Captures: where the processes of a stuck job are, whatever they do.

mod crashes;
mod hostile;
mod kinds;
mod limits;
mod safety;

use std::path::PathBuf;
use std::time::Duration;

use scheduler::{Job, ProcessSnapshot, Run, Scheduler, StackFrame, StartMethod, ThreadSnapshot};
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

/// Captures a stuck job, once more as long as it isn't as it will be in a moment.
#[track_caller]
pub(crate) fn captured<T>(
    method: StartMethod,
    make: impl Fn(PathBuf) -> Job<T>,
    is_stuck: impl Fn(&[ProcessSnapshot]) -> bool,
) -> Run<T> {
    let mut runs = MOMENTS.iter().map(|moment| cancelled_after(Duration::from_millis(*moment), method, &make));
    let mut last = None;
    let found = runs.find_map(|run| {
        if is_stuck(run.stacks()) {
            return Some(run);
        }
        last = Some(run);
        None
    });
    found.unwrap_or_else(|| {
        let last = last.expect("it was captured");
        panic!("{}\n{:?}", ProcessSnapshot::tree(last.stacks()), last.stacks())
    })
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
