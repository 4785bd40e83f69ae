//! `Stream`: the records of a list as they are made, blocking or awaited.

use std::fmt;
use std::future::poll_fn;
use std::iter::FusedIterator;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::call::AnyJob;
use crate::error::Error;
use crate::follow_up::{CallFollowUp, FollowUp, NoFollowUp};
use crate::into_job::ListedJob;
use crate::journal::FollowUps;
use crate::open_list::OpenList;
use crate::record::Record;
use crate::settings::Settings;
use crate::supervisor::{OnSuccess, SharedPool};

/// The records of a list of jobs, in the order in which the jobs finish: what
/// [`Scheduler::stream`](crate::Scheduler::stream) returns.
///
/// An [`Iterator`], whose `next` blocks; [`recv`](Self::recv) is awaited instead, on any executor or none. With the feature
/// `stream` it is also a `futures_core::Stream`. Where `StreamExt` and [`Iterator`] are both in scope, a method that both have, such
/// as `next` or `map`, is ambiguous (E0034): write `StreamExt::next(&mut records).await`, or `Iterator::next(&mut records)`.
///
/// Jobs are drawn from their iterator while the records are taken: at most twice as many as the scheduler's
/// [concurrency](crate::Scheduler::concurrency) (and at most 65,536) are in flight, that is drawn, and without a record
/// that was returned, beside up to 1,024 that wait for their next attempt. A million jobs, or an endless iterator, need no
/// more memory than a few. A consumer that takes no records stops the drawing; what runs goes on, within its timeouts.
/// An iterator that waits for its next job, as that of a channel does, is asked when no record is there: it holds up the
/// records of jobs that finish meanwhile, and blocks a task. [Priorities](macro@crate::job#priority) and [groups](macro@crate::job#group) choose among the jobs that are drawn.
///
/// Once a token is [drained](crate::CancelToken::drain) or cancelled, the [total timeout](crate::Scheduler::total_timeout)
/// has passed, or [`on_failure`](crate::Scheduler::on_failure) stops the list, no more jobs are drawn. Those that were drawn
/// before get their records; a stream that starts with such a token draws none.
///
/// **Dropping it kills the running jobs**, with everything that they started, and starts no more.
#[must_use = "dropping a stream kills its jobs"]
pub struct Stream<J, F = NoFollowUp> {
    jobs: J,
    /// `None` if no job was drawn.
    list: Option<OpenList>,
    follow_up: Arc<F>,
    is_over: bool,
}

impl<J: Iterator<Item: ListedJob>, F: FollowUp> Stream<J, F> {
    /// Starts the first jobs.
    pub(crate) fn start(
        settings: &Settings,
        shared_pool: &SharedPool,
        mut jobs: J,
        follow_up: Arc<F>,
        on_success: OnSuccess,
    ) -> Result<Self, Error> {
        let follow_ups = FollowUps::from(&*follow_up as &dyn CallFollowUp);
        let list = OpenList::start(settings, shared_pool, &mut listed(&mut jobs), on_success, follow_ups)?;
        Ok(Self { jobs, is_over: list.is_none(), list, follow_up })
    }

