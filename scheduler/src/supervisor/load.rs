//! `Load`: how many jobs of a scheduler wait and run. `LoadToken`: the share of one job.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::sync::lock;

/// The jobs of all lists of a scheduler, and its spawned ones.
#[derive(Debug, Default)]
pub(crate) struct Load {
    queued: AtomicUsize,
    running: AtomicUsize,
    /// The most wardens that jobs have needed at the same time: for those that ran, and those that waited for one.
    peak: AtomicUsize,
}

/// Counts a job as queued or as running until it has ended, or is dropped before that.
#[derive(Debug)]
pub(crate) struct LoadToken {
    load: Arc<Load>,
    counted: Mutex<CountedAs>,
}

/// As what a job is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CountedAs {
    Queued,
    Running,
    Ended,
}

impl Load {
    /// Counts one more job that waits.
    pub(crate) fn enqueue(self: &Arc<Self>) -> Arc<LoadToken> {
        self.queued.fetch_add(1, Ordering::Relaxed);
        Arc::new(LoadToken { load: Arc::clone(self), counted: Mutex::new(CountedAs::Queued) })
    }

    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// Notes that this many jobs wait for nothing but a warden.
    pub(super) fn note_waiting(&self, jobs: usize) {
        self.peak.fetch_max(self.running().saturating_add(jobs), Ordering::Relaxed);
    }

    pub(super) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }
}

impl LoadToken {
    /// Counts the job as running.
    pub(super) fn start(&self) {
        let mut counted = lock(&self.counted);
        if *counted == CountedAs::Queued {
            *counted = CountedAs::Running;
            self.load.queued.fetch_sub(1, Ordering::Relaxed);
            let running = self.load.running.fetch_add(1, Ordering::Relaxed) + 1;
            self.load.peak.fetch_max(running, Ordering::Relaxed);
        }
    }

    /// Counts the job as waiting again: its process could not start, or another attempt follows.
    pub(super) fn requeue(&self) {
        let mut counted = lock(&self.counted);
        if *counted == CountedAs::Running {
            *counted = CountedAs::Queued;
            self.load.running.fetch_sub(1, Ordering::Relaxed);
            self.load.queued.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts the job no more. It has ended, and who learns that finds it so in the load, although copies of its specification may
    /// still be there.
    pub(super) fn end(&self) {
        let count = match std::mem::replace(&mut *lock(&self.counted), CountedAs::Ended) {
            CountedAs::Queued => &self.load.queued,
            CountedAs::Running => &self.load.running,
            CountedAs::Ended => return,
        };
        count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for LoadToken {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_counted_once_wherever_it_is() {
        let load = Arc::new(Load::default());
        let counted = || (load.queued(), load.running(), load.peak());
        let [one, other] = [load.enqueue(), load.enqueue()];
        assert_eq!(counted(), (2, 0, 0));
        for _ in 0..2 {
            one.start();
            assert_eq!(counted(), (1, 1, 1));
        }
        for _ in 0..2 {
            one.requeue();
            assert_eq!(counted(), (2, 0, 1));
        }
        one.start();
        other.start();
        let copy = Arc::clone(&one);
        copy.end();
        drop((one, copy));
        assert_eq!(counted(), (0, 1, 2));
        load.note_waiting(2);
        drop(other);
        assert_eq!(counted(), (0, 0, 3));
    }
}
