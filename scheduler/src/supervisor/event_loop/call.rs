//! The call of a job's function: in the process that was made ahead for it, or in a new one.

use std::io;
#[cfg(feature = "remote")]
use std::time::Duration;

use super::EventLoop;
#[cfg(feature = "remote")]
use crate::supervisor::attempts::PendingRun;
use crate::supervisor::execution::Execution;
#[cfg(feature = "remote")]
use crate::supervisor::job_event::EventDetail;
use crate::supervisor::job_run::JobRun;
use crate::supervisor::job_spec::JobSpec;
use crate::supervisor::queue::QueueKey;
#[cfg(feature = "remote")]
use crate::supervisor::remote_run::{LoopSlots, RemoteRun};
use crate::supervisor::shared_pool::Need;

impl EventLoop<'_> {
    /// Calls the function, in the process that was prespawned for it or in a new one. Returns `None` if there is no warden
    /// to make that yet.
    pub(super) fn call(&mut self, key: QueueKey, spec: &JobSpec) -> io::Result<Option<Execution>> {
        #[cfg(feature = "remote")]
        if spec.is_remote()
            && let (Some(slots), Some(mailbox)) = (self.config.slots.as_ref().and_then(LoopSlots::get), self.mailbox)
        {
            if !self.begin_in_journal(spec) {
                return Ok(None);
            }
            let is_watched = self.config.detail == EventDetail::All || spec.journal.is_some();
            let run = RemoteRun::start(spec.clone(), key.number, is_watched, mailbox, &slots);
            return Ok(Some(Execution::Remote(run)));
        }
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
        if !self.begin_in_journal(spec) {
            run.discard(self.pool);
            return Ok(None);
        }
        run.call(self.pool);
        Ok(Some(Execution::Process(run)))
    }

    /// Returns for how long an attempt that an earlier run of the application has begun may run on, if that may have been on another
    /// machine.
    #[cfg(feature = "remote")]
    pub(super) fn overlap(&self, pending: &PendingRun) -> Option<Duration> {
        let slots =
            self.config.slots.as_ref().filter(|_| pending.spec.is_remote() && pending.follows_unproved_attempt())?;
        slots.get().map(|slots| slots.longest_life())
    }

    /// Writes the start of an attempt to the journal, before its function can run. Returns `false` if that failed: then nothing
    /// starts any more.
    fn begin_in_journal(&mut self, spec: &JobSpec) -> bool {
        let failed = spec.journal.as_ref().is_some_and(|journal| journal.start(spec.attempt).is_break());
        self.is_stopped |= failed;
        !failed
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
