//! `Running`: the future of a list of jobs.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::call::AnyJob;
use crate::error::Error;
use crate::follow_up::{CallFollowUp, FollowUp, NoFollowUp};
use crate::journal::FollowUps;
use crate::record::Record;
use crate::recorder::{RecordedList, Recorder};
use crate::settings::Settings;
use crate::supervisor::{ListThread, Records, SharedPool, Submissions};

/// A list of jobs that runs while it is awaited: what [`Scheduler::run_async`](crate::Scheduler::run_async) returns.
///
/// It needs no runtime, and is `Send` wherever its follow-up may be used from several threads (`Send` and `Sync`).
/// Dropping it early kills the running jobs, and starts no more.
#[must_use = "no job starts before the future is awaited"]
pub struct Running<F = NoFollowUp> {
    list: List,
    follow_up: Arc<F>,
}

enum List {
    Waiting(Box<Settings>, SharedPool, Vec<(String, AnyJob)>),
    Running(RecordedList),
    Finished,
}

impl<F> Running<F> {
    pub(crate) fn new(
        settings: Settings,
        shared_pool: SharedPool,
        jobs: Vec<(String, AnyJob)>,
        follow_up: Arc<F>,
    ) -> Self {
        Self { list: List::Waiting(Box::new(settings), shared_pool, jobs), follow_up }
    }
}

impl<F: FollowUp> Future for Running<F> {
    type Output = Result<Vec<Record>, Error>;

    /// # Panics
    ///
    /// If it is polled again after it has returned its output.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { list, follow_up } = &mut *self;
        list.poll(context, &**follow_up)
    }
}

impl List {
    fn poll(&mut self, context: &mut Context<'_>, follow_up: &dyn CallFollowUp) -> Poll<Result<Vec<Record>, Error>> {
        // If anything panics in here, the list is dropped, which kills the jobs.
        let mut list = match mem::replace(self, Self::Finished) {
            Self::Waiting(settings, shared_pool, jobs) => {
                match start(*settings, &shared_pool, jobs, follow_up.into()) {
                    Ok(Some(list)) => list,
                    Ok(None) => return Poll::Ready(Ok(Vec::new())),
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            Self::Running(list) => list,
            Self::Finished => panic!("a `Running` was polled after it had finished"),
        };
        let polled = list.poll(context, follow_up);
        if polled.is_pending() {
            *self = Self::Running(list);
        }
        polled
    }
}

/// Starts the thread that runs the jobs, if there are any.
fn start(
    settings: Settings,
    shared_pool: &SharedPool,
    jobs: Vec<(String, AnyJob)>,
    follow_ups: FollowUps,
) -> Result<Option<RecordedList>, Error> {
    let (specs, journaled) = settings.list(&jobs, shared_pool, follow_ups)?;
    if specs.is_empty() {
        return Ok(None);
    }
    let config = settings.loop_config()?;
    let thread =
        ListThread::start(specs, settings.pool(shared_pool)?, config, Submissions::Complete, Records::Collected)?;
    let recorder = Recorder::new(jobs, settings.observers, settings.answers, journaled);
    Ok(Some(RecordedList::new(thread, recorder)))
}

impl<F> fmt::Debug for Running<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.list {
            List::Waiting(..) => "not polled yet",
            List::Running(..) => "running",
            List::Finished => "finished",
        };
        f.debug_tuple("Running").field(&format_args!("{state}")).finish()
    }
}
