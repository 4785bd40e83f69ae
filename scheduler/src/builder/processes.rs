//! How the processes of jobs are made, grouped and found.

use super::Scheduler;
use crate::options::{Containment, StartMethod};
use crate::process::Orphans;
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
