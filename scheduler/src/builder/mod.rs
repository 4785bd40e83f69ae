//! `Scheduler`: the settings under which jobs run, and the methods that run them.

mod failures;
#[cfg(feature = "journal")]
mod journaling;
mod observation;
mod order;
mod processes;
#[cfg(feature = "remote")]
mod remote;
mod run;
mod spawn;
mod timeouts;

use std::fmt;
use std::sync::Arc;

use crate::follow_up::NoFollowUp;
use crate::options::{Options, option_setters};
use crate::settings::Settings;
use crate::spawner::Spawner;
use crate::supervisor::SharedPool;

/// Runs jobs, each in a process of its own, under settings that they share.
///
/// [`run`](Self::run) runs a list and returns its records, [`stream`](Self::stream) returns them as they are made,
/// [`first_ok`](Self::first_ok) stops at the first success, [`map`](Self::map) runs one job over many inputs,
/// [`run_async`](Self::run_async) a list while its future is awaited. [`spawn`](Self::spawn) queues one job and returns a
/// [`Handle`](crate::Handle), [`try_spawn`](Self::try_spawn) unless too many wait. [`queued`](Self::queued) and
/// [`running`](Self::running) return the load. A scheduler can be shared by any number of threads, and all calls share the
/// processes that it keeps; [`prewarm`](Self::prewarm) starts those before the first call.
///
/// # Settings
///
/// | subject | setters |
/// |---|---|
/// | timeouts | [`timeout`](Self::timeout), [`total_timeout`](Self::total_timeout), [`start_timeout`](Self::start_timeout), [`delivery_timeout`](Self::delivery_timeout), [`grace`](Self::grace), [`terminate`](Self::terminate), [`stall`](Self::stall), [`silence`](Self::silence), [`slow`](Self::slow), [`max_timeout`](Self::max_timeout) |
/// | concurrency and order | [`concurrency`](Self::concurrency), [`limit_group`](Self::limit_group), [`max_load`](Self::max_load), [`min_free_memory`](Self::min_free_memory), [`group`](Self::group), [`priority`](Self::priority), [`queue_capacity`](Self::queue_capacity) |
/// | failures and retries | [`retries`](Self::retries), [`backoff`](Self::backoff), [`retry_delays`](Self::retry_delays), [`retry_on`](Self::retry_on), [`on_failure`](Self::on_failure), [`on_timeout`](Self::on_timeout), [`follow_up_job`](Self::follow_up_job), [`follow_up_on`](Self::follow_up_on) |
/// | environment and output | [`env`](Self::env), [`env_remove`](Self::env_remove), [`env_clear`](Self::env_clear), [`current_dir`](Self::current_dir), [`temp_dir`](Self::temp_dir), [`stdin`](Self::stdin), [`stdout`](Self::stdout), [`stderr`](Self::stderr), [`inherit_fd`](macro@crate::job#inherit_fd) |
/// | limits | [`memory`](Self::memory), [`cpu_time`](Self::cpu_time), [`open_files`](Self::open_files), [`processes`](Self::processes), [`file_size`](Self::file_size), [`core_size`](Self::core_size), [`niceness`](Self::niceness), [`tree_memory`](Self::tree_memory), [`cpus`](Self::cpus), [`stack_size`](Self::stack_size) |
/// | processes | [`start_method`](Self::start_method), [`containment`](Self::containment), [`pass_args`](Self::pass_args), [`adopt_orphans`](Self::adopt_orphans), [`standby`](Self::standby) |
/// | observation and control | [`observer`](Self::observer), [`on_ask`](Self::on_ask), [`cancel_token`](Self::cancel_token), `journal` (feature `journal`) |
///
/// Options that a job can set as well, by its attribute or its call, are defaults here: a call's own option wins over the
/// attribute's, and the attribute's over the scheduler's.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, jobs, Scheduler, Status};
///
/// #[job]
/// fn square(n: u64) -> u64 { n * n }
///
/// #[job(timeout = "50ms")]
/// fn hang() { loop { std::thread::park() } }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let late = std::cell::RefCell::new(Vec::new());
///     let records = Scheduler::new()
///         .timeout(Duration::from_secs(10))
///         .concurrency(2)
///         .on_timeout(|timed_out| late.borrow_mut().push(timed_out.job_id().to_owned()))
///         .run(jobs![("a", square(12)), ("b", hang), ("c", square(13))])?;
///
///     assert_eq!(records[0].result::<u64>()?, 144);
///     assert_eq!(records[1].status(), Status::Timeout);
///     assert_eq!(records[2].result::<u64>()?, 169);
///     assert_eq!(*late.borrow(), ["b"]);
///     Ok(())
/// }
/// ```
#[doc(alias = "executor")]
#[doc(alias = "runner")]
#[doc(alias = "pool")]
#[must_use = "a scheduler does nothing until it is given jobs to run"]
pub struct Scheduler<F = NoFollowUp> {
    settings: Settings,
    /// The wardens that are free, and the load.
    shared_pool: SharedPool,
    /// The queue of spawned jobs.
    spawner: Spawner,
    /// Shared with the lists that are running.
    follow_up: Arc<F>,
}

impl Scheduler {
    /// Returns a scheduler that runs one job at a time, without a timeout except the jobs' own, and without a follow-up.
    pub fn new() -> Self {
        Self {
            settings: Settings::default(),
            shared_pool: SharedPool::default(),
            spawner: Spawner::default(),
            follow_up: Arc::new(NoFollowUp),
        }
    }
}

/// # Environment and output
impl<F> Scheduler<F> {
    option_setters!(environment of "each job that doesn't set its own");
}

/// # Limits
impl<F> Scheduler<F> {
    option_setters!(limits of "each job that doesn't set its own");
}

impl<F> Scheduler<F> {
    fn options_mut(&mut self) -> &mut Options {
        &mut self.settings.options
    }

    /// Returns one clause about a call that would be an error, or never start.
    #[cfg(feature = "cli")]
    pub(crate) fn check_call(&self, id: &str, call: &crate::call::AnyJob) -> Result<(), String> {
        self.settings.check_call(id, call)
    }

    /// Returns the settings, to change one that spawned jobs share: jobs spawned so far keep their queue and its settings,
    /// and the next one opens a new queue.
    fn settings_mut(&mut self) -> &mut Settings {
        self.spawner = Spawner::default();
        &mut self.settings
    }
}

impl Default for Scheduler {
    fn default() -> Self {
        Self::new()
    }
}

impl<F> fmt::Debug for Scheduler<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { options, start_timeout, delivery_timeout, concurrency, start_method, orphans, .. } =
            &self.settings;
        f.debug_struct("Scheduler")
            .field("options", options)
            .field("start_timeout", start_timeout)
            .field("delivery_timeout", delivery_timeout)
            .field("concurrency", concurrency)
            .field("start_method", start_method)
            .field("orphans", orphans)
            .finish_non_exhaustive()
    }
}
