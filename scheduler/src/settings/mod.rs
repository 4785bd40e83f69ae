//! `Settings`: what a scheduler was told, checked and applied to the calls that it is given.

mod groups;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::call::AnyJob;
use crate::error::Error;
use crate::escape::OneLine;
use crate::launcher::{Launcher, TestEntry};
use crate::observer::Observers;
use crate::options::StartMethod;
use crate::options::{Containment, OnFailure, Options};
use crate::process::{self, CgroupHome, DefaultOutput, Orphans};
use crate::registry;
use crate::supervisor::{CancelToken, EventDetail, JobSpec, Rules, SharedPool, WardenPool};
use crate::wire::frame;
use groups::Groups;

/// How long a job may take until its function is called, unless the builder says otherwise.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// How long what a function has returned may take to be here, unless the builder says otherwise.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);

/// How jobs are run, whoever waits for them.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// What a job is told that neither its call nor its attribute tells.
    pub(crate) options: Options,
    /// What no job may exceed, whatever its own timeout.
    pub(crate) ceiling: Option<Duration>,
    pub(crate) start_timeout: Duration,
    pub(crate) delivery_timeout: Duration,
    pub(crate) concurrency: usize,
    pub(crate) groups: Groups,
    pub(crate) on_failure: OnFailure,
    pub(crate) total_timeout: Option<Duration>,
    pub(crate) token: Option<CancelToken>,
    pub(crate) observers: Observers,
    pub(crate) start_method: StartMethod,
    pub(crate) orphans: Orphans,
    pub(crate) containment: Containment,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            options: Options::default(),
            ceiling: None,
            start_timeout: START_TIMEOUT,
            delivery_timeout: DELIVERY_TIMEOUT,
            concurrency: 1,
            groups: Groups::default(),
            on_failure: OnFailure::default(),
            total_timeout: None,
            token: None,
            observers: Observers::default(),
            start_method: StartMethod::default(),
            orphans: Orphans::default(),
            containment: Containment::default(),
        }
    }
}

impl Settings {
    /// Returns those under which no job runs for longer than `ceiling`.
    pub(crate) fn under(ceiling: Duration) -> Self {
        Self { ceiling: Some(ceiling), ..Self::default() }
    }

    /// Returns what holds for the jobs of a list together.
    pub(crate) fn rules(&self) -> Result<Rules, Error> {
        let zero = "a concurrency of 0 runs nothing; give 1 or more";
        let concurrency = NonZeroUsize::new(self.concurrency).ok_or_else(|| Error::invalid_setting(zero))?;
        let group_limits = self.groups.limits().map_err(Error::invalid_setting)?;
        let detail = if self.observers.is_empty() { EventDetail::FinishedOnly } else { EventDetail::All };
        Ok(Rules {
            concurrency,
            group_limits,
            on_failure: self.on_failure,
            total_timeout: self.total_timeout.unwrap_or(Duration::MAX),
            token: self.token.clone(),
            detail,
        })
    }

    /// Returns what is to be run for each of the jobs.
    pub(crate) fn specs(&self, jobs: &[(String, AnyJob)]) -> Result<Vec<JobSpec>, Error> {
        self.check()?;
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        registry::check()?;
        let cgroups = self.cgroups()?;
        let spec = |(id, call): &(String, AnyJob)| {
            let mut spec = self.spec(Some(id), call)?;
            spec.line = self.line(id, &spec)?;
            spec.cgroups.clone_from(&cgroups);
            Ok(spec)
        };
        jobs.iter().map(spec).collect()
    }

    /// Returns what is to be run for one call.
    pub(crate) fn job_spec(&self, call: &AnyJob) -> Result<JobSpec, Error> {
        self.check()?;
        let mut spec = self.spec(None, call)?;
        registry::check()?;
        spec.cgroups = self.cgroups()?;
        Ok(spec)
    }

