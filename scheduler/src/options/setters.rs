//! The methods by which an option is set: the same on a call, on a list's call and on a scheduler.

/// Writes the methods that set options, for a type with a method `options_mut`.
///
/// What each option does is told, with examples, where `#[job]` is documented.
macro_rules! option_setters {
    ($whose:literal) => {
        #[doc = concat!("Sets how long ", $whose, " may go on after its timeout, once it was asked to end.")]
        ///
        /// See [`grace`](macro@crate::job#grace). Up to one hour; zero, as nothing, is none.
        #[must_use = "it returns what it was called on, with the option set"]
        pub fn grace(mut self, grace: std::time::Duration) -> Self {
            self.options_mut().grace = Some(grace);
            self
        }

        #[doc = concat!("Sets how ", $whose, " is asked to end at its timeout, if it has a grace period.")]
        ///
        /// See [`terminate`](macro@crate::job#terminate).
        #[must_use = "it returns what it was called on, with the option set"]
        pub fn terminate(mut self, terminate: $crate::options::Terminate) -> Self {
            self.options_mut().terminate = Some(terminate);
            self
        }

        #[doc = concat!("Sets how often ", $whose, " is tried once more if it fails.")]
        ///
        /// See [`retries`](macro@crate::job#retries).
        #[must_use = "it returns what it was called on, with the option set"]
        pub fn retries(mut self, retries: u32) -> Self {
            self.options_mut().retries = Some(retries);
            self
        }

        #[doc = concat!("Sets how long to wait before ", $whose, " is tried once more.")]
        ///
        /// See [`backoff`](macro@crate::job#backoff).
        #[must_use = "it returns what it was called on, with the option set"]
        pub fn backoff(mut self, backoff: $crate::options::Backoff) -> Self {
            self.options_mut().backoff = Some(backoff);
            self
        }

        #[doc = concat!("Sets for which causes ", $whose, " is tried once more: for any, unless set.")]
        ///
        /// Takes an array, a slice or a vector. See [`retry_on`](macro@crate::job#retry_on).
        #[must_use = "it returns what it was called on, with the option set"]
        pub fn retry_on(mut self, causes: impl AsRef<[$crate::options::Cause]>) -> Self {
            self.options_mut().retry_on = Some(causes.as_ref().to_vec());
            self
        }

        #[doc = concat!("Sets how much memory ", $whose, " may have, in bytes.")]
        ///
        /// See [`memory`](macro@crate::job#memory).
        #[must_use = "it returns what it was called on, with the option set"]
        pub fn memory(mut self, bytes: u64) -> Self {
            self.options_mut().limits.memory = Some(bytes);
            self
        }

        #[doc = concat!("Sets how much processor time ", $whose, " may use.")]
        ///
        /// See [`cpu_time`](macro@crate::job#cpu_time).
        #[must_use = "it returns what it was called on, with the option set"]
        pub fn cpu_time(mut self, time: std::time::Duration) -> Self {
            self.options_mut().limits.cpu_time = Some(time);
            self
        }

        #[doc = concat!("Sets how many files ", $whose, " may have open.")]
        ///
        /// See [`open_files`](macro@crate::job#open_files).
        #[must_use = "it returns what it was called on, with the option set"]
        pub fn open_files(mut self, count: u64) -> Self {
            self.options_mut().limits.open_files = Some(count);
            self
        }

        #[doc = concat!("Sets how many processes and threads the user of ", $whose, " may have for it to start one more.")]
        ///
        /// See [`processes`](macro@crate::job#processes).
        #[must_use = "it returns what it was called on, with the option set"]
        pub fn processes(mut self, count: u64) -> Self {
            self.options_mut().limits.processes = Some(count);
            self
        }

        #[doc = concat!("Sets how large a file that ", $whose, " writes may become, in bytes.")]
        ///
        /// See [`file_size`](macro@crate::job#file_size).
        #[must_use = "it returns what it was called on, with the option set"]
        pub fn file_size(mut self, bytes: u64) -> Self {
            self.options_mut().limits.file_size = Some(bytes);
            self
        }

        #[doc = concat!("Sets how large a core dump of ", $whose, " may become, in bytes; zero for none.")]
        ///
        /// See [`core_size`](macro@crate::job#core_size).
        #[must_use = "it returns what it was called on, with the option set"]
        pub fn core_size(mut self, bytes: u64) -> Self {
            self.options_mut().limits.core_size = Some(bytes);
            self
        }

        #[doc = concat!("Sets how willing ", $whose, " is to let others run, from -20 to 19.")]
        ///
        /// See [`niceness`](macro@crate::job#niceness).
        #[must_use = "it returns what it was called on, with the option set"]
        pub fn niceness(mut self, niceness: i32) -> Self {
            self.options_mut().limits.niceness = Some(niceness);
            self
        }

        #[doc = concat!("Sets an environment variable of ", $whose, ".")]
        ///
        /// See [`env`](macro@crate::job#env).
        #[must_use = "it returns what it was called on, with the option set"]
        pub fn env(mut self, name: impl Into<std::ffi::OsString>, value: impl Into<std::ffi::OsString>) -> Self {
            self.options_mut().environment.changes.push((name.into(), Some(value.into())));
            self
        }

        #[doc = concat!("Removes an environment variable of ", $whose, ".")]
        ///
        /// See [`env`](macro@crate::job#env).
        #[must_use = "it returns what it was called on, with the option set"]
        pub fn env_remove(mut self, name: impl Into<std::ffi::OsString>) -> Self {
            self.options_mut().environment.changes.push((name.into(), None));
            self
        }

        #[doc = concat!("Removes every environment variable of ", $whose, ", but those that are set after this.")]
        ///
        /// See [`env`](macro@crate::job#env).
        #[must_use = "it returns what it was called on, with the option set"]
        pub fn env_clear(mut self) -> Self {
            let environment = &mut self.options_mut().environment;
            environment.is_cleared = true;
            environment.changes.clear();
            self
        }

        #[doc = concat!("Sets the working directory of ", $whose, ".")]
        ///
        /// A relative path is one from the working directory of this process.
        ///
        /// See [`current_dir`](macro@crate::job#current_dir).
        #[must_use = "it returns what it was called on, with the option set"]
        pub fn current_dir(mut self, folder: impl Into<std::path::PathBuf>) -> Self {
            self.options_mut().environment.current_dir = Some(folder.into().into_os_string());
            self
        }

        #[doc = concat!("Sets where what ", $whose, " writes to its standard output goes.")]
        ///
        /// See [`stdout`](macro@crate::job#stdout-and-stderr).
        #[must_use = "it returns what it was called on, with the option set"]
        pub fn stdout(mut self, output: $crate::options::Output) -> Self {
            self.options_mut().stdout = Some(output);
            self
        }

        #[doc = concat!("Sets where what ", $whose, " writes to its standard error goes.")]
        ///
        /// See [`stderr`](macro@crate::job#stdout-and-stderr).
        #[must_use = "it returns what it was called on, with the option set"]
        pub fn stderr(mut self, output: $crate::options::Output) -> Self {
            self.options_mut().stderr = Some(output);
            self
        }

        #[doc = concat!("Gives ", $whose, " a descriptor, under the number that it has here.")]
        ///
        /// See [`inherit_fd`](macro@crate::job#inherit_fd). It is duplicated, and the duplicate is open until nothing is left
        /// that could give it to a job: of a call that is run, until the job is over.
        ///
        /// # Platform
        ///
        /// Unix.
        #[cfg(unix)]
        #[must_use = "it returns what it was called on, with the option set"]
        pub fn inherit_fd(mut self, descriptor: impl std::os::fd::AsFd) -> Self {
            self.options_mut().inherit(descriptor.as_fd());
            self
        }

        #[doc = concat!("Sets the group of ", $whose, ", which has a concurrency of its own.")]
        ///
        /// See [`group`](macro@crate::job#group).
        #[must_use = "it returns what it was called on, with the option set"]
        pub fn group(mut self, name: impl Into<std::borrow::Cow<'static, str>>) -> Self {
            self.options_mut().group = Some(name.into());
            self
        }

        #[doc = concat!("Sets the priority of ", $whose, ": 0 unless set, and the highest first.")]
        ///
        /// See [`priority`](macro@crate::job#priority).
        #[must_use = "it returns what it was called on, with the option set"]
        pub fn priority(mut self, priority: i32) -> Self {
            self.options_mut().priority = Some(priority);
            self
        }
    };
}

pub(crate) use option_setters;
