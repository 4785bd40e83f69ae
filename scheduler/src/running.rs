//! `Running`: a list of jobs that runs while it is awaited.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::call::AnyJob;
use crate::error::Error;
use crate::follow_up::{CallFollowUp, FollowUp, NoFollowUp};
use crate::record::Record;
use crate::recorder::Recorder;
use crate::settings::Settings;
use crate::supervisor::{ListThread, SharedPool};

/// A list of jobs that runs while it is awaited: what [`Scheduler::run_async`](crate::Scheduler::run_async) returns.
///
/// It needs no runtime, and is `Send` wherever its follow-up may be used from several threads (`Send` and `Sync`).
/// Dropping it before its end has the jobs that run killed, and starts no more.
#[must_use = "jobs that nobody awaits are not started"]
pub struct Running<F = NoFollowUp> {
    list: List,
    follow_up: Arc<F>,
}

enum List {
    Waiting(Box<Settings>, SharedPool, Vec<(String, AnyJob)>),
    Watched(ListThread, Recorder),
    Over,
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
    /// If it is polled once more after its end.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { list, follow_up } = &mut *self;
        list.poll(context, &**follow_up)
    }
}

impl List {
    fn poll(&mut self, context: &mut Context<'_>, follow_up: &dyn CallFollowUp) -> Poll<Result<Vec<Record>, Error>> {
        // Whatever panics in here, what goes on is dropped, and with it the jobs end.
        let (mut watch, mut recorder) = match mem::replace(self, Self::Over) {
            Self::Waiting(settings, shared_pool, jobs) => match watch(&settings, shared_pool, &jobs) {
                Ok(Some(watch)) => (watch, Recorder::open(jobs, settings.observers)),
                Ok(None) => return Poll::Ready(Ok(Vec::new())),
                Err(error) => return Poll::Ready(Err(error)),
            },
            Self::Watched(watch, recorder) => (watch, recorder),
            Self::Over => panic!("a `Running` that has ended was polled again"),
        };
        loop {
            match watch.poll(context) {
                Poll::Ready(Some(told)) => {
                    if recorder.enter(told.index, told.event, follow_up).is_break() {
                        watch.stop();
                    }
                    drop(told.follow_up_turn);
                }
                Poll::Ready(None) => return Poll::Ready(watch.failure().map_or_else(|| recorder.close(), Err)),
                Poll::Pending => {
                    *self = Self::Watched(watch, recorder);
                    return Poll::Pending;
                }
            }
        }
    }
}

/// Has the jobs run, if there are any.
fn watch(settings: &Settings, shared_pool: SharedPool, jobs: &[(String, AnyJob)]) -> Result<Option<ListThread>, Error> {
    let specs = settings.specs(jobs)?;
    if specs.is_empty() {
        return Ok(None);
    }
    let open = settings.pool(&shared_pool)?;
    ListThread::start(specs, open, move |pool| shared_pool.keep(pool), settings.rules()?).map(Some)
}

impl<F> fmt::Debug for Running<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.list {
            List::Waiting(..) => "not yet polled",
            List::Watched(..) => "under way",
            List::Over => "over",
        };
        f.debug_tuple("Running").field(&format_args!("{state}")).finish()
    }
}
