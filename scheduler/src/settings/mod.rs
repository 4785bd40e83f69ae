//! `Settings`: the configuration of a scheduler, checked and applied to calls.

mod groups;
mod journaled;
mod sequels;
#[cfg(feature = "remote")]
mod slots;
#[cfg(not(feature = "remote"))]
#[path = "no_slots.rs"]
mod slots;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::answers::Answers;
use crate::call::AnyJob;
use crate::error::Error;
use crate::escape::OneLine;
use crate::journal::{FollowUps, Journal};
use crate::launcher::{Launcher, TestEntry};
use crate::observer::Observers;
use crate::options::StartMethod;
use crate::options::{Containment, OnFailure, Options};
use crate::process::{self, CgroupHome, DefaultOutput, Orphans};
use crate::registry;
#[cfg(feature = "remote")]
use crate::supervisor::RemoteSlots;
use crate::supervisor::{
    CancelToken, CapacityLimits, EventDetail, JobSpec, LoopConfig, OnSuccess, PoolSettings, SharedPool, WardenPool,
};
use crate::wire::frame;
use crate::wire::message::AfterRun;
use groups::Groups;
pub(crate) use journaled::JournaledList;
use sequels::SequelSettings;

/// The default limit until a job's function is called.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The default limit from a function's return until its result has arrived.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);

/// The most jobs in flight of a list whose jobs are drawn while it runs, whatever the concurrency.
const MOST_IN_FLIGHT: usize = 1 << 16;

/// The arguments of the copies of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum CopyArguments {
    #[default]
    None,
    /// Those of this process.
    Passed,
}

/// The configuration of a scheduler.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The defaults for options that neither a job's call nor its attribute sets.
    pub(crate) options: Options,
    /// The upper bound of every job's timeout.
    pub(crate) ceiling: Option<Duration>,
    pub(crate) start_timeout: Duration,
    pub(crate) delivery_timeout: Duration,
    pub(crate) concurrency: usize,
    /// How many jobs of a stream are drawn beyond those that run; as many again if nothing is set.
    pub(crate) read_ahead: Option<usize>,
    /// How many processes are made ahead between calls.
    pub(crate) standby: usize,
    /// How many spawned jobs may wait before `try_spawn` refuses another one.
    pub(crate) queue_capacity: Option<usize>,
    pub(crate) groups: Groups,
    pub(crate) on_failure: OnFailure,
    pub(crate) capacity: CapacityLimits,
    pub(crate) total_timeout: Option<Duration>,
    pub(crate) token: Option<CancelToken>,
    pub(crate) observers: Observers,
    pub(crate) answers: Answers,
    pub(crate) start_method: StartMethod,
    pub(crate) orphans: Orphans,
    pub(crate) containment: Containment,
    /// Where the output goes of jobs that have no destination for it.
    pub(crate) default_output: DefaultOutput,
    pub(crate) arguments: CopyArguments,
    /// The journal of lists.
    pub(crate) journal: Option<Journal>,
    /// The slots on other machines that jobs run at.
    #[cfg(feature = "remote")]
    pub(crate) slots: Option<Arc<dyn RemoteSlots>>,
}

/// Makes the specifications of jobs one by one. What they share was checked, and is found once.
#[derive(Debug)]
pub(crate) struct SpecMaker {
    settings: Settings,
    cgroups: Option<Arc<CgroupHome>>,
    shared_pool: SharedPool,
    sequels: SequelSettings,
}

impl SpecMaker {
    pub(crate) fn spec(&self, id: &str, call: &AnyJob) -> Result<JobSpec, Error> {
        self.settings.listed_spec(id, call, self.cgroups.as_ref(), &self.shared_pool, &self.sequels)
    }

    /// Returns whether the token of the scheduler lets no further job start.
    pub(crate) fn has_drained(&self) -> bool {
        self.settings.has_drained()
    }

    /// Returns why the list ends early, if the journal has failed.
    pub(crate) fn journal_failure(&self) -> Option<Error> {
        self.settings.journal.as_ref()?.fatal_error()
    }

