//! The options of a job as text: what a command line takes and lists, in the syntax of the attribute.
//!
//! A new option is one more row of [`OPTIONS`].

mod values;

use std::time::Duration;

use super::{Backoff, Cause, Options, bytes};
use values::{
    ENDS, RETRIED, TERMINATES, above_zero, backoff, cpus, duration, input, limit, name_of, named, number, output,
    show_bytes, show_duration, show_input, show_output, shown,
};

/// An option of a job.
pub(crate) struct TextOption {
    /// The name in the attribute; a command line has hyphens in place of its underscores.
    pub(crate) name: &'static str,
    pub(crate) takes: OptionValue,
    /// What it sets, as a phrase.
    pub(crate) help: &'static str,
    set: fn(Options, &str) -> Result<Options, String>,
    show: fn(&Options) -> Vec<String>,
}

/// The value of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OptionValue {
    /// None: the option is on or off.
    None,
    /// One, with the name of its kind.
    One(&'static str),
    /// Any number of them.
    Several(&'static str),
}

use OptionValue::{None as Flag, One, Several};

/// The options, in the order in which they are set: a later one may refer to an earlier one.
pub(crate) const OPTIONS: &[TextOption] = &[
    TextOption {
        name: "timeout",
        takes: One("DURATION"),
        help: "how long the function may run, such as `30s` or `1m 30s`; `none` lifts the limit",
        set: |options, text| Ok(options.timeout(above_zero(limit(text)?)?)),
        show: |options| shown(options.timeout, show_duration),
    },
    TextOption {
        name: "grace",
        takes: One("DURATION"),
        help: "how long a job that is asked to stop may continue",
        set: |options, text| Ok(options.grace(duration(text)?)),
        show: |options| shown(options.grace, show_duration),
    },
    TextOption {
        name: "stall",
        takes: One("DURATION"),
        help: "how long it may report nothing before it is stopped",
        set: |options, text| Ok(options.stall(limit(text)?)),
        show: |options| shown(options.time_limits.stall, show_duration),
    },
    TextOption {
        name: "silence",
        takes: One("DURATION"),
        help: "how long it may write no output before it is stopped",
        set: |options, text| Ok(options.silence(limit(text)?)),
        show: |options| shown(options.time_limits.silence, show_duration),
    },
    TextOption {
        name: "slow",
        takes: One("DURATION"),
        help: "when it is reported as slow; nothing is stopped",
        set: |options, text| Ok(options.slow(limit(text)?)),
        show: |options| shown(options.time_limits.slow, show_duration),
    },
    TextOption {
        name: "max_timeout",
        takes: One("DURATION"),
        help: "how far the job may extend its timeout",
        set: |options, text| Ok(options.max_timeout(limit(text)?)),
        show: |options| shown(options.time_limits.max_timeout, show_duration),
    },
    TextOption {
        name: "terminate",
        takes: One("HOW"),
        help: "how it is asked to stop: `cooperative`, or by `signal`",
        set: |options, text| Ok(options.terminate(named(text, &TERMINATES)?)),
        show: |options| shown(options.terminate, |how| name_of(how, &TERMINATES)),
    },
    TextOption {
        name: "stacks",
        takes: Flag,
        help: "takes the stacks of the job before it is stopped at its timeout",
        set: |options, _| Ok(options.stacks(true)),
        show: |options| shown(options.stacks.filter(|are_taken| *are_taken), |_| "true".to_owned()),
    },
    TextOption {
        name: "retries",
        takes: One("NUMBER"),
        help: "how many more attempts follow a failure",
        set: |options, text| Ok(options.retries(number(text, 0..=u32::MAX, "a number of retries, such as `3`")?)),
        show: |options| shown(options.retries, |retries| retries.to_string()),
    },
    TextOption {
        name: "backoff",
        takes: One("DELAY"),
        help: "delay before the next attempt: `1s`, or `100ms..10s` to double it from one to the other",
        set: |options, text| Ok(options.backoff(backoff(text)?)),
        show: |options| shown(options.own_backoff(), |backoff| backoff.delays_as_text()),
    },
    TextOption {
        name: "jitter",
        takes: One("FRACTION"),
        help: "fraction, from 0 to 1, by which chance may shorten that delay",
        set: |options, text| {
            let backoff = options.own_backoff().ok_or("a jitter needs a backoff; give one, such as `1s`")?;
            Ok(options.backoff(backoff.jitter(number(text, 0.0..=1.0, "a fraction from `0` to `1`")?)))
        },
        show: |options| {
            shown(options.own_backoff().filter(|backoff| backoff.jitter > 0.0), |backoff| backoff.jitter.to_string())
        },
    },
    TextOption {
        name: "retry_delays",
        takes: Several("DELAY"),
        help: "delay before each retry, one after the other: `1s`, `10s`, `1m`",
        set: |options, text| {
            let mut delays = options.listed_delays().to_vec();
            delays.push(duration(text)?);
            Ok(options.retry_delays(delays))
        },
        show: |options| options.listed_delays().iter().map(|delay| show_duration(*delay)).collect(),
    },
    TextOption {
        name: "retry_on",
        takes: Several("CAUSE"),
        help: "failure that is retried: `timeout`, `signal`, `panic`, `err`, `exit`, `out_of_memory`, …",
        set: |options, text| {
            let mut causes = options.retry_on.clone().unwrap_or_default();
            causes.push(named(text, RETRIED)?);
            Ok(options.retry_on(causes))
        },
        show: |options| {
            let causes = options.retry_on.iter().flatten();
            causes.map(|cause| name_of(*cause, &ENDS)).collect()
        },
    },
    TextOption {
        name: "follow_up_on",
        takes: Several("CAUSE"),
        help: "end after which the follow-up job runs: `timeout`, `signal`, `panic`, …, `ok`, or `failure` or `any`",
        set: |options, text| {
            let mut causes = options.follow_up_on.clone().unwrap_or_default();
            match text {
                "failure" => causes.extend(Cause::FAILURES),
                "any" => causes.extend(Cause::ALL),
                one => causes.push(named(one, &ENDS).map_err(|expected| format!("{expected}, `failure`, `any`"))?),
            }
            Ok(options.follow_up_on(causes))
        },
        show: |options| {
            let causes = options.follow_up_on.iter().flatten();
            causes.map(|cause| name_of(*cause, &ENDS)).collect()
        },
    },
    TextOption {
        name: "memory",
        takes: One("SIZE"),
        help: "limit on memory, such as `512MiB`",
        set: |options, text| Ok(options.memory(bytes(text)?)),
        show: |options| shown(options.limits.memory, show_bytes),
    },
    TextOption {
        name: "tree_memory",
        takes: One("SIZE"),
        help: "limit on the memory of the job with everything that it starts",
        set: |options, text| Ok(options.tree_memory(bytes(text)?)),
        show: |options| shown(options.limits.tree_memory, show_bytes),
    },
    TextOption {
        name: "cpus",
        takes: One("NUMBERS"),
        help: "processors on which it runs, such as `0-3` or `0,2`",
        set: |mut options, text| {
            options.limits.cpus = Some(cpus(text)?);
            Ok(options)
        },
        show: |options| shown(options.limits.cpus, |cpus| cpus.to_string()),
    },
    TextOption {
        name: "stack_size",
        takes: One("SIZE"),
        help: "stack of the thread that runs the function, such as `64MiB`",
        set: |options, text| Ok(options.stack_size(bytes(text)?)),
        show: |options| shown(options.limits.stack_size, show_bytes),
    },
    TextOption {
        name: "cpu_time",
        takes: One("DURATION"),
        help: "limit on processor time",
        set: |options, text| Ok(options.cpu_time(duration(text)?)),
        show: |options| shown(options.limits.cpu_time, show_duration),
    },
    TextOption {
        name: "open_files",
        takes: One("NUMBER"),
        help: "limit on open files",
        set: |options, text| Ok(options.open_files(number(text, 1..=u64::MAX, "a number of files, such as `64`")?)),
        show: |options| shown(options.limits.open_files, |count| count.to_string()),
    },
    TextOption {
        name: "processes",
        takes: One("NUMBER"),
        help: "limit on the processes and threads of the user",
        set: |options, text| Ok(options.processes(number(text, 1..=u64::MAX, "a number of processes, such as `16`")?)),
        show: |options| shown(options.limits.processes, |count| count.to_string()),
    },
    TextOption {
        name: "file_size",
        takes: One("SIZE"),
        help: "limit on the size of a file that it writes",
        set: |options, text| Ok(options.file_size(bytes(text)?)),
        show: |options| shown(options.limits.file_size, show_bytes),
    },
    TextOption {
        name: "core_size",
        takes: One("SIZE"),
        help: "limit on the size of a core dump; `0` for none",
        set: |options, text| Ok(options.core_size(bytes(text)?)),
        show: |options| shown(options.limits.core_size, show_bytes),
    },
    TextOption {
        name: "niceness",
        takes: One("NUMBER"),
        help: "priority for the operating system, from `-20` (most processor time) to `19`",
        set: |options, text| Ok(options.niceness(number(text, -20..=19, "a niceness from `-20` to `19`")?)),
        show: |options| shown(options.limits.niceness, |niceness| niceness.to_string()),
    },
    // Before the variables: those that are set beside it are meant to stay.
    TextOption {
        name: "env_clear",
        takes: Flag,
        help: "removes all environment variables but those that are set here",
        set: |options, _| Ok(options.env_clear()),
        show: |options| shown(options.environment.is_cleared.then_some(()), |()| "true".to_owned()),
    },
    TextOption {
        name: "env",
        takes: Several("NAME=VALUE"),
        help: "environment variable that is set",
        set: |options, text| match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(options.env(name, value)),
            _ => Err("expected a variable, such as `LANG=C`".to_owned()),
        },
        show: |options| {
            let set = options.environment.changes.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
            set.map(|(name, value)| format!("{}={}", name.display(), value.display())).collect()
        },
    },
    TextOption {
        name: "env_remove",
        takes: Several("NAME"),
        help: "environment variable that is removed",
        set: |options, text| Ok(options.env_remove(text)),
        show: |options| {
            let removed = options.environment.changes.iter().filter(|(_, value)| value.is_none());
            removed.map(|(name, _)| name.display().to_string()).collect()
        },
    },
    TextOption {
        name: "current_dir",
        takes: One("FOLDER"),
        help: "working directory",
        set: |options, text| Ok(options.current_dir(text)),
        show: |options| shown(options.environment.current_dir.as_ref(), |folder| folder.display().to_string()),
    },
    TextOption {
        name: "temp_dir",
        takes: Flag,
        help: "a private folder for temporary files, which is removed after the job",
        set: |options, _| Ok(options.temp_dir(true)),
        show: |options| shown(options.temp_dir.filter(|is_wanted| *is_wanted), |_| "true".to_owned()),
    },
    TextOption {
        name: "stdin",
        takes: One("FILE"),
        help: "file that it reads from standard input",
        set: |options, text| Ok(options.stdin(input(text)?)),
        show: |options| shown(options.stdin.as_ref(), |input| show_input(input)),
    },
    TextOption {
        name: "stdout",
        takes: One("WHERE"),
        help: "destination of standard output: `inherit`, `discard`, `capture`, `capture 1MiB`, `lines` or `append FILE`",
        set: |options, text| Ok(options.stdout(output(text)?)),
        show: |options| shown(options.stdout.as_ref(), show_output),
    },
    TextOption {
        name: "stderr",
        takes: One("WHERE"),
        help: "destination of standard error",
        set: |options, text| Ok(options.stderr(output(text)?)),
        show: |options| shown(options.stderr.as_ref(), show_output),
    },
    TextOption {
        name: "group",
        takes: One("NAME"),
        help: "group with a concurrency limit of its own",
        set: |options, text| Ok(options.group(text.to_owned())),
        show: |options| shown(options.group.as_ref(), ToString::to_string),
    },
    TextOption {
        name: "priority",
        takes: One("NUMBER"),
        help: "order among waiting jobs, highest first",
        set: |options, text| Ok(options.priority(number(text, i32::MIN..=i32::MAX, "a whole number, such as `5`")?)),
        show: |options| shown(options.priority, |priority| priority.to_string()),
    },
];

