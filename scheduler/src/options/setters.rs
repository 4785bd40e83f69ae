//! The setters of options: the same for a call, any call and a scheduler.

/// Defines the setters of one subject, or of all, for a type with a method `options_mut`.
///
/// `#[job]` documents each option, with examples.
macro_rules! option_setters {
    ($subject:literal) => {
        $crate::options::option_setters!(timeouts of $subject);
        $crate::options::option_setters!(stacks of $subject);
        $crate::options::option_setters!(order of $subject);
        $crate::options::option_setters!(retries of $subject);
        $crate::options::option_setters!(follow_ups of $subject);
        $crate::options::option_setters!(environment of $subject);
        $crate::options::option_setters!(limits of $subject);
    };
    (timeouts of $subject:literal) => {
        #[doc = concat!("Sets the grace period of ", $subject, ": how long it may continue after it was asked to stop.")]
        ///
        /// See [`grace`](macro@crate::job#grace). Up to one hour; zero means none.
        #[doc(alias = "grace_period")]
        pub fn grace(mut self, grace: std::time::Duration) -> Self {
            self.options_mut().grace = Some(grace);
            self
        }

        #[doc = concat!("Sets how ", $subject, " is asked to stop at its timeout, if it has a grace period.")]
        ///
        /// See [`terminate`](macro@crate::job#terminate).
        #[doc(alias = "SIGTERM")]
        #[doc(alias = "signal")]
        pub fn terminate(mut self, terminate: $crate::options::Terminate) -> Self {
            self.options_mut().terminate = Some(terminate);
            self
        }

        #[doc = concat!("Sets how long ", $subject, " may report nothing before it is stopped.")]
        ///
        /// See [`stall`](macro@crate::job#stall). `Duration::MAX` means no limit; zero is an error when the job is run.
        #[doc(alias = "heartbeat")]
        #[doc(alias = "keepalive")]
        #[doc(alias = "watchdog")]
        pub fn stall(mut self, limit: std::time::Duration) -> Self {
            self.options_mut().time_limits.stall = Some(limit);
            self
        }

        #[doc = concat!("Sets how long ", $subject, " may write no output before it is stopped.")]
        ///
        /// See [`silence`](macro@crate::job#silence). `Duration::MAX` means no limit; zero is an error when the job is run.
        #[doc(alias = "no_output_timeout")]
        pub fn silence(mut self, limit: std::time::Duration) -> Self {
            self.options_mut().time_limits.silence = Some(limit);
            self
        }

        #[doc = concat!("Sets how long ", $subject, " may run before it is reported as slow.")]
        ///
        /// See [`slow`](macro@crate::job#slow). `Duration::MAX` means never; zero is an error when the job is run.
        #[doc(alias = "slow_timeout")]
        pub fn slow(mut self, after: std::time::Duration) -> Self {
            self.options_mut().time_limits.slow = Some(after);
            self
        }

        #[doc = concat!("Sets the longest timeout to which ", $subject, " may extend its own.")]
        ///
        /// See [`max_timeout`](macro@crate::job#max_timeout). `Duration::MAX` means no maximum; zero is an error when the
        /// job is run.
        #[doc(alias = "extend")]
        pub fn max_timeout(mut self, maximum: std::time::Duration) -> Self {
            self.options_mut().time_limits.max_timeout = Some(maximum);
            self
        }
    };
    (stacks of $subject:literal) => {
        #[doc = concat!("Sets whether the stacks of ", $subject, " are taken before it is stopped at its timeout.")]
        ///
        /// See [`stacks`](macro@crate::job#stacks).
        #[doc(alias = "backtrace")]
        #[doc(alias = "stack_trace")]
        #[doc(alias = "traceback")]
        pub fn stacks(mut self, are_taken: bool) -> Self {
            self.options_mut().stacks = Some(are_taken);
            self
        }
    };
    (order of $subject:literal) => {
        #[doc = concat!("Sets the group of ", $subject, ", which has a concurrency limit of its own.")]
        ///
        /// See [`group`](macro@crate::job#group).
        #[doc(alias = "resource")]
        #[doc(alias = "semaphore")]
        pub fn group(mut self, name: impl Into<std::borrow::Cow<'static, str>>) -> Self {
            self.options_mut().group = Some(name.into());
            self
        }

        #[doc = concat!("Sets the priority of ", $subject, ": 0 unless set, and the highest first.")]
        ///
        /// See [`priority`](macro@crate::job#priority).
        #[doc(alias = "order")]
        pub fn priority(mut self, priority: i32) -> Self {
            self.options_mut().priority = Some(priority);
            self
        }
    };
    (retries of $subject:literal) => {
        #[doc = concat!("Sets how often ", $subject, " is retried if it fails.")]
        ///
        /// See [`retries`](macro@crate::job#retries).
        #[doc(alias = "retry")]
        #[doc(alias = "max_retries")]
        #[doc(alias = "attempts")]
        pub fn retries(mut self, retries: u32) -> Self {
            self.options_mut().retries = Some(retries);
            self
        }

        #[doc = concat!("Sets how long to wait before ", $subject, " is retried.")]
        ///
        /// See [`backoff`](macro@crate::job#backoff).
        #[doc(alias = "delay")]
        pub fn backoff(mut self, backoff: $crate::options::Backoff) -> Self {
            self.options_mut().retry_delays = Some($crate::options::RetryDelays::Backoff(backoff));
            self
        }

        #[doc = concat!("Sets how long to wait before each retry of ", $subject, ", one by one.")]
        ///
        /// There are as many retries as delays, unless [`retries`](Self::retries) sets their number. Takes an array, a slice or
        /// a vector. Replaces a [`backoff`](Self::backoff). See [`retry_delays`](macro@crate::job#retry_delays).
        #[doc(alias = "delay")]
        pub fn retry_delays(mut self, delays: impl AsRef<[std::time::Duration]>) -> Self {
            let delays = delays.as_ref().into();
            self.options_mut().retry_delays = Some($crate::options::RetryDelays::Listed(delays));
            self
        }

        #[doc = concat!("Sets for which causes ", $subject, " is retried: for any unless set.")]
        ///
        /// Takes an array, a slice or a vector. See [`retry_on`](macro@crate::job#retry_on).
        pub fn retry_on(mut self, causes: impl AsRef<[$crate::options::Cause]>) -> Self {
            self.options_mut().retry_on = Some(causes.as_ref().to_vec());
            self
        }
    };
    (follow_ups of $subject:literal) => {
        #[doc = concat!("Sets after which ends of ", $subject, " its follow-up job runs: after a timeout unless set.")]
        ///
        /// Takes an array, a slice or a vector; [`Cause::FAILURES`](crate::Cause::FAILURES) and
        /// [`Cause::ALL`](crate::Cause::ALL) have several. See [`follow_up`](macro@crate::job#follow_up).
        #[doc(alias = "on_failure")]
        pub fn follow_up_on(mut self, causes: impl AsRef<[$crate::options::Cause]>) -> Self {
            self.options_mut().follow_up_on = Some(causes.as_ref().to_vec());
            self
        }
    };
    (environment of $subject:literal) => {
        #[doc = concat!("Sets an environment variable of ", $subject, ".")]
        ///
        /// See [`env`](macro@crate::job#env).
        #[doc(alias = "setenv")]
        pub fn env(mut self, name: impl Into<std::ffi::OsString>, value: impl Into<std::ffi::OsString>) -> Self {
            self.options_mut().environment.changes.push((name.into(), Some(value.into())));
            self
        }

        #[doc = concat!("Removes an environment variable of ", $subject, ".")]
        ///
        /// See [`env`](macro@crate::job#env).
        #[doc(alias = "unsetenv")]
        pub fn env_remove(mut self, name: impl Into<std::ffi::OsString>) -> Self {
            self.options_mut().environment.changes.push((name.into(), None));
            self
        }

        #[doc = concat!("Removes every environment variable of ", $subject, ", except those that are set after this.")]
        ///
        /// See [`env`](macro@crate::job#env).
        pub fn env_clear(mut self) -> Self {
            let environment = &mut self.options_mut().environment;
            environment.is_cleared = true;
            environment.changes.clear();
            self
        }

        #[doc = concat!("Sets the working directory of ", $subject, ".")]
        ///
        /// A relative path starts at the working directory of this process. See
        /// [`current_dir`](macro@crate::job#current_dir).
        #[doc(alias = "chdir")]
        #[doc(alias = "cwd")]
        pub fn current_dir(mut self, folder: impl Into<std::path::PathBuf>) -> Self {
            self.options_mut().environment.current_dir = Some(folder.into().into_os_string());
            self
        }

        #[doc = concat!("Lets ", $subject, " inherit a descriptor, under the number that it has in this process.")]
        ///
        /// See [`inherit_fd`](macro@crate::job#inherit_fd). The descriptor is duplicated; the duplicate of a call is closed
        /// when its job has finished, and the duplicate of a scheduler when the scheduler and its lists are dropped.
        ///
        /// # Platform
        ///
        /// Unix.
        #[doc(alias = "pass_fds")]
        #[cfg(unix)]
        pub fn inherit_fd(mut self, descriptor: impl std::os::fd::AsFd) -> Self {
            self.options_mut().inherit(descriptor.as_fd());
            self
        }

        #[doc = concat!("Sets whether ", $subject, " has a private folder for temporary files.")]
        ///
        /// See [`temp_dir`](macro@crate::job#temp_dir).
        #[doc(alias = "tempdir")]
        #[doc(alias = "TMPDIR")]
        #[doc(alias = "scratch")]
        pub fn temp_dir(mut self, is_wanted: bool) -> Self {
            self.options_mut().temp_dir = Some(is_wanted);
            self
        }

        #[doc = concat!("Sets what ", $subject, " reads from its standard input: text, bytes, or an [`Input`](crate::Input).")]
        ///
        /// See [`stdin`](macro@crate::job#stdin).
        #[doc(alias = "input")]
        pub fn stdin(mut self, input: impl Into<$crate::options::Input>) -> Self {
            self.options_mut().stdin = Some(std::sync::Arc::new(input.into()));
            self
        }

        #[doc = concat!("Sets where the standard output of ", $subject, " goes.")]
        ///
        /// See [`stdout`](macro@crate::job#stdout-and-stderr).
        #[doc(alias = "capture")]
        pub fn stdout(mut self, output: $crate::options::Output) -> Self {
            self.options_mut().stdout = Some(output);
            self
        }

        #[doc = concat!("Sets where the standard error of ", $subject, " goes.")]
        ///
        /// See [`stderr`](macro@crate::job#stdout-and-stderr).
        #[doc(alias = "capture")]
        pub fn stderr(mut self, output: $crate::options::Output) -> Self {
            self.options_mut().stderr = Some(output);
            self
        }
    };
    (limits of $subject:literal) => {
        #[doc = concat!("Sets how much memory ", $subject, " may have, in bytes.")]
        ///
        /// See [`memory`](macro@crate::job#memory).
        #[doc(alias = "ulimit")]
        #[doc(alias = "rlimit")]
        #[doc(alias = "RLIMIT_AS")]
        pub fn memory(mut self, bytes: u64) -> Self {
            self.options_mut().limits.memory = Some(bytes);
            self
        }

        #[doc = concat!("Sets how much memory ", $subject, " and everything that it starts may use together, in bytes.")]
        ///
        /// See [`tree_memory`](macro@crate::job#tree_memory).
        #[doc(alias = "cgroup")]
        #[doc(alias = "memory_max")]
        pub fn tree_memory(mut self, bytes: u64) -> Self {
            self.options_mut().limits.tree_memory = Some(bytes);
            self
        }

        #[doc = concat!("Sets the processors on which ", $subject, " runs, by their numbers from 0, such as `0..=3`.")]
        ///
        /// See [`cpus`](macro@crate::job#cpus).
        #[doc(alias = "affinity")]
        #[doc(alias = "taskset")]
        pub fn cpus(mut self, cpus: impl IntoIterator<Item = usize>) -> Self {
            self.options_mut().limits.set_cpus(cpus);
            self
        }

        #[doc = concat!("Sets the size of the stack on which the function of ", $subject, " runs, in bytes.")]
        ///
        /// See [`stack_size`](macro@crate::job#stack_size).
        pub fn stack_size(mut self, bytes: u64) -> Self {
            self.options_mut().limits.stack_size = Some(bytes);
            self
        }

        #[doc = concat!("Sets how much processor time ", $subject, " may use.")]
        ///
        /// See [`cpu_time`](macro@crate::job#cpu_time).
        #[doc(alias = "ulimit")]
        #[doc(alias = "RLIMIT_CPU")]
        pub fn cpu_time(mut self, time: std::time::Duration) -> Self {
            self.options_mut().limits.cpu_time = Some(time);
            self
        }

        #[doc = concat!("Sets how many files ", $subject, " may have open.")]
        ///
        /// See [`open_files`](macro@crate::job#open_files).
        #[doc(alias = "ulimit")]
        #[doc(alias = "RLIMIT_NOFILE")]
        pub fn open_files(mut self, count: u64) -> Self {
            self.options_mut().limits.open_files = Some(count);
            self
        }

        #[doc = concat!("Sets the number of processes and threads of the user at which ", $subject, " can start no more.")]
        ///
        /// See [`processes`](macro@crate::job#processes).
        #[doc(alias = "ulimit")]
        #[doc(alias = "RLIMIT_NPROC")]
        pub fn processes(mut self, count: u64) -> Self {
            self.options_mut().limits.processes = Some(count);
            self
        }

        #[doc = concat!("Sets the largest size of a file that ", $subject, " writes, in bytes.")]
        ///
        /// See [`file_size`](macro@crate::job#file_size).
        #[doc(alias = "ulimit")]
        #[doc(alias = "RLIMIT_FSIZE")]
        pub fn file_size(mut self, bytes: u64) -> Self {
            self.options_mut().limits.file_size = Some(bytes);
            self
        }

        #[doc = concat!("Sets the largest size of a core dump of ", $subject, ", in bytes; zero for none.")]
        ///
        /// See [`core_size`](macro@crate::job#core_size).
        #[doc(alias = "ulimit")]
        #[doc(alias = "RLIMIT_CORE")]
        pub fn core_size(mut self, bytes: u64) -> Self {
            self.options_mut().limits.core_size = Some(bytes);
            self
        }

        #[doc = concat!("Sets the niceness of ", $subject, ", from -20 (most processor time) to 19 (least).")]
        ///
        /// See [`niceness`](macro@crate::job#niceness).
        #[doc(alias = "nice")]
        #[doc(alias = "renice")]
        #[doc(alias = "setpriority")]
        pub fn niceness(mut self, niceness: i32) -> Self {
            self.options_mut().limits.niceness = Some(niceness);
            self
        }
    };
}

pub(crate) use option_setters;