    /// Writes jobs to the journal, if there is one.
    pub(crate) fn enter(&self, specs: &mut [JobSpec], follow_ups: FollowUps) -> Result<JournaledList, Error> {
        JournaledList::enter(self.settings.journal.as_ref(), specs, follow_ups)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            options: Options::default(),
            ceiling: None,
            start_timeout: START_TIMEOUT,
            delivery_timeout: DELIVERY_TIMEOUT,
            concurrency: 1,
            read_ahead: None,
            standby: 0,
            queue_capacity: None,
            groups: Groups::default(),
            on_failure: OnFailure::default(),
            capacity: CapacityLimits::default(),
            total_timeout: None,
            token: None,
            observers: Observers::default(),
            answers: Answers::default(),
            start_method: StartMethod::default(),
            orphans: Orphans::default(),
            containment: Containment::default(),
            default_output: DefaultOutput::Own,
            arguments: CopyArguments::default(),
            journal: None,
            #[cfg(feature = "remote")]
            slots: None,
        }
    }
}

impl Settings {
    /// Returns the defaults with this ceiling.
    pub(crate) fn under(ceiling: Duration) -> Self {
        Self { ceiling: Some(ceiling), ..Self::default() }
    }

    /// Returns whether the token lets no further job start.
    pub(crate) fn has_drained(&self) -> bool {
        self.token.as_ref().is_some_and(CancelToken::is_draining)
    }

    /// Returns the settings of an event loop.
    pub(crate) fn loop_config(&self) -> Result<LoopConfig, Error> {
        let zero = "a concurrency of 0 runs nothing; give 1 or more";
        let concurrency = NonZeroUsize::new(self.concurrency).ok_or_else(|| Error::invalid_setting(zero))?;
        let group_limits = self.groups.limits().map_err(Error::invalid_setting)?;
        let detail = if self.observers.is_empty() && self.answers.is_empty() {
            EventDetail::FinishedOnly
        } else {
            EventDetail::All
        };
        Ok(LoopConfig {
            concurrency,
            group_limits,
            on_failure: self.on_failure,
            on_success: OnSuccess::Continue,
            capacity: self.capacity,
            total_timeout: self.total_timeout.unwrap_or(Duration::MAX),
            token: self.token.clone(),
            detail,
            #[cfg(feature = "remote")]
            slots: self.loop_slots()?,
        })
    }

    /// Returns the specifications of these jobs, which from now on count as queued in the load of the scheduler.
    pub(crate) fn specs(&self, jobs: &[(String, AnyJob)], shared_pool: &SharedPool) -> Result<Vec<JobSpec>, Error> {
        self.check()?;
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        registry::check()?;
        let cgroups = self.cgroups()?;
        let sequels = SequelSettings::default();
        let spec = |(id, call): &(String, AnyJob)| self.listed_spec(id, call, cgroups.as_ref(), shared_pool, &sequels);
        jobs.iter().map(spec).collect()
    }

    /// Returns the specifications of a list, as [`specs`](Self::specs), with its jobs in the journal, if there is one.
    pub(crate) fn list(
        &self,
        jobs: &[(String, AnyJob)],
        shared_pool: &SharedPool,
        follow_ups: FollowUps,
    ) -> Result<(Vec<JobSpec>, JournaledList), Error> {
        let mut specs = self.specs(jobs, shared_pool)?;
        let journaled =
            JournaledList::enter(self.journal.as_ref().filter(|_| !specs.is_empty()), &mut specs, follow_ups)?;
        Ok((specs, journaled))
    }

    fn listed_spec(
        &self,
        id: &str,
        call: &AnyJob,
        cgroups: Option<&Arc<CgroupHome>>,
        shared_pool: &SharedPool,
        sequels: &SequelSettings,
    ) -> Result<JobSpec, Error> {
        let mut spec = self.spec(Some(id), call)?;
        self.add_sequel(&mut spec, call, sequels);
        spec.lane = self.lane(id, &spec)?;
        spec.cgroups = cgroups.cloned();
        spec.load = Some(shared_pool.load().enqueue());
        Ok(spec)
    }

    /// Returns what makes the specifications of jobs that are drawn while their list runs.
    pub(crate) fn spec_maker(&self, shared_pool: &SharedPool) -> Result<SpecMaker, Error> {
        self.check()?;
        registry::check()?;
        let (settings, cgroups, shared_pool) = (self.clone(), self.cgroups()?, shared_pool.clone());
        Ok(SpecMaker { settings, cgroups, shared_pool, sequels: SequelSettings::default() })
    }