impl TextOption {
    /// Returns the options with this one set. Fails with one clause if the text is no value of it, or the value is invalid.
    pub(crate) fn set(&self, options: Options, text: &str) -> Result<Options, String> {
        let options = (self.set)(options, text)?;
        options.problem().map_or(Ok(options), Err)
    }

    /// Checks a value, without the options that must be beside it.
    pub(crate) fn check(&self, text: &str) -> Result<(), String> {
        let beside = Options::default().backoff(Backoff::fixed(Duration::ZERO));
        self.set(beside, text).map(drop)
    }

    /// Returns the values of this option, as its text; none if it is not set.
    pub(crate) fn show(&self, options: &Options) -> Vec<String> {
        (self.show)(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(name: &str) -> &'static TextOption {
        OPTIONS.iter().find(|option| option.name == name).expect("there is such an option")
    }

    #[test]
    fn every_option_is_set_and_shown_as_the_attribute_writes_it() {
        let cases = [
            ("timeout", "1m 30s"),
            ("grace", "2s"),
            ("stall", "10s"),
            ("silence", "5m"),
            ("slow", "5s"),
            ("max_timeout", "2m"),
            ("terminate", "signal"),
            ("stacks", "true"),
            ("retries", "3"),
            ("backoff", "100ms..10s"),
            ("jitter", "0.25"),
            ("retry_on", "out_of_memory"),
            ("follow_up_on", "cancelled"),
            ("memory", "512MiB"),
            ("tree_memory", "1GiB"),
            ("cpus", "0-3,8"),
            ("stack_size", "64MiB"),
            ("cpu_time", "10s"),
            ("open_files", "64"),
            ("processes", "16"),
            ("file_size", "1GiB"),
            ("core_size", "0"),
            ("niceness", "-5"),
            ("env_clear", "true"),
            ("env", "A=b=c"),
            ("env_remove", "HOME"),
            ("current_dir", "/tmp"),
            ("temp_dir", "true"),
            ("stdin", "data.csv"),
            ("stdout", "capture 1KiB"),
            ("stderr", "append a b.log"),
            ("group", "db"),
            ("priority", "-1"),
        ];
        let mut options = Options::default();
        for (name, text) in cases {
            options = option(name).set(options, text).unwrap_or_else(|problem| panic!("{name}: {problem}"));
        }
        for (name, text) in cases {
            assert_eq!(option(name).show(&options), [text], "{name}");
            assert_eq!(option(name).show(&Options::default()), [""; 0], "{name}");
        }
        // They replace a backoff.
        let delayed = option("retry_delays").set(options, "1m").expect("it is a delay");
        assert_eq!(option("retry_delays").show(&delayed), ["1m"]);
        assert_eq!(cases.len() + 1, OPTIONS.len(), "an option has no case here");
    }

    #[test]
    fn a_value_that_is_none_is_refused_with_an_example() {
        for (name, text, expected) in [
            ("timeout", "soon", "expected a duration, such as `30s`, or `none` for no limit: expected number at 0"),
            ("memory", "much", "expected a size, such as `512MiB`: it begins with a number"),
            ("tree_memory", "99999999999TiB", "expected a size, such as `512MiB`: it is over 16EiB"),
            ("retries", "-1", "expected a number of retries, such as `3`"),
            ("jitter", "2", "expected a fraction from `0` to `1`"),
            ("retry_on", "rain", "expected one of `timeout`, `signal`, `panic`"),
            ("env", "A", "expected a variable, such as `LANG=C`"),
            ("stdout", "away", "expected `inherit`, `discard`"),
            ("timeout", "0s", "a timeout can't be zero"),
            ("memory", "0", "a memory limit of 0 lets no job run"),
            ("stall", "0s", "a limit on the time without a report (`stall`) of 0"),
            ("cpus", "all", "expected numbers of processors and ranges of them"),
            ("cpus", "3-0", "a range of processors ends with its highest number"),
            ("cpus", "0-99999999999", "a processor with the number 1024 can't be set"),
            ("stack_size", "0", "a stack of 0 bytes lets no job run"),
            ("stack_size", "1KiB", "a stack of 1024 bytes is too small for a job; give 64 KiB or more"),
            ("stack_size", "2TiB", "a stack of 2199023255552 bytes is over the limit of 1 TiB"),
            ("stack_size", "-1", "expected a size, such as `512MiB`: it can't be negative"),
            ("tree_memory", "0", "a limit on the memory of the whole tree of 0 lets no job run"),
            ("silence", "0s", "a limit on the time without output (`silence`) of 0"),
            ("slow", "-1s", "expected a duration, such as `30s`, or `none` for no limit: "),
            ("max_timeout", "0s", "a maximum timeout of 0 is below every timeout"),
            ("retry_delays", "", "expected a duration, such as `30s`: "),
            ("cpus", "-1", "expected numbers of processors and ranges of them"),
            ("cpus", "", "expected numbers of processors and ranges of them"),
            ("timeout", "never", "expected a duration, such as `30s`, or `none` for no limit: "),
            ("grace", "none", "expected a duration, such as `30s`: "),
            ("stdin", "-", "`-` is the standard input of this program, which its jobs don't have; give a file"),
            ("stdin", "/dev/stdin", "`/dev/stdin` is the standard input of this program, which"),
            ("stdin", "", "standard input is to be read from a file with an empty path"),
            ("backoff", "2s..1s", "a backoff of 2s exceeds its cap of 1s"),
        ] {
            let problem = option(name).check(text).expect_err("it is no value");
            assert!(problem.starts_with(expected), "{name}: {problem}");
        }
        let lonely = option("jitter").set(Options::default(), "0.5").expect_err("there is no backoff");
        assert_eq!(lonely, "a jitter needs a backoff; give one, such as `1s`");
    }
}
