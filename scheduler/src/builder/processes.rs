//! How the processes of jobs are made, grouped and found.

use super::Scheduler;
use crate::error::Error;
use crate::options::{Containment, StartMethod};
use crate::process::Orphans;
use crate::settings::CopyArguments;
use crate::supervisor::SharedPool;

/// # Processes
impl<F> Scheduler<F> {
    /// Sets how the processes of jobs are made: [`StartMethod::Exec`] unless set.
    #[doc(alias = "fork")]
    #[doc(alias = "spawn")]
    #[doc(alias = "multiprocessing")]
    pub fn start_method(mut self, start_method: StartMethod) -> Self {
        self.settings_mut().start_method = start_method;
        self.shared_pool = SharedPool::default();
        self
    }

    /// Keeps `count` processes of the next calls ready between calls: 0 unless set.
    ///
    /// Such a process has come as far as [`init`](crate::init) when the call begins, so that the call doesn't wait for its
    /// start. Each serves one call, after which the next one is made; it is as fresh as any other. Of the user's code, only
    /// what stands before `init()` runs early. The environment and the working directory are those of the call. If the
    /// application has changed its limits, credentials, priorities or the like, other processes are made, and so after a
    /// minute. They don't count as running jobs, and serve lists, awaited lists and spawned jobs alike.
    ///
    /// The processes are made after the first call, or by [`prewarm`](Self::prewarm).
    ///
    /// The idea is that of a prefork server's spare processes.
    ///
    /// # Platform
    ///
    /// Linux, unless threads are started before `init()`. Elsewhere it has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, Scheduler};
    ///
    /// #[job(timeout = "2s", memory = "256MiB")]
    /// fn parse(untrusted: String) -> Option<u64> { untrusted.trim().parse().ok() }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let scheduler = Scheduler::new().concurrency(4).standby(2);
    ///     scheduler.prewarm()?;
    ///     for request in ["17", " 4\n", "x"] {
    ///         let records = scheduler.run(jobs![("request", parse(request.into()))])?;
    ///         assert_eq!(records[0].result::<Option<u64>>()?, request.trim().parse().ok());
    ///     }
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "prefork")]
    #[doc(alias = "spare")]
    #[doc(alias = "min_idle")]
    pub fn standby(mut self, count: usize) -> Self {
        self.settings_mut().standby = count;
        self
    }

    /// Starts the processes that stay between calls, so that the first jobs don't wait for them: one for each job that may
    /// run at a time. Returns at once.
    ///
    /// A service calls it before its first request. Those that exist already count.
    ///
    /// # Errors
    ///
    /// Fails if this process can't run jobs ([`is_not_initialised`](Error::is_not_initialised)), or if a process can't be
    /// started. A fork server that starts and can't fork makes the first call fail, as without `prewarm`.
    ///
    /// # Platform
    ///
    /// Linux. Elsewhere no process stays, and nothing is started.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, Scheduler, StartMethod};
    ///
    /// #[job]
    /// fn square(n: u64) -> u64 { n * n }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let scheduler = Scheduler::new().concurrency(4).start_method(StartMethod::Auto);
    ///     scheduler.prewarm()?;
    ///     // … whatever else the service prepares …
    ///     assert_eq!(scheduler.run(jobs![("a", square(12))])?[0].result::<u64>()?, 144);
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "warm_up")]
    #[doc(alias = "prestart")]
    pub fn prewarm(&self) -> Result<(), Error> {
        if self.settings.open_slots()? {
            return Ok(());
        }
        self.shared_pool.start_ahead(self.settings.pool_settings()?)
    }

    /// Replaces the processes that stay between calls: those that are free exit now, and the others after their runs.
    ///
    /// It is needed only after a change of this process that later processes inherit and that can't be read, such as another
    /// Landlock domain. Changes of the environment, the working directory, the umask, limits, credentials, capabilities,
    /// priorities, affinity, seccomp filters, namespaces, cgroup and root are noticed, and reach the next call without it.
    #[doc(alias = "restart")]
    #[doc(alias = "reset")]
    pub fn renew(&self) {
        self.shared_pool.renew();
    }

    /// Passes the arguments of this process on to the copies that run jobs, which get none unless this is set.
    ///
    /// A copy executes `main` up to [`init`](crate::init). If `main` reads its arguments before that, to find the
    /// configuration or to set up logging, the copy does the same with the same arguments, and so does a
    /// [set-up](crate::init_with), or a job itself.
    ///
    /// In a test the arguments are those of the test harness, and this has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, Scheduler};
    ///
    /// #[job]
    /// fn arguments() -> usize { std::env::args().count() }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let records = Scheduler::new().pass_args().run(jobs![("J1", arguments)])?;
    ///     assert_eq!(records[0].result::<usize>()?, std::env::args().count());
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "argv")]
    pub fn pass_args(mut self) -> Self {
        self.settings_mut().arguments = CopyArguments::Passed;
        self.shared_pool = SharedPool::default();
        self
    }

    /// Sets whether each run gets a cgroup of its own: [`Containment::None`] unless set.
    ///
    /// The kernel kills a cgroup at once, however fast its processes fork. The group is made below the application's own
    /// cgroup, under a name that begins with `scheduler-`, and removed before the job is recorded. If it is required and
    /// can't be made, that is an error when the jobs are run.
    ///
    /// # Platform
    ///
    /// Linux; see [`Containment`].
    #[doc(alias = "cgroup")]
    pub fn containment(mut self, containment: Containment) -> Self {
        self.settings_mut().containment = containment;
        self
    }

    /// Lets this process adopt the leftovers of jobs whose warden was lost, and kill them.
    ///
    /// The warden, a small process between this one and the job, kills everything that the job started. If the warden
    /// itself is killed, by the job or by an operator, the job dies with it. Other processes of the job are then found by
    /// an environment variable that they inherited, `SCHEDULER_RUN`, and by the job's session. A process that has left both
    /// is found only if orphans become children of this process.
    ///
    /// # Platform
    ///
    /// On Linux [`run`](Self::run) then makes this process a subreaper, permanently. **Once a warden was lost, any child of
    /// this process that isn't a warden is taken for a job's**: set this only in an application that starts no process by
    /// other means. It has no effect on other systems.
    #[doc(alias = "subreaper")]
    pub fn adopt_orphans(mut self) -> Self {
        self.settings.orphans = Orphans::Adopted;
        self
    }
}
