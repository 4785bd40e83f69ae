//! `Options`: the options of a job, which its call, its attribute and the scheduler set.

mod containment;
mod cpus;
mod environment;
mod follow_up_hook;
mod inherited;
mod input;
mod limits;
mod nul_bytes;
mod on_failure;
mod output;
mod retry;
mod setters;
#[cfg(any(feature = "cli", feature = "remote"))]
mod size;
mod start_method;
mod stop;
#[cfg(feature = "cli")]
mod text;
mod time_limits;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use containment::Containment;
pub(crate) use cpus::Cpus;
pub(crate) use environment::Environment;
#[cfg(test)]
pub(crate) use environment::OWN;
pub(crate) use follow_up_hook::FollowUpHook;
pub(crate) use inherited::InheritedFds;
#[cfg(unix)]
pub(crate) use inherited::MOST_INHERITED;
pub use input::Input;
pub(crate) use limits::Limits;
pub use on_failure::OnFailure;
pub use output::Output;
pub(crate) use retry::RetryDelays;
pub use retry::{Backoff, Cause};
pub(crate) use setters::option_setters;
#[cfg(any(feature = "cli", feature = "remote"))]
pub(crate) use size::bytes;
pub use start_method::StartMethod;
pub use stop::Terminate;
#[cfg(feature = "cli")]
pub(crate) use text::{OPTIONS, OptionValue, TextOption};
pub(crate) use time_limits::TimeLimits;

/// A function that prepares the process of a job; an error is the reason why the job can't start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SetupFn(pub(crate) fn() -> Result<(), String>);

impl PartialEq for SetupFn {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::fn_addr_eq(self.0, other.0)
    }
}

/// Serializes an input that calls share.
mod shared_input {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Input;

    #[expect(clippy::ref_option, reason = "serde passes a field by reference")]
    pub(super) fn serialize<S: Serializer>(input: &Option<Arc<Input>>, serializer: S) -> Result<S::Ok, S::Error> {
        input.as_deref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<Input>>, D::Error> {
        Ok(Option::<Input>::deserialize(deserializer)?.map(Arc::new))
    }
}

/// Returns the options unchanged, for an attribute that sets none.
pub fn unchanged(options: Options) -> Options {
    options
}

/// The options that a call, an attribute or a scheduler sets. Unset ones are `None`, or empty.
///
/// Those of a call are serialized with it, but for what exists in this process only: descriptors and follow-ups.
#[doc(hidden)]
#[must_use]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    pub(crate) timeout: Option<Duration>,
    pub(crate) time_limits: TimeLimits,
    pub(crate) grace: Option<Duration>,
    pub(crate) terminate: Option<Terminate>,
    pub(crate) retries: Option<u32>,
    pub(crate) retry_delays: Option<RetryDelays>,
    pub(crate) retry_on: Option<Vec<Cause>>,
    pub(crate) limits: Limits,
    pub(crate) environment: Environment,
    pub(crate) temp_dir: Option<bool>,
    #[serde(with = "shared_input")]
    pub(crate) stdin: Option<Arc<Input>>,
    /// Set by the attribute only, and called in the job's process.
    #[serde(skip)]
    pub(crate) setup: Option<SetupFn>,
    pub(crate) stdout: Option<Output>,
    pub(crate) stderr: Option<Output>,
    #[serde(skip)]
    pub(crate) inherited: InheritedFds,
    pub(crate) group: Option<Cow<'static, str>>,
    pub(crate) priority: Option<i32>,
    pub(crate) stacks: Option<bool>,
    #[serde(skip)]
    pub(crate) follow_up: Option<FollowUpHook>,
    pub(crate) follow_up_on: Option<Vec<Cause>>,
}

impl Options {
    option_setters!("the job");

    /// Sets the timeout.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the function that prepares the job's process.
    pub fn setup(mut self, setup: fn() -> Result<(), String>) -> Self {
        self.setup = Some(SetupFn(setup));
        self
    }

    /// Adds a descriptor that the job inherits.
    #[cfg(unix)]
    pub(crate) fn inherit(&mut self, descriptor: std::os::fd::BorrowedFd<'_>) {
        self.inherited.add(descriptor);
    }

    fn options_mut(&mut self) -> &mut Self {
        self
    }

    /// Returns the backoff between retries, if one is set.
    #[cfg(feature = "cli")]
    fn own_backoff(&self) -> Option<Backoff> {
        if let Some(RetryDelays::Backoff(backoff)) = self.retry_delays { Some(backoff) } else { None }
    }