    /// Waits for the next record; returns `None` after the last one. As `next`, but awaited.
    ///
    /// Can be dropped early, as in a `select!`, without losing a record.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, Scheduler};
    ///
    /// #[job]
    /// fn square(n: u64) -> u64 { n * n }
    ///
    /// #[scheduler::main]
    /// #[tokio::main]
    /// async fn main() -> Result<(), scheduler::Error> {
    ///     let mut records = Scheduler::new().stream(jobs![("a", square(12)), ("b", square(13))])?;
    ///     let mut sum = 0;
    ///     while let Some(record) = records.recv().await {
    ///         sum += record.result::<u64>()?;
    ///     }
    ///     assert_eq!(sum, 144 + 169);
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "next")]
    pub async fn recv(&mut self) -> Option<Record> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// Returns the next record, `None` after the last one, or wakes the task when there is one.
    #[doc(alias = "poll_next")]
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Record>> {
        let next = match self.open_list() {
            None => None,
            Some((list, jobs, follow_up)) => ready!(list.poll(&mut listed(jobs), follow_up, context)),
        };
        self.is_over = next.is_none();
        Poll::Ready(next.map(|(_, record)| record))
    }

    /// As [`poll_recv`](Self::poll_recv), but draws only jobs that are there without waiting, by the `size_hint` of their
    /// iterator. When further ones are there, it is to be polled again.
    #[cfg(feature = "cli")]
    pub(crate) fn poll_certain(&mut self, context: &mut Context<'_>) -> Poll<Option<(usize, Record)>> {
        let next = match self.open_list() {
            None => None,
            Some((list, jobs, follow_up)) => ready!(list.poll_certain(&mut listed(jobs), follow_up, context)),
        };
        self.is_over = next.is_none();
        Poll::Ready(next)
    }

    /// Waits for the next record, and returns it with the index of its job.
    pub(crate) fn next_with_index(&mut self) -> Option<(usize, Record)> {
        let next = self.open_list().and_then(|(list, jobs, follow_up)| list.recv(&mut listed(jobs), follow_up));
        self.is_over = next.is_none();
        next
    }

    /// Cancels the jobs that run, and draws no more.
    pub(crate) fn cancel(&mut self) {
        if let Some(list) = &mut self.list {
            list.cancel();
        }
    }

    /// Returns the list, unless it is over, with the jobs that it may draw and its follow-up.
    fn open_list(&mut self) -> Option<(&mut OpenList, &mut J, &F)> {
        let list = self.list.as_mut().filter(|_| !self.is_over)?;
        Some((list, &mut self.jobs, &*self.follow_up))
    }
}

fn listed<J: Iterator<Item: ListedJob>>(jobs: &mut J) -> impl Iterator<Item = (String, AnyJob)> {
    jobs.map(ListedJob::into_listed)
}

impl<J, F> Stream<J, F> {
    /// Returns why the stream has ended, or will end, before the last of its jobs; `None` if it has not.
    ///
    /// A job may be invalid: the jobs before it still run, and no further one is drawn. A
    /// [follow-up](crate::Scheduler::on_timeout) or the [journal](crate::Scheduler::journal) may have failed: no further job starts,
    /// and the records of the running ones still come. Or this process is a fork of the one that made the stream.
    ///
    /// An iterator that ends looks the same in each case: where all records matter, borrow the stream in the loop
    /// (`for record in stream.by_ref()`), and ask afterwards.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduler::{job, Scheduler};
    ///
    /// #[job]
    /// fn square(n: u64) -> u64 { n * n }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let jobs = (0..100).map(|n| {
    ///         let job = square::job(n);
    ///         (n.to_string(), if n == 50 { job.timeout(Duration::ZERO) } else { job })
    ///     });
    ///     let mut records = Scheduler::new().stream(jobs)?;
    ///     assert_eq!(records.by_ref().count(), 50);
    ///     assert!(records.error().unwrap().is_invalid_timeout());
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        self.list.as_ref().and_then(OpenList::error)
    }

    /// Returns what [`error`](Self::error) does, by value.
    pub(crate) fn into_error(self) -> Option<Error> {
        self.list.and_then(OpenList::into_error)
    }
}

impl<J: Iterator<Item: ListedJob>, F: FollowUp> Iterator for Stream<J, F> {
    type Item = Record;

    /// Waits for the next record.
    fn next(&mut self) -> Option<Record> {
        self.next_with_index().map(|(_, record)| record)
    }
}

impl<J: Iterator<Item: ListedJob>, F: FollowUp> FusedIterator for Stream<J, F> {}

/// Nothing in it is pinned.
impl<J, F> Unpin for Stream<J, F> {}

#[cfg(feature = "stream")]
impl<J: Iterator<Item: ListedJob>, F: FollowUp> futures_core::Stream for Stream<J, F> {
    type Item = Record;

    fn poll_next(mut self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Record>> {
        self.poll_recv(context)
    }
}

impl<J, F> fmt::Debug for Stream<J, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("is_over", &self.is_over).field("error", &self.error()).finish_non_exhaustive()
    }
}
