//! Without the feature `stacks`, or on a processor for which there is no unwinder: no thread is stopped, and there are no stacks.

use super::traced::TracedThreads;
use super::tree::{CaptureMode, Process};
use crate::clock::Deadline;
use crate::outcome::Incomplete;
use crate::wire::snapshots_message::{ModuleMessage, ProcessMessage};

pub(super) const MODE: CaptureMode = CaptureMode::Observe;

/// The binaries of a message: none.
#[derive(Debug, Default)]
pub(super) struct Modules {}

impl Modules {
    #[expect(clippy::unused_self, reason = "with the feature there are some")]
    pub(super) fn into_messages(self) -> Vec<ModuleMessage> {
        Vec::new()
    }
}

/// Returns what `/proc` has about a process; `None` if it has exited and is reaped.
pub(super) fn describe(process: &Process, _: &TracedThreads, _: &mut Modules, _: Deadline) -> Option<ProcessMessage> {
    process.describe_without_stacks(Incomplete::Unsupported)
}

/// Returns `None`: nothing is walked.
#[cfg(any(test, fuzzing))]
pub(super) fn walk_fuzzed(_: &[u8]) -> Option<usize> {
    None
}
