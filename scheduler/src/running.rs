//! `Running`: a list of jobs that runs while it is awaited.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::call::AnyJob;
use crate::error::Error;
use crate::follow_up::{CallFollowUp, FollowUp, NoFollowUp};
use crate::ledger::Ledger;
use crate::record::Record;
use crate::settings::Settings;
use crate::supervisor::{Quarters, Watch};

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
    Waiting(Box<Settings>, Quarters, Vec<(String, AnyJob)>),
    Watched(Watch, Ledger),
    Over,
}

impl<F> Running<F> {
    pub(crate) fn new(settings: Settings, quarters: Quarters, jobs: Vec<(String, AnyJob)>, follow_up: Arc<F>) -> Self {
        Self { list: List::Waiting(Box::new(settings), quarters, jobs), follow_up }
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
        let (mut watch, mut ledger) = match mem::replace(self, Self::Over) {
            Self::Waiting(settings, quarters, jobs) => match watch(&settings, quarters, &jobs) {
                Ok(Some(watch)) => (watch, Ledger::open(jobs, settings.audience)),
                Ok(None) => return Poll::Ready(Ok(Vec::new())),
                Err(error) => return Poll::Ready(Err(error)),
            },
            Self::Watched(watch, ledger) => (watch, ledger),
            Self::Over => panic!("a `Running` that has ended was polled again"),
        };
        loop {
            match watch.poll(context) {
                Poll::Ready(Some(told)) => {
                    if ledger.enter(told.index, told.news, follow_up).is_break() {
                        watch.stop();
                    }
                    drop(told.turn);
                }
                Poll::Ready(None) => return Poll::Ready(watch.failure().map_or_else(|| ledger.close(), Err)),
                Poll::Pending => {
                    *self = Self::Watched(watch, ledger);
                    return Poll::Pending;
                }
            }
        }
    }
}

/// Has the jobs run, if there are any.
fn watch(settings: &Settings, quarters: Quarters, jobs: &[(String, AnyJob)]) -> Result<Option<Watch>, Error> {
    let orders = settings.orders(jobs)?;
    if orders.is_empty() {
        return Ok(None);
    }
    let open = settings.crew(&quarters)?;
    Watch::start(orders, open, move |crew| quarters.keep(crew), settings.rules()?).map(Some)
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