    /// Returns how many jobs of such a list may be in flight: those that run, and, if nothing else is set, as many again, whose
    /// processes can be made before their turn.
    pub(crate) fn window(&self) -> usize {
        self.concurrency.saturating_add(self.read_ahead.unwrap_or(self.concurrency)).clamp(1, MOST_IN_FLIGHT)
    }

    /// Returns one clause about a call that would be an error, or never start.
    #[cfg(feature = "cli")]
    pub(crate) fn check_call(&self, id: &str, call: &AnyJob) -> Result<(), String> {
        let spec = self.spec(Some(id), call).map_err(|error| error.to_string())?;
        self.lane(id, &spec).map_err(|error| error.to_string())?;
        spec.unserializable.map_or(Ok(()), |problem| Err(problem.to_string()))
    }

    /// Returns the specification of one call.
    pub(crate) fn job_spec(&self, call: &AnyJob) -> Result<JobSpec, Error> {
        self.check()?;
        let mut spec = self.spec(None, call)?;
        registry::check()?;
        spec.cgroups = self.cgroups()?;
        self.add_sequel(&mut spec, call, &SequelSettings::default());
        Ok(spec)
    }

    /// Returns the place for the cgroups of runs, if they get any.
    pub(crate) fn cgroups(&self) -> Result<Option<Arc<CgroupHome>>, Error> {
        // The agents have their own.
        let containment = if self.is_remote() { Containment::None } else { self.containment };
        let home = CgroupHome::find(containment);
        let home =
            home.map_err(|problem| Error::invalid_setting(format!("no job can have a cgroup of its own: {problem}")))?;
        Ok(home.map(Arc::new))
    }

    /// Prepares this process for wardens, and returns an event loop's access to those of the scheduler. Starts none.
    pub(crate) fn pool(&self, shared_pool: &SharedPool) -> Result<WardenPool, Error> {
        shared_pool.open(self.pool_settings()?)
    }

    /// Prepares this process for wardens, and returns how they are made.
    pub(crate) fn pool_settings(&self) -> Result<PoolSettings, Error> {
        Ok(PoolSettings {
            launcher: self.jobs_launcher()?,
            default_output: self.default_output,
            method: self.start_method,
            after_run: AfterRun::Stay,
            start_limit: self.start_timeout,
            most_idle: self.concurrency,
            standby: self.standby,
        })
    }

    /// Prepares this process for wardens, and returns a pool for a single job, which keeps none.
    pub(crate) fn single_pool(&self) -> Result<WardenPool, Error> {
        let launcher = self.jobs_launcher()?;
        SharedPool::default().open(PoolSettings::for_one_job(launcher, DefaultOutput::Own))
    }

    /// Prepares this process for wardens, and returns a pool for an isolated test with this default output.
    pub(crate) fn test_pool(&self, test: TestEntry, default_output: DefaultOutput) -> Result<WardenPool, Error> {
        let launcher = self.launcher(|| Launcher::for_test(test))?;
        SharedPool::default().open(PoolSettings::for_one_job(launcher, default_output))
    }

    /// Prepares this process for wardens, and returns the launcher for copies that run jobs.
    fn jobs_launcher(&self) -> Result<Launcher, Error> {
        let launcher = self.launcher(Launcher::for_jobs)?;
        Ok(if self.arguments == CopyArguments::Passed { launcher.with_arguments() } else { launcher })
    }

    /// Prepares this process for wardens, and returns what `find` finds.
    fn launcher(&self, find: impl FnOnce() -> Result<Launcher, Error>) -> Result<Launcher, Error> {
        // Its copies would refuse every request.
        if process::makes_privileged_copies() {
            return Err(Error::privileged());
        }
        let launcher = find()?;
        if self.orphans == Orphans::Adopted {
            process::adopt_orphans().map_err(|error| Error::internal("make this process a subreaper", error))?;
        }
        Ok(launcher)
    }

