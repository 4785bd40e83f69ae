//! What a list that is dropped early owes its observers: the rest of its events, and a record of each job.

use std::sync::{Arc, Mutex};
use std::thread;

use crate::panic_guard::guarded;
use crate::supervisor::{JobEvent, ListThread};
use crate::sync::lock;

/// The jobs of a list that have no record yet, with their observers.
pub(crate) trait Unrecorded: Send + 'static {
    /// Called on the thread that records them, before anything else.
    fn begin(&mut self) {}

    /// Notifies the observers of an event of a job, and of its record if it has finished.
    fn observe(&mut self, index: usize, event: JobEvent);

    /// Notifies the observers of a record of each job that has none: no further event will come.
    fn record_unfinished(&mut self);
}

/// Receives the rest of the events of a list that was dropped, whose jobs are being killed, and notifies its observers.
///
/// A new thread does this: the thread that drops a list may belong to an async runtime, which must not be blocked. If none can be
/// started, it is done here, as every job that was queued must be recorded.
pub(crate) fn record_rest(list: ListThread, jobs: impl Unrecorded) {
    let rest = Arc::new(Mutex::new(Some((list, jobs))));
    let record = {
        let rest = Arc::clone(&rest);
        move || {
            let rest = lock(&rest).take();
            if let Some((list, jobs)) = rest {
                receive_rest(list, jobs);
            }
        }
    };
    if thread::Builder::new().name("scheduler-notifier".to_owned()).spawn(record).is_err() {
        let rest = lock(&rest).take();
        if let Some((list, jobs)) = rest {
            receive_rest(list, jobs);
        }
    }
}

fn receive_rest(mut list: ListThread, mut jobs: impl Unrecorded) {
    jobs.begin();
    // If the list's thread has panicked, this does, too.
    let _ = guarded(|| {
        while let Some(event) = list.recv() {
            // A follow-up is not called any more: its turn is over at once.
            drop(event.follow_up_turn);
            jobs.observe(event.index, event.event);
        }
    });
    // An observer may have forked this process: the original goes on.
    if list.is_here() {
        jobs.record_unfinished();
    }
}
