//! What holds for all jobs of a scheduler together: groups, failures, the time of a whole list, tokens and observers.

use std::sync::Arc;
use std::time::Duration;

use super::Scheduler;
use crate::observer::Observer;
use crate::options::OnFailure;
use crate::supervisor::CancelToken;

impl<F> Scheduler<F> {
    /// Sets how many jobs of a [group](macro@crate::job#group) run at a time, beside what [`concurrency`](Self::concurrency) allows.
    ///
    /// A job whose turn has come while its group is full is passed over: the next one of another group, or of none, goes
    /// first. Set twice, the last one counts. Zero, and a group without a name, are errors when the jobs are to run; so
    /// is a job of a group that has no limit here.
    ///
    /// The idea is that of the resource pools of job queues; `nextest` calls them test groups.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, Scheduler, Status};
    ///
    /// #[job(group = "db")]
    /// fn migrate(table: String) {
    ///     # let _ = table;
    /// }
    ///
    /// #[job]
    /// fn tidy() {}
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let list = || jobs![("a", migrate("users".into())), ("b", migrate("sales".into())), ("c", tidy)];
    ///     // "a" and "b" one after the other, "c" beside them.
    ///     let records = Scheduler::new().concurrency(8).limit_group("db", 1).run(list())?;
    ///     assert!(records.iter().all(|record| record.status() == Status::Ok));
    ///
    ///     let error = Scheduler::new().limit_group("network", 4).run(list()).unwrap_err();
    ///     assert!(error.is_invalid_setting());
    ///     assert!(error.to_string().ends_with("group `db` has no limit; those that have one: `network`"));
    ///     Ok(())
    /// }
    /// ```
    pub fn limit_group(mut self, name: impl Into<String>, concurrency: usize) -> Self {
        self.settings_mut().groups.set(name.into(), concurrency);
        self
    }

    /// Sets what becomes of the other jobs of a list when one has failed or timed out, and is not tried again: they run,
    /// unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, Failure, OnFailure, Scheduler, Status};
    ///
    /// #[job]
    /// fn compile(source: String) -> Result<(), String> {
    ///     if source.is_empty() { Err("nothing to compile".into()) } else { Ok(()) }
    /// }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let list = jobs![("a", compile("x".into())), ("b", compile("".into())), ("c", compile("z".into()))];
    ///     let records = Scheduler::new().on_failure(OnFailure::Stop).run(list)?;
    ///     assert_eq!(records[0].status(), Status::Ok);
    ///     assert_eq!(records[1].status(), Status::Error);
    ///     assert!(matches!(records[2].failure(), Some(Failure::Cancelled { begun: false, .. })));
    ///     Ok(())
    /// }
    /// ```
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.settings.on_failure = on_failure;
        self
    }

    /// Sets how long all jobs of a list may take together, from the moment at which [`run`](Self::run) begins to have them
    /// run: no limit, unless set.
    ///
    /// Then no further job is started: those are recorded as [`Failure::Cancelled`](crate::Failure::Cancelled). Those that
    /// run are stopped as at their own timeouts, and recorded as such: asked first, where they have a
    /// [grace period](macro@crate::job#grace), with [`Overrun::is_of_list`](crate::Overrun::is_of_list) true, and followed up. What
    /// waited for its next attempt has what came of the last one. Spawned jobs are no list, and have no such limit.
    ///
    /// `Duration::MAX` is no limit; zero is an error when the jobs are to run.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduler::{job, jobs, Failure, Scheduler, Status};
    ///
    /// #[job]
    /// fn hang() { loop { std::thread::park() } }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let scheduler = Scheduler::new().total_timeout(Duration::from_secs(2));
    ///     let records = scheduler.run(jobs![("a", hang), ("b", hang)])?;
    ///     assert_eq!(records[0].error().unwrap(), "stopped at the whole list's timeout of 2s");
    ///     assert!(matches!(records[1].failure(), Some(Failure::Cancelled { begun: false, .. })));
    ///     Ok(())
    /// }
    /// ```
    pub fn total_timeout(mut self, timeout: Duration) -> Self {
        self.settings.total_timeout = Some(timeout);
        self
    }

    /// Has the jobs be ended when the token is cancelled: those of lists, and those that are spawned. The last one counts.
    pub fn cancel_token(mut self, token: &CancelToken) -> Self {
        self.settings_mut().token = Some(token.clone());
        self
    }

    /// Has an [observer](Observer) be told what happens to the jobs. There may be several.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.settings_mut().observers.admit(Arc::new(observer));
        self
    }
}