    /// Checks the settings that no job can change.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.options.timeout == Some(Duration::ZERO) || self.ceiling == Some(Duration::ZERO) {
            return Err(Error::invalid_timeout(""));
        }
        if self.total_timeout == Some(Duration::ZERO) {
            return Err(Error::invalid_timeout(" for the whole list"));
        }
        if self.start_timeout.is_zero() {
            return Err(Error::invalid_timeout(" for the start"));
        }
        if self.delivery_timeout.is_zero() {
            return Err(Error::invalid_timeout(" for the delivery"));
        }
        if let Some(problem) =
            self.options.problem().or_else(|| self.options.contradiction()).or_else(|| self.options.unseen_output())
        {
            return Err(Error::invalid_setting(problem));
        }
        if let Some(problem) = self.on_failure.problem() {
            return Err(Error::invalid_setting(problem));
        }
        if self.start_method == (StartMethod::Reuse { calls: 0 }) {
            let problem = "`StartMethod::Reuse { calls: 0 }`: a process serves at least one call".to_owned();
            return Err(Error::invalid_setting(problem));
        }
        if let Some(problem) = self.capacity.problem() {
            return Err(Error::invalid_setting(problem));
        }
        self.loop_config()?;
        self.check_slots()
    }

    /// Returns the queue's lane for a job's group.
    fn lane(&self, id: &str, spec: &JobSpec) -> Result<usize, Error> {
        let Some(group) = &spec.options.group else {
            return Ok(0);
        };
        let lane = self.groups.lane(group);
        lane.map_err(|problem| {
            Error::invalid_setting(format!("`{}` (job `{}`): {problem}", OneLine(id), spec.entry.name()))
        })
    }

    fn spec(&self, id: Option<&str>, call: &AnyJob) -> Result<JobSpec, Error> {
        let name = || {
            id.map_or_else(
                || format!("job `{}`", call.name()),
                |id| format!("`{}` (job `{}`)", OneLine(id), call.name()),
            )
        };
        let options = call.options.as_deref().cloned().unwrap_or_default();
        let declared = call.entry.options();
        // Options of two places that don't fit each other are no mistake: a call may have a shorter timeout than its attribute.
        let contradiction = options.contradiction().or_else(|| declared.contradiction());
        let options = options.over(&declared).over(&self.options);
        if options.timeout == Some(Duration::ZERO) {
            return Err(Error::invalid_timeout(&format!(" of {}", name())));
        }
        let timeout = options.timeout.unwrap_or(Duration::MAX).min(self.ceiling.unwrap_or(Duration::MAX));
        let contradiction = contradiction.or_else(|| self.obstacle_to_travel(&options));
        if let Some(problem) = options.problem().or(contradiction).or_else(|| options.unseen_output()) {
            return Err(Error::invalid_setting(format!("{}: {problem}", name())));
        }
        let arguments = match &call.arguments {
            Ok(bytes) if bytes.len() as u64 > frame::LIMIT => {
                Err(format!("its arguments take {} bytes, over the limit of {}", bytes.len(), frame::LIMIT))
            }
            Ok(bytes) => Ok(Arc::clone(bytes)),
            Err(problem) => Err(problem.clone()),
        };
        let (arguments, unserializable) = match arguments {
            Ok(bytes) => (bytes, None),
            // Only this job fails for it, the others run.
            Err(problem) => (Arc::default(), Some(problem.into())),
        };
        Ok(JobSpec {
            id: id.unwrap_or(call.name()).into(),
            attempt: 1,
            earlier_attempts: Vec::new(),
            checkpoint: call.checkpoint.clone(),
            journal: None,
            entry: call.entry,
            arguments,
            unserializable,
            timeout,
            max_timeout: options
                .time_limits
                .max_timeout
                .map_or(timeout, |maximum| maximum.min(self.ceiling.unwrap_or(Duration::MAX)).max(timeout)),
            options: Arc::new(options),
            lane: 0,
            total_timeout: self.total_timeout.unwrap_or(Duration::MAX),
            start_timeout: self.start_timeout,
            delivery_timeout: self.delivery_timeout,
            orphans: self.orphans,
            cgroups: None,
            load: None,
            is_observed: !self.observers.is_empty(),
            messages: None,
            last_moment: None,
            slots: self.kept_slots(),
            avoided_slot: None,
            sequel: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::options::OWN;
    use crate::process::{ROLE_VARIABLE, RUN_VARIABLE};

    #[test]
    fn the_reserved_variables_are_those_that_are_read() {
        assert_eq!(OWN, [RUN_VARIABLE, ROLE_VARIABLE]);
    }
}