    /// Returns where the cgroups of runs are made, if they get any.
    fn cgroups(&self) -> Result<Option<Arc<CgroupHome>>, Error> {
        let home = CgroupHome::find(self.containment);
        let home =
            home.map_err(|problem| Error::invalid_setting(format!("no job can have a cgroup of its own: {problem}")))?;
        Ok(home.map(Arc::new))
    }

    /// Returns what gets a crew out of its quarters, once this process has been prepared for it.
    pub(crate) fn pool(
        &self,
        shared_pool: &SharedPool,
    ) -> Result<impl FnOnce() -> Result<WardenPool, Error> + Send + use<>, Error> {
        let launcher = self.launcher(Launcher::for_jobs)?;
        let (shared_pool, method, start_limit) = (shared_pool.clone(), self.start_method, self.start_timeout);
        Ok(move || shared_pool.open(launcher, method, start_limit))
    }

    /// Returns how to launch copies of this process that will know what they are there for, and prepares it for them.
    /// Returns the crew of a test whose body prints to this outlet.
    pub(crate) fn crew_of_test(&self, test: TestEntry, default_output: DefaultOutput) -> Result<WardenPool, Error> {
        Ok(WardenPool::printing_to(default_output, self.launcher(|| Launcher::for_test(test))?))
    }

    /// Returns what `find` finds, if jobs can run in this process.
    fn launcher(&self, find: impl FnOnce() -> Result<Launcher, Error>) -> Result<Launcher, Error> {
        // Its copies would take no orders.
        if process::makes_privileged_copies() {
            return Err(Error::privileged());
        }
        let launcher = find()?;
        self.orphans.arrange().map_err(|error| Error::internal("make this process a subreaper", error))?;
        Ok(launcher)
    }

    fn check(&self) -> Result<(), Error> {
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
        if let Some(problem) = self.options.problem() {
            return Err(Error::invalid_setting(problem));
        }
        self.rules().map(drop)
    }

    /// Returns the line of a job's group.
    fn line(&self, id: &str, spec: &JobSpec) -> Result<usize, Error> {
        let Some(group) = &spec.options.group else {
            return Ok(0);
        };
        let line = self.groups.line(group);
        line.map_err(|problem| {
            Error::invalid_setting(format!("`{}` (job `{}`): {problem}", OneLine(id), spec.entry.name()))
        })
    }

    fn spec(&self, id: Option<&str>, call: &AnyJob) -> Result<JobSpec, Error> {
        let whose = || {
            id.map_or_else(
                || format!("job `{}`", call.name()),
                |id| format!("`{}` (job `{}`)", OneLine(id), call.name()),
            )
        };
        let said = call.options.as_deref().cloned().unwrap_or_default();
        let options = said.over(&call.entry.options()).over(&self.options);
        if options.timeout == Some(Duration::ZERO) {
            return Err(Error::invalid_timeout(&format!(" of {}", whose())));
        }
        if let Some(problem) = options.problem() {
            return Err(Error::invalid_setting(format!("{}: {problem}", whose())));
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
            // It costs this job its run, and no other one.
            Err(problem) => (Arc::default(), Some(problem.into())),
        };
        Ok(JobSpec {
            id: id.unwrap_or(call.name()).into(),
            attempt: 1,
            checkpoint: call.checkpoint.clone(),
            entry: call.entry,
            arguments,
            unserializable,
            limit: options.timeout.unwrap_or(Duration::MAX).min(self.ceiling.unwrap_or(Duration::MAX)),
            options: Arc::new(options),
            line: 0,
            list_limit: self.total_timeout.unwrap_or(Duration::MAX),
            start_limit: self.start_timeout,
            delivery_limit: self.delivery_timeout,
            orphans: self.orphans,
            cgroups: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::options::OWN;
    use crate::process::{MARKER, RUN_MARKER};

    #[test]
    fn the_variables_that_nobody_may_change_are_those_that_are_read() {
        assert_eq!(OWN, [RUN_MARKER, MARKER]);
    }
}
