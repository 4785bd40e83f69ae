//! How many jobs run at a time, and in which order.

use super::Scheduler;
use crate::options::option_setters;
#[cfg(feature = "cli")]
use crate::process::DefaultOutput;

/// # Concurrency and order
impl<F> Scheduler<F> {
    /// Sets how many jobs run at a time: 1 unless set. Records are returned in input order in any case.
    ///
    /// Each job takes about five descriptors and two processes. On Linux the soft limit on descriptors is raised towards the
    /// hard one while jobs need more; jobs themselves keep the application's. When the system has no more descriptors,
    /// processes or memory, fewer jobs run at a time, and observers receive [`postponed`](crate::Observer::postponed): for
    /// several thousand, raise the hard limit (`ulimit -Hn`). Zero is an error when the jobs are run.
    #[doc(alias = "parallel")]
    #[doc(alias = "workers")]
    #[doc(alias = "max_concurrency")]
    #[doc(alias = "jobs")]
    #[doc(alias = "threads")]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.settings_mut().concurrency = concurrency;
        self
    }

    /// Sets how many jobs of a stream are drawn beyond those that run, for groups and priorities to choose from.
    #[cfg(feature = "cli")]
    pub(crate) fn read_ahead(mut self, jobs: usize) -> Self {
        self.settings_mut().read_ahead = Some(jobs);
        self
    }

    /// Has a function print the output of jobs that have no destination for it: whole lines, of standard output and standard error.
    ///
    /// It is called on the thread that supervises the jobs, and must not wait.
    #[cfg(feature = "cli")]
    pub(crate) fn print_lines(mut self, print: fn(&str)) -> Self {
        self.settings_mut().default_output = DefaultOutput::Lines(print);
        self
    }

    /// Sets how many jobs of a [group](macro@crate::job#group) run at a time, within what
    /// [`concurrency`](Self::concurrency) allows.
    ///
    /// While a group is full its jobs are passed over: the next job of another group, or of none, starts first. A second
    /// limit for the same group replaces the first. Zero, and a group with an empty name, are errors when the jobs are run;
    /// so is a job of a group that has no limit.
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
    #[doc(alias = "resource")]
    #[doc(alias = "semaphore")]
    pub fn limit_group(mut self, name: impl Into<String>, concurrency: usize) -> Self {
        self.settings_mut().groups.set(name.into(), concurrency);
        self
    }

    /// Sets how many spawned jobs may wait before [`try_spawn`](Self::try_spawn) refuses another one: any number unless
    /// set.
    ///
    /// Those that run come on top, up to the [concurrency](Self::concurrency). With 0, a job is refused unless it can start
    /// at once. [`spawn`](Self::spawn) and lists have no such limit.
    #[doc(alias = "max_queued")]
    #[doc(alias = "bounded")]
    pub fn queue_capacity(mut self, jobs: usize) -> Self {
        self.settings.queue_capacity = Some(jobs);
        self
    }

    /// Sets the load of the machine from which on no further job is started beside those that run: none unless set.
    ///
    /// The load is the number of threads that run or wait for a processor: the average of the last minute or, on Linux, the
    /// number of this moment if that is more, so that jobs which start together count at once. The number of processors is
    /// a good limit. A machine under more load is looked at again four times a second.
    ///
    /// One job always runs: a machine that others keep busy slows the jobs down to one at a time, and doesn't stop them.
    /// Zero, a negative number and NaN are errors when the jobs are run.
    ///
    /// The idea is that of `--load` of GNU parallel and `make`.
    ///
    /// # Platform
    ///
    /// Linux, macOS and BSD. Elsewhere it is an error when the jobs are run. In a container the load is that of the machine.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, Scheduler, Status};
    ///
    /// #[job]
    /// fn compress(n: u64) -> u64 { n / 2 }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let processors = std::thread::available_parallelism()?.get();
    ///     let scheduler = Scheduler::new().concurrency(4 * processors);
    ///     # #[cfg(target_os = "linux")]
    ///     let scheduler = scheduler.max_load(processors as f64).min_free_memory(64 << 20);
    ///     let records = scheduler.run(jobs![("a", compress(8)), ("b", compress(10))])?;
    ///     assert!(records.iter().all(|record| record.status() == Status::Ok));
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "load")]
    #[doc(alias = "loadavg")]
    #[doc(alias = "backpressure")]
    pub fn max_load(mut self, load: f64) -> Self {
        self.settings_mut().capacity.max_load = Some(load);
        self
    }

    /// Sets the free memory of the machine, in bytes, below which no further job is started beside those that run: none
    /// unless set.
    ///
    /// Free is what new processes can have without swapping (`MemAvailable` on Linux). A job that has just started has not
    /// yet taken its memory: leave room for several. As for [`max_load`](Self::max_load), one job always runs, and a machine
    /// without enough memory is looked at again four times a second.
    ///
    /// The idea is that of `--memfree` of GNU parallel.
    ///
    /// # Platform
    ///
    /// Linux and Windows. Elsewhere it is an error when the jobs are run. In a container the memory is that of the machine.
    #[doc(alias = "memfree")]
    #[doc(alias = "backpressure")]
    pub fn min_free_memory(mut self, bytes: u64) -> Self {
        self.settings_mut().capacity.min_free_memory = Some(bytes);
        self
    }

    option_setters!(order of "each job that doesn't set its own");
}

/// # Load
impl<F> Scheduler<F> {
    /// Returns how many jobs wait: those of all lists that run now, spawned ones, and those whose next attempt is not due
    /// yet.
    ///
    /// Other threads may change it at any time.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.shared_pool.load().queued()
    }

    /// Returns how many jobs run, in all lists and spawned ones: those whose processes start, run, or are being killed.
    ///
    /// Other threads may change it at any time.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, Scheduler};
    ///
    /// #[job]
    /// fn hang() { loop { std::thread::park() } }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let scheduler = Scheduler::new();
    ///     let handles = [scheduler.spawn(hang::job())?, scheduler.spawn(hang::job())?];
    ///     while scheduler.running() == 0 {
    ///         std::thread::yield_now();
    ///     }
    ///     assert_eq!((scheduler.queued(), scheduler.running()), (1, 1));
    ///     for handle in handles {
    ///         handle.kill();
    ///         handle.wait()?;
    ///     }
    ///     assert_eq!((scheduler.queued(), scheduler.running()), (0, 0));
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn running(&self) -> usize {
        self.shared_pool.load().running()
    }
}
