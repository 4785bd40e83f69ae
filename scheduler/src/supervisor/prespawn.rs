//! `Prespawned`: processes that are started before their job's turn, while other jobs run.

use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::thread;

use super::attempts::PendingRun;
use super::job_run::JobRun;
use super::queue::{Queue, QueueKey};
use super::shared_pool::Need;
use super::warden_pool::WardenPool;
use crate::clock::Deadline;
use crate::process::PerProcess;

/// The processes of waiting jobs. Each is bound to its job, which keeps its place in the queue.
#[derive(Debug, Default)]
pub(super) struct Prespawned(Vec<(QueueKey, JobRun)>);

impl Prespawned {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes and returns the process of this job.
    pub(super) fn take(&mut self, key: QueueKey) -> Option<JobRun> {
        let index = self.0.iter().position(|(of, _)| *of == key)?;
        Some(self.0.remove(index).1)
    }

    pub(super) fn discard_all(&mut self, pool: &mut WardenPool) {
        self.0.drain(..).for_each(|(_, run)| run.discard(pool));
    }

    /// Drops all processes, in a fork of the one that started them.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    /// Starts the processes of the next jobs, one for each of the `up` processes that run, but not more than there are
    /// cores. Returns how many wardens it lacks for that; `waiting` are lacking for jobs whose turn it is.
    pub(super) fn refill(
        &mut self,
        up: usize,
        waiting: usize,
        queue: &Queue<PendingRun, Deadline>,
        pool: &mut WardenPool,
    ) -> usize {
        // With one core a start can't be hidden behind the jobs that run.
        let wanted = if cores() > 1 && pool.looks_ahead() { up.min(cores()) } else { 0 };
        if self.0.len() >= wanted {
            return 0;
        }
        for (key, pending) in queue.peek(wanted) {
            if self.0.len() >= wanted {
                return 0;
            }
            if pending.spec.unserializable.is_some()
                || pending.spec.is_remote()
                || self.0.iter().any(|(of, _)| *of == key)
            {
                continue;
            }
            // A failure now is tried again, and reported, at the job's turn.
            let warden = match pool.acquire(Need { jobs: waiting, ahead: 1 }) {
                Ok(Some(warden)) => warden,
                Ok(None) => return wanted - self.0.len(),
                Err(_) => return 0,
            };
            let Ok(mut run) = JobRun::spawn(pending.spec.clone(), warden, pool) else {
                return 0;
            };
            run.is_prespawned = true;
            self.0.push((key, run));
        }
        0
    }
}

/// Returns how many cores this process may use. Asking the kernel takes a dozen system calls, so it is done once.
fn cores() -> usize {
    static CORES: PerProcess<OnceLock<usize>> = PerProcess::new(OnceLock::new());
    *CORES.here().get_or_init(|| thread::available_parallelism().map_or(1, NonZeroUsize::get))
}