    /// Returns the listed delays before retries; none if they aren't listed.
    #[cfg(feature = "cli")]
    fn listed_delays(&self) -> &[Duration] {
        if let Some(RetryDelays::Listed(delays)) = &self.retry_delays { delays } else { &[] }
    }

    /// Returns how many more attempts follow a failure: as many as there are listed delays, unless set.
    pub(crate) fn most_retries(&self) -> u32 {
        self.retries.unwrap_or_else(|| self.retry_delays.as_ref().map_or(0, RetryDelays::count))
    }

    /// Returns the delay after this number of failed attempts, at least one; `chance` is from 0 to 1.
    pub(crate) fn retry_delay(&self, failed: u32, chance: f64) -> Duration {
        self.retry_delays.as_ref().map_or(Duration::ZERO, |delays| delays.delay(failed, chance))
    }

    /// Returns these options, and those of `below` where they are unset.
    pub(crate) fn over(self, below: &Self) -> Self {
        Self {
            timeout: self.timeout.or(below.timeout),
            time_limits: self.time_limits.over(below.time_limits),
            grace: self.grace.or(below.grace),
            terminate: self.terminate.or(below.terminate),
            retries: self.retries.or(below.retries),
            retry_delays: self.retry_delays.or_else(|| below.retry_delays.clone()),
            retry_on: self.retry_on.or_else(|| below.retry_on.clone()),
            limits: self.limits.over(below.limits),
            environment: self.environment.over(&below.environment),
            temp_dir: self.temp_dir.or(below.temp_dir),
            stdin: self.stdin.or_else(|| below.stdin.clone()),
            setup: self.setup.or(below.setup),
            stdout: self.stdout.or_else(|| below.stdout.clone()),
            stderr: self.stderr.or_else(|| below.stderr.clone()),
            inherited: self.inherited.over(&below.inherited),
            group: self.group.or_else(|| below.group.clone()),
            priority: self.priority.or(below.priority),
            stacks: self.stacks.or(below.stacks),
            follow_up: self.follow_up.or_else(|| below.follow_up.clone()),
            follow_up_on: self.follow_up_on.or_else(|| below.follow_up_on.clone()),
        }
    }

    /// Returns a description of the first invalid option, if any.
    pub(crate) fn problem(&self) -> Option<String> {
        let grace = self.grace.filter(|grace| *grace > stop::LONGEST_GRACE);
        let grace =
            grace.map(|grace| format!("a grace period of {grace:?} is over the limit of one hour; give a shorter one"));
        let group = self.group.as_ref().filter(|group| group.trim().is_empty());
        let group = group.map(|_| "a group with an empty name; give it a name".to_owned());
        let retry = self.retry_delays.as_ref().and_then(|delays| delays.problem(self.most_retries()));
        let retry = retry.or_else(|| retry::problem_of_causes(self.retry_on.as_deref()?));
        let outputs = [("standard output", &self.stdout), ("standard error", &self.stderr)];
        let output = outputs.into_iter().find_map(|(stream, output)| output.as_ref()?.problem(stream));
        grace
            .or_else(|| self.time_limits.problem())
            .or(group)
            .or(retry)
            .or(output)
            .or_else(|| self.stdin.as_ref().and_then(|input| input.problem()))
            .or_else(|| self.limits.problem())
            .or_else(|| self.environment.problem())
            .or_else(|| self.inherited.problem())
    }

    /// Returns why options that were set in one place contradict each other, if they do.
    pub(crate) fn contradiction(&self) -> Option<String> {
        self.time_limits.contradiction(self.timeout)
    }

    /// Returns why a job with these options can't run on another machine, if it can't.
    #[cfg(feature = "remote")]
    pub(crate) fn obstacle_to_travel(&self) -> Option<String> {
        let text = "it inherits a descriptor, which can't reach another machine; leave `inherit_fd` out";
        (!self.inherited.is_empty()).then(|| text.to_owned())
    }

