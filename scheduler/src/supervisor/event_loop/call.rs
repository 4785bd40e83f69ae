//! The call of a job's function: in the process that was made ahead for it, or in a new one.

use std::io;

use super::EventLoop;
use crate::supervisor::job_run::JobRun;
use crate::supervisor::job_spec::JobSpec;
use crate::supervisor::queue::QueueKey;
use crate::supervisor::shared_pool::Need;

impl EventLoop<'_> {
    /// Calls the function, in the process that was prespawned for it or in a new one. Returns `None` if there is no warden
    /// to make that yet.
    pub(super) fn call(&mut self, key: QueueKey, spec: &JobSpec) -> io::Result<Option<JobRun>> {
        let mut run = match self.prespawned.take(key) {
            Some(run) if run.is_callable() => run,
            exited => {
                // Its function was not called, so that a new process may take its place.
                if let Some(run) = exited {
                    run.discard(self.pool);
                }
                match self.spawn_likely(spec)? {
                    Some(run) => run,
                    None => match self.pool.acquire(Need::JOB)? {
                        Some(warden) => JobRun::spawn(spec.clone(), warden, self.pool)?,
                        None => return Ok(None),
                    },
                }
            }
        };
        // The journal has the attempt before its function can run.
        if spec.journal.as_ref().is_some_and(|journal| journal.start(spec.attempt).is_break()) {
            run.discard(self.pool);
            self.is_stopped = true;
            return Ok(None);
        }
        run.call(self.pool);
        Ok(Some(run))
    }

    /// Makes a process through a warden that most likely has the state of the application, and looks that up meanwhile,
    /// which takes nearly as long. Returns `None` if there is no such warden, or the state is another one.
    fn spawn_likely(&mut self, spec: &JobSpec) -> io::Result<Option<JobRun>> {
        let Some(warden) = self.pool.acquire_likely() else {
            return Ok(None);
        };
        let state = warden.state;
        let spawned = JobRun::spawn(spec.clone(), warden, self.pool);
        if self.pool.confirm(state) {
            return spawned.map(Some);
        }
        // The state may be one that can't be sent, and the error that.
        if let Ok(run) = spawned {
            run.discard(self.pool);
        }
        Ok(None)
    }
}
