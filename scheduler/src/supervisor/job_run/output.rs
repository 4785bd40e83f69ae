//! The output of a running job: what is passed on, and the lines that observers receive.

use super::JobRun;
use crate::outcome::StandardStream;
use crate::process::{ChildStdio, JobOutput};
use crate::supervisor::job_spec::JobSpec;
use crate::supervisor::warden_handle::WardenHandle;
use crate::wire::message::StdioTarget;

/// Keeps the lines of the job's output, if there are observers.
pub(super) fn observe_lines(spec: &JobSpec, output: &mut JobOutput, stdio: &ChildStdio, warden: &mut WardenHandle) {
    if spec.is_observed {
        output.observe_lines();
    }
    // A stream of its own belongs to the job, and this one to its warden alone.
    let is_shared = matches!(stdio.stderr.target, StdioTarget::Unchanged);
    warden.worker.stderr().observe_lines((spec.is_observed && is_shared).then_some(StandardStream::Stderr));
}

impl JobRun {
    /// Passes on one step of output. Returns `false` if there is none.
    pub(super) fn relay(&mut self) -> bool {
        // Standard error comes last: of output written at the same time, an error message is more likely the end.
        let has_moved = self.output.relay();
        let has_moved = self.warden.worker.stderr().step(0) || has_moved;
        if has_moved {
            self.activity.wrote();
            self.store_lines();
        }
        has_moved
    }

    /// Treats the output that was read as complete. Returns whether all of it is passed on.
    pub(super) fn complete_output(&mut self) -> bool {
        let is_complete = self.output.complete() && self.warden.worker.stderr().is_flushed();
        if is_complete {
            self.warden.worker.stderr().end_line();
        }
        self.store_lines();
        is_complete
    }

    /// Keeps the lines that are complete for the observers.
    fn store_lines(&mut self) {
        if self.spec.is_observed {
            let mut lines = self.output.take_lines();
            lines.extend(self.warden.worker.stderr().take_lines());
            self.updates.store_lines(lines);
        }
    }
}