    /// Returns why no output can be seen for the limit on the time without output, wherever each was set. The job would be
    /// stopped although it writes.
    pub(crate) fn unseen_output(&self) -> Option<String> {
        self.time_limits.unseen_output([self.stdout.as_ref(), self.stderr.as_ref()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_above_win_and_unset_ones_come_from_below() {
        let above = Options::default().grace(Duration::from_secs(1)).env("A", "above");
        let below = Options::default().grace(Duration::from_secs(9)).retries(3).env("A", "below").env("B", "below");
        let both = above.over(&below);
        assert_eq!((both.grace, both.retries), (Some(Duration::from_secs(1)), Some(3)));
        let expected = Options::default().env("A", "below").env("B", "below").env("A", "above").environment;
        assert_eq!(both.environment, expected);
    }

    #[test]
    fn an_environment_that_is_cleared_above_hides_variables_set_below() {
        let both = Options::default().env_clear().env("A", "above").over(&Options::default().env("B", "below"));
        assert_eq!(both.environment, Options::default().env_clear().env("A", "above").environment);
    }

    #[test]
    fn the_value_of_a_variable_is_not_shown() {
        let options = Options::default().env("TOKEN", "secret").env_remove("HOME");
        let shown = format!("{options:?}");
        assert!(shown.contains(r#"["TOKEN", "without HOME"]"#) && !shown.contains("secret"), "{shown}");
    }

    #[track_caller]
    fn refused(options: &Options, expected: &str) {
        assert_eq!(options.problem().as_deref(), Some(expected));
    }

    #[test]
    fn invalid_options_are_refused() {
        let options = Options::default;
        assert_eq!(options().problem(), None);
        refused(
            &options().grace(Duration::MAX),
            &format!("a grace period of {:?} is over the limit of one hour; give a shorter one", Duration::MAX),
        );
        refused(
            &options().stall(Duration::ZERO),
            "a limit on the time without a report (`stall`) of 0 applies to every job at once; give a longer one",
        );
        refused(
            &options().silence(Duration::ZERO),
            "a limit on the time without output (`silence`) of 0 applies to every job at once; give a longer one",
        );
        refused(
            &options().slow(Duration::ZERO),
            "a time after which a job counts as slow (`slow`) of 0 applies to every job at once; give a longer one",
        );
        refused(
            &options().max_timeout(Duration::ZERO),
            "a maximum timeout of 0 is below every timeout; give a longer one",
        );
        refused(&options().group(" "), "a group with an empty name; give it a name");
        refused(&options().memory(0), "a memory limit of 0 lets no job run; give a size in bytes");
        refused(&options().cpu_time(Duration::ZERO), "a limit on CPU time of 0 lets no job run; give a duration");
        refused(&options().open_files(0), "a limit of 0 open files lets no job run; give a number");
        refused(&options().processes(0), "a limit of 0 processes lets no job run; give a number");
        refused(&options().niceness(20), "a niceness of 20 is out of range; give one from -20 to 19");
        refused(
            &options().tree_memory(0),
            "a limit on the memory of the whole tree of 0 lets no job run; give a size in bytes",
        );
        refused(&options().stack_size(0), "a stack of 0 bytes lets no job run; give a size in bytes");
        refused(&options().stack_size(65_535), "a stack of 65535 bytes is too small for a job; give 64 KiB or more");
        refused(
            &options().stack_size((1 << 40) + 1),
            "a stack of 1099511627777 bytes is over the limit of 1 TiB; give less",
        );
        refused(&options().cpus([]), "an empty set of processors lets no job run; give their numbers, such as `0..=3`");
        refused(&options().cpus([5000]), "a processor with the number 5000 can't be set; the highest number is 1023");
        refused(
            &options().stdin(vec![0; (64 << 20) + 1]),
            "a standard input of 67108865 bytes is over the limit of 64 MiB; write it to a file, and give the file",
        );
        refused(
            &options().stdin(Input::File("".into())),
            "standard input is to be read from a file with an empty path; give a path",
        );
        refused(
            &options().stdin(Input::File("a\0".into())),
            "standard input is to be read from a file whose path contains a NUL character; remove it",
        );
        refused(
            &options().stderr(Output::Append("\0".into())),
            "standard error is to be appended to a file whose path contains a NUL character; remove it",
        );
        let name = "; a name has one character or more, and neither `=` nor a NUL character";
        refused(&options().env("A=B", "c"), &format!("an environment variable can't be named `A=B`{name}"));
        refused(&options().env_remove(""), &format!("an environment variable can't be named ``{name}"));
        let own = "the environment variable `scheduler_run` is reserved for the scheduler; choose another name";
        refused(&options().env("scheduler_run", "x"), own);
        assert!(options().env_remove(OWN[1]).problem().is_some());
        refused(
            &options().current_dir("a\0b"),
            "the path of the working directory contains a NUL character; remove it",
        );
        refused(
            &options().env("A", "b\0c"),
            "the value of the environment variable `A` contains a NUL character; remove it",
        );
        refused(&options().current_dir(""), "the path of the working directory is empty; give a path");
        refused(
            &options().stdout(Output::Append("".into())),
            "standard output is to be appended to a file with an empty path; give a path",
        );
        refused(
            &options().stderr(Output::CaptureUpTo(0)),
            "standard error is to be captured up to 0 bytes; write `Output::Discard` instead",
        );
    }
}
