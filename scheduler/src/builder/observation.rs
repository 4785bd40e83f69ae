//! Observers and cancellation.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Scheduler;
use crate::observer::Observer;
use crate::options::option_setters;
use crate::supervisor::CancelToken;

/// # Observation and control
impl<F> Scheduler<F> {
    /// Adds an [observer](Observer), which receives the events of all jobs. There may be several.
    #[doc(alias = "progress")]
    #[doc(alias = "listener")]
    #[doc(alias = "hook")]
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.settings_mut().observers.add(Arc::new(observer));
        self
    }

    /// Sets the function that answers the questions of jobs of one type: what [`this_job::ask`](crate::this_job::ask) returns
    /// there. There may be one for each type.
    ///
    /// The function runs in this process, on a thread of its own for each list, and for the spawned jobs: it delays neither a
    /// deadline nor a record, and may wait for the [`Handle`](crate::Handle) of another job. Questions are answered one after the
    /// other. The job waits meanwhile, and its time runs: an answer that takes longer than the job's timeout is the job's timeout. A
    /// function that panics affects only the answer: the job gets an error. The answer to an attempt that has ended meanwhile is
    /// dropped; so the function may still be at work when the list has returned.
    ///
    /// Two waits for a job of the same scheduler end only by a timeout: if that job asks as well, its question comes after the one
    /// that is being answered; and if the concurrency, or a [group](macro@crate::job#group), has no other place, it doesn't start
    /// while the job that asks has it. Run such a job under a scheduler of its own, or wait by
    /// [`Handle::wait_timeout`](crate::Handle::wait_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, this_job, Scheduler};
    ///
    /// /// Asks for a price, which only the application knows.
    /// #[job]
    /// fn total(articles: Vec<String>) -> Result<u64, scheduler::Error> {
    ///     articles.iter().map(|article| this_job::ask::<String, u64>(article)).sum()
    /// }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let prices = std::collections::HashMap::from([("tea".to_owned(), 3_u64), ("cake".to_owned(), 4)]);
    ///     let scheduler = Scheduler::new().on_ask(move |article: String| prices.get(&article).copied().unwrap_or_default());
    ///     let records = scheduler.run(jobs![("J1", total(vec!["tea".into(), "cake".into()]))])?;
    ///     assert_eq!(records[0].result::<u64>()?, 7);
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "rpc")]
    #[doc(alias = "request")]
    pub fn on_ask<Q, A>(mut self, answer: impl Fn(Q) -> A + Send + Sync + 'static) -> Self
    where
        Q: DeserializeOwned + 'static,
        A: Serialize + 'static,
    {
        self.settings_mut().answers.add(answer);
        self
    }

    /// Sets the token that cancels all jobs, of lists and spawned ones. A second token replaces the first.
    #[doc(alias = "cancel")]
    #[doc(alias = "abort")]
    #[doc(alias = "shutdown")]
    pub fn cancel_token(mut self, token: &CancelToken) -> Self {
        self.settings_mut().token = Some(token.clone());
        self
    }

    option_setters!(stacks of "each job that doesn't set its own");
}
