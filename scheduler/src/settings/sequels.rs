//! `CallSequel`: what follows a call in its entry of a list: the follow-up job that is owed for its end, and the parts of its
//! chain.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::Settings;
use super::journaled::enter_part;
use crate::call::{AnyJob, Chain, ChainNext};
use crate::ended::{Ended, follow_up_of};
use crate::observer::Observers;
use crate::options::{Cause, FollowUpHook};
use crate::panic_guard::guarded;
use crate::record::{Continuation, OwedFollowUp, RunReport};
use crate::supervisor::{JobSpec, NextPart, Sequel};

/// The limit of a follow-up job for which neither its call nor its attribute nor the scheduler sets one.
const FOLLOW_UP_TIMEOUT: Duration = Duration::from_secs(60);

/// The settings for what follows jobs, made when the first job needs them.
#[derive(Debug, Default)]
pub(super) struct SequelSettings(OnceLock<Arc<Settings>>);

impl SequelSettings {
    fn get(&self, settings: &Settings) -> Arc<Settings> {
        let shared = || Settings { observers: Observers::default(), token: None, ..settings.clone() };
        Arc::clone(self.0.get_or_init(|| Arc::new(shared())))
    }
}

#[derive(Debug)]
struct CallSequel {
    settings: Arc<Settings>,
    call: AnyJob,
    follow_up: Option<FollowUpHook>,
    follow_up_on: Cow<'static, [Cause]>,
}

impl Settings {
    /// Sets what may follow a job, if anything may.
    pub(super) fn add_sequel(&self, spec: &mut JobSpec, call: &AnyJob, shared: &SequelSettings) {
        if spec.options.follow_up.is_some() || call.chain.is_some() {
            spec.sequel = Some(sequel(shared.get(self), spec, call.clone()));
        }
    }
}

fn sequel(settings: Arc<Settings>, spec: &JobSpec, call: AnyJob) -> Arc<dyn Sequel> {
    let follow_up_on = spec.options.follow_up_on.clone().map_or(Cow::Borrowed(&[Cause::Timeout][..]), Cow::Owned);
    Arc::new(CallSequel { settings, call, follow_up: spec.options.follow_up.clone(), follow_up_on })
}

impl Sequel for CallSequel {
    fn owes_follow_up(&self, report: &RunReport) -> bool {
        self.follow_up.is_some() && report.outcome.cause().is_some_and(|cause| self.follow_up_on.contains(&cause))
    }

    fn follow_up(&self, spec: &JobSpec, report: &RunReport, owed: &OwedFollowUp) -> Option<Result<JobSpec, String>> {
        let (follow_up, cause) = (self.follow_up.as_ref()?, report.outcome.cause()?);
        Some(self.follow_up_spec(follow_up, self.ended(cause, spec, report, owed), spec))
    }

    fn continuation(&self, report: &RunReport) -> Continuation {
        self.call.chain.as_ref().map_or(Continuation::End, |chain| chain.continuation(&report.outcome))
    }

    fn next_part(&self, spec: &JobSpec, report: &RunReport) -> NextPart {
        let Some(chain) = &self.call.chain else {
            return NextPart::End { is_partial: false };
        };
        let mut chain = chain.clone();
        let next = chain.advance(&report.outcome);
        let broken = |reason, chain, is_fallback| {
            let call = AnyJob { chain: Some(chain), ..self.call.clone() };
            let mut spec = Box::new(JobSpec { attempt: 0, ..spec.clone() });
            spec.sequel = Some(sequel(Arc::clone(&self.settings), &spec, call));
            NextPart::Broken { spec, reason, is_fallback }
        };
        let is_fallback = matches!(next, ChainNext::Fallback(_));
        let part = |call: AnyJob, chain: Box<Chain>, kind: fn(Box<JobSpec>) -> NextPart| {
            let call = AnyJob { chain: Some(chain.clone()), ..call };
            match self.part_spec(spec, call) {
                Ok(next) => kind(Box::new(next)),
                Err(reason) => broken(reason, chain, is_fallback),
            }
        };
        match next {
            ChainNext::Call(call) => part(call, chain, NextPart::Job),
            ChainNext::Fallback(call) => part(call, chain, NextPart::Fallback),
            ChainNext::Value { bytes, codec } => NextPart::Value { bytes, codec },
            ChainNext::Broken { reason, is_fallback } => broken(reason, chain, is_fallback),
            ChainNext::End { is_partial } => NextPart::End { is_partial },
        }
    }
}

impl CallSequel {
    /// Returns the specification of the follow-up job of a job that has ended.
    fn follow_up_spec(&self, follow_up: &FollowUpHook, ended: Ended, job: &JobSpec) -> Result<JobSpec, String> {
        let called = guarded(|| follow_up_of(follow_up).call(ended));
        let call = called.map_err(|panic| format!("the function of `follow_up` gave no call: {panic}"))?;
        if call.chain.is_some() {
            return Err(
                "a follow-up is one job, and `follow_up` gave a chain; chain the calls in the job itself".to_owned()
            );
        }
        let mut spec = self.settings.spec(Some(&job.id), &call).map_err(|error| error.to_string())?;
        // The maximum for jobs is none for their follow-ups, and one without a limit could hold the list up for ever.
        spec.timeout = spec.options.timeout.unwrap_or(FOLLOW_UP_TIMEOUT);
        Ok(beside(spec, job))
    }

    fn part_spec(&self, before: &JobSpec, call: AnyJob) -> Result<JobSpec, String> {
        let mut spec = self.settings.spec(Some(&before.id), &call).map_err(|error| error.to_string())?;
        spec.lane = self.settings.lane(&before.id, &spec).map_err(|error| error.to_string())?;
        spec.sequel = Some(sequel(Arc::clone(&self.settings), &spec, call));
        // What its handle sends is for the part that runs.
        spec.messages.clone_from(&before.messages);
        enter_part(self.settings.journal.as_ref(), before, &mut spec);
        Ok(beside(spec, before))
    }

    fn ended(&self, cause: Cause, job: &JobSpec, report: &RunReport, owed: &OwedFollowUp) -> Ended {
        let details = &report.details;
        let limit = report.outcome.overrun().map_or(job.timeout, crate::outcome::Overrun::limit);
        Ended {
            key: owed.key.clone(),
            job_id: job.id.to_string(),
            call: self.call.travelling(),
            cause,
            error: report.error(),
            limit: (limit != Duration::MAX).then_some(limit),
            elapsed: report.duration,
            attempt: job.attempt,
            started_at: report.started_at(),
            finished_at: owed.time(),
            stderr_tail: details.stderr_tail.clone(),
            output: details.captured.clone(),
            panics: details.panics.to_vec(),
            checkpoint: details.checkpoint.clone(),
            stacks: details.stacks.to_vec(),
            usage: details.usage,
            sweep: details.sweep.clone(),
        }
    }
}

/// Adds to a specification what it shares with another one of its entry.
fn beside(mut spec: JobSpec, other: &JobSpec) -> JobSpec {
    spec.cgroups.clone_from(&other.cgroups);
    spec.load.clone_from(&other.load);
    spec
}
