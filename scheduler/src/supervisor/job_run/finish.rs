//! The report of a run that is done.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::JobRun;
use crate::outcome::{Outcome, ProcessReuse, Sweep};
use crate::process::TempDir;
use crate::record::{RunDetails, RunReport};
use crate::supervisor::diagnosis::{RunLimits, remove_cause};
use crate::supervisor::state_machine::Verdict;
use crate::supervisor::warden_pool::{Fitness, WardenPool};

impl JobRun {
    /// Returns the report, and gives the warden back to the pool.
    pub(in crate::supervisor) fn finish(mut self, pool: &mut WardenPool) -> RunReport {
        let process = self.process();
        let (mut stderr_tail, captured) = self.output.finish();
        let warden_stderr = self.warden.worker.stderr().finish(0);
        if stderr_tail.is_empty() {
            stderr_tail = warden_stderr;
        }
        let unsent = self.warden.worker.send_error().or(self.stream.send_error());
        self.observations.unsent = unsent.map(io::Error::to_string);
        self.observations.out_of_memory =
            self.observations.was_killed() && pool.oom_counter().has_increased_since(&self.oom_kills);
        let (used, sweep, swept_by) = self.observations.usage_and_sweep();
        // A run finishes once it is done, and then it has a verdict.
        let verdict = self.state.verdict().unwrap_or(Verdict::WardenLost);
        let reuse = self
            .observations
            .reuse(verdict, self.spec.must_be_fresh())
            .filter(|_| self.warden.reuses() && self.observations.begun);
        let has_kept_process = self.observations.has_kept_process();
        // A process that is kept reports by itself what it has used, for all of its calls.
        let used = self.observations.call_ended.as_ref().map_or(used, |ended| ended.usage);
        let usage = self.warden.keep(has_kept_process, process, used);
        // Leftovers that escaped the sweep would be taken for the next job's.
        let is_swept = !self.observations.warden_killed && matches!(sweep, Sweep::Clean | Sweep::Killed { .. });
        // A process whose call has failed may not serve another one.
        let is_reusable = is_swept && (!has_kept_process || reuse == Some(ProcessReuse::Kept));
        pool.release(self.warden, if is_reusable { Fitness::Reusable } else { Fitness::Unfit });
        let time_limits = self.spec.options.time_limits;
        let limits = RunLimits {
            job: self.timeout,
            list: self.spec.total_timeout,
            stall: time_limits.stall.unwrap_or(Duration::MAX),
            silence: time_limits.silence.unwrap_or(Duration::MAX),
            grace: self.spec.grace(),
            start: self.spec.start_timeout,
            delivery: self.spec.delivery_timeout,
            process: self.spec.options.limits,
        };
        let exit_failure = self.observations.exit_failure(&limits.process, &stderr_tail).map(Box::new);
        let mut panics = self.observations.panics.clone();
        let (outcome, late) = self.observations.outcome_and_late(verdict, &limits, &stderr_tail);
        remove_cause(&mut panics, &outcome, late.as_ref());
        let is_success = matches!(outcome, Outcome::Ok(_)) && exit_failure.is_none();
        let stderr_tail = if is_success { String::new() } else { stderr_tail };
        let details = RunDetails {
            started_at: self.started.map(|started| started.at),
            ended_at: self.ended_at,
            process,
            usage,
            sweep,
            swept_by: Some(swept_by),
            stderr_tail,
            exit_failure,
            panics: panics.into_boxed_slice(),
            captured,
            attempts: Box::default(),
            checkpoint: self.spec.checkpoint,
            // A job may have a handler of its own for a crash, and go on.
            sequence: None,
            stacks: if is_success { Arc::default() } else { self.stacks },
            leftover: self.temp_dir.as_ref().and_then(TempDir::leftover).map(String::into_boxed_str),
            reuse,
            is_replayed: false,
            is_cut_short: false,
            site: None,
            gone_by: None,
        };
        RunReport { outcome, duration: self.duration, late, details }
    }
}
