//! Parses the options of an attribute, such as `#[job(name = "tidy", timeout = "30s")]`, and keeps their spans.
//!
//! The options of a job beside its name, timeout and encoding are in [`job_options`].

use std::cmp::Reverse;
use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{LitStr, Path};

use crate::diagnostics::Diagnostics;
use crate::job_options::{self, JobOptions, OptionSpec};
use crate::value;

/// The values of an attribute's options.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) name: Option<LitStr>,
    pub(crate) timeout: Option<Duration>,
    /// The test has a process of its own, with a timeout or without.
    pub(crate) is_isolated: bool,
    pub(crate) job: JobOptions,
    /// The encoding of values: a variant's name in the runtime crate.
    encoding: Option<Ident>,
    krate: Option<Path>,
}

/// The options of an attribute.
#[derive(Clone, Copy)]
pub(crate) struct AttributeSpec {
    own: &'static [OptionSpec<Options>],
    job_options: &'static [OptionSpec<JobOptions>],
}

const NAME: OptionSpec<Options> = OptionSpec {
    name: "name",
    example: r#"name = "nightly::tidy""#,
    read: |options, value| {
        options.name = Some(value::job_name(value)?);
        Ok(())
    },
};

const TIMEOUT: OptionSpec<Options> = OptionSpec {
    name: "timeout",
    example: r#"timeout = "30s""#,
    read: |options, value| {
        options.timeout = Some(value::timeout(value)?);
        Ok(())
    },
};

/// The option that needs no value.
const ISOLATED: OptionSpec<Options> = OptionSpec {
    name: "isolated",
    example: "isolated",
    read: |options, _| {
        options.is_isolated = true;
        Ok(())
    },
};

const ENCODING: OptionSpec<Options> = OptionSpec {
    name: "encoding",
    example: r#"encoding = "cbor""#,
    read: |options, value| {
        let expected =
            "expected `\"cbor\"`, which carries the names of fields; leave the option out for the compact encoding";
        let encoding = value::text(value, expected)?;
        if encoding.value() != "cbor" {
            return Err(syn::Error::new(encoding.span(), expected));
        }
        if !cfg!(feature = "cbor") {
            let message = "the encoding `cbor` needs the feature `cbor` of `scheduler`: \
                `scheduler = { version = \"…\", features = [\"cbor\"] }`";
            return Err(syn::Error::new(encoding.span(), message));
        }
        options.encoding = Some(Ident::new("Cbor", Span::call_site()));
        Ok(())
    },
};

const CRATE: OptionSpec<Options> = OptionSpec {
    name: "crate",
    example: "crate = my_crate::scheduler",
    read: |options, value| {
        options.krate = Some(value::path(value)?);
        Ok(())
    },
};

/// The options of `#[job]`.
pub(crate) const JOB: AttributeSpec =
    AttributeSpec { own: &[NAME, TIMEOUT, ENCODING, CRATE], job_options: job_options::JOB };

/// The options of `#[scheduler::main]`.
pub(crate) const MAIN: AttributeSpec = AttributeSpec { own: &[CRATE], job_options: &[] };

/// The options of `#[scheduler::test]`.
pub(crate) const TEST: AttributeSpec = AttributeSpec { own: &[TIMEOUT, ISOLATED, CRATE], job_options: &[] };

/// A known option.
enum KnownOption {
    Own(&'static OptionSpec<Options>),
    Job(&'static OptionSpec<JobOptions>),
}

impl AttributeSpec {
    fn names(self) -> Vec<&'static str> {
        self.own.iter().map(|option| option.name).chain(self.job_options.iter().map(|option| option.name)).collect()
    }

    fn find(self, name: &str) -> Option<KnownOption> {
        let own = self.own.iter().find(|option| option.name == name).map(KnownOption::Own);
        own.or_else(|| self.job_options.iter().find(|option| option.name == name).map(KnownOption::Job))
    }
}

impl KnownOption {
    fn name(&self) -> &'static str {
        match self {
            Self::Own(option) => option.name,
            Self::Job(option) => option.name,
        }
    }

    fn example(&self) -> &'static str {
        match self {
            Self::Own(option) => option.example,
            Self::Job(option) => option.example,
        }
    }
}

impl Options {
    /// Returns the timeout as an expression, an `Option<Duration>`.
    pub(crate) fn timeout(&self) -> TokenStream {
        let krate = self.krate();
        let Some(timeout) = self.timeout else {
            return quote!(#krate::__private::Option::None);
        };
        let timeout = job_options::duration(timeout, &krate);
        quote!(#krate::__private::Option::Some(#timeout))
    }

    /// Returns the encoding of values, as a call of a setter.
    pub(crate) fn encoding(&self) -> Option<TokenStream> {
        let (krate, encoding) = (self.krate(), self.encoding.as_ref()?);
        Some(quote!(.encoded_as(#krate::__private::Encoding::#encoding)))
    }

    /// Returns the other options of the job, as a function from options to options.
    pub(crate) fn option_setters(&self) -> TokenStream {
        self.job.expand(&self.krate())
    }

    /// Parses all options; the invalid ones become diagnostics.
    pub(crate) fn parse(tokens: TokenStream, known: AttributeSpec, diagnostics: &mut Diagnostics) -> Self {
        let mut options = Self::default();
        let mut seen = Vec::new();
        for option in split_at_commas(tokens) {
            if let Err(error) = options.read(option, known, &mut seen) {
                diagnostics.add(error);
            }
        }
        options.job.check(options.timeout, diagnostics);
        options
    }

    fn read(&mut self, option: TokenStream, known: AttributeSpec, seen: &mut Vec<&'static str>) -> syn::Result<()> {
        let whole = option.clone();
        let (key, value) = (|input: ParseStream<'_>| {
            let key = input.call(Ident::parse_any).ok();
            Ok((key, input.parse::<TokenStream>()?))
        })
        .parse2(option)?;
        let Some(key) = key else {
            let message = format!("expected an option; {}", listed(&known.names()));
            return Err(syn::Error::new_spanned(whole, message));
        };
        let name = key.unraw().to_string();
        let Some(found) = known.find(&name) else {
            let names = known.names();
            let meant = other_name(&name, &names).or_else(|| nearest(&name, &names));
            let advice = place(&name).or_else(|| meant.map(|meant| format!("did you mean `{meant}`?")));
            let message = format!("unknown option `{name}`; {}", advice.unwrap_or_else(|| listed(&names)));
            return Err(syn::Error::new(key.span(), message));
        };
        if seen.contains(&found.name()) {
            return Err(syn::Error::new_spanned(whole, format!("option `{name}` is given twice; remove one")));
        }
        seen.push(found.name());
        let mut value = value.into_iter();
        let has_value = matches!(value.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == '=');
        let value: TokenStream = value.collect();
        let is_flag = found.name() == ISOLATED.name;
        if is_flag && whole.clone().into_iter().count() != 1 {
            let message = "expected `isolated` without a value; leave it out to run the test beside the others";
            return Err(syn::Error::new_spanned(whole, message));
        }
        let (has_value, value) = if is_flag { (true, quote!(true)) } else { (has_value, value) };
        if !has_value || value.is_empty() {
            return Err(syn::Error::new_spanned(
                whole,
                format!("option `{name}` needs a value: `{}`", found.example()),
            ));
        }
        match found {
            KnownOption::Own(option) => (option.read)(self, value),
            KnownOption::Job(option) => (option.read)(&mut self.job, value),
        }
    }

    /// Returns the path by which the expansion names the runtime crate.
    pub(crate) fn krate(&self) -> TokenStream {
        self.krate.as_ref().map_or_else(|| quote!(::scheduler), ToTokens::to_token_stream)
    }
}

/// Splits at the commas outside of any group, so that a mistake in one option doesn't hide those of the next.
///
/// An empty option leaves its comma, which is refused as an option.
fn split_at_commas(tokens: TokenStream) -> Vec<TokenStream> {
    let mut options = vec![TokenStream::new()];
    for token in tokens {
        match (&token, options.last_mut()) {
            (TokenTree::Punct(comma), Some(option)) if comma.as_char() == ',' => {
                if option.is_empty() {
                    option.extend([token]);
                }
                options.push(TokenStream::new());
            }
            (_, Some(option)) => option.extend([token]),
            (_, None) => {}
        }
    }
    options.retain(|option| !option.is_empty());
    options
}

fn listed(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match &names[..] {
        [only] => format!("the only option is {only}"),
        [firsts @ .., last] => format!("the options are {} and {last}", firsts.join(", ")),
        [] => "there are no options".to_owned(),
    }
}

/// The names of options in other tools: queues, test runners, service managers, `timeout`, `ulimit`.
const OTHER_NAMES: &[(&str, &[&str])] = &[
    ("name", &["id", "title", "task_name", "job_name"]),
    ("timeout", &["time_limit", "limit", "deadline", "max_time", "max_duration", "ttl", "hard_timeout", "run_timeout"]),
    ("crate", &["krate", "path"]),
    ("grace", &["kill_after", "grace_period", "stop_timeout", "term_timeout", "soft_timeout", "shutdown_timeout"]),
    ("terminate", &["signal", "kill_signal", "stop_signal", "kill", "stop"]),
    ("stall", &["heartbeat", "heartbeat_timeout", "keepalive", "watchdog", "stalled_interval", "visibility_timeout"]),
    ("silence", &["no_output_timeout", "output_timeout", "idle_timeout", "inactivity_timeout"]),
    ("slow", &["slow_timeout", "warn_after", "slow_after"]),
    ("retries", &["retry", "max_retries", "retry_count", "attempts", "max_attempts", "tries", "max_tries", "restart"]),
    ("backoff", &["delay", "retry_delay", "retry_after", "retry_backoff", "wait", "interval"]),
    ("follow_up", &["on_failure", "on_timeout", "callback", "link_error", "hook", "after", "followup"]),
    ("retry_on", &["retry_if", "retry_when", "retry_for", "autoretry_for"]),
    ("memory", &["memory_limit", "max_memory", "mem", "ram", "rss", "memory_max"]),
    ("tree_memory", &["cgroup_memory", "memory_total", "job_memory"]),
    ("cpus", &["affinity", "cpu_affinity", "cpuset", "cores", "taskset"]),
    ("stack_size", &["stack", "stacksize"]),
    ("temp_dir", &["tempdir", "tmpdir", "scratch", "tmp"]),
    ("stdin", &["input"]),
    ("setup", &["init", "pre_exec", "initializer", "before", "sandbox"]),
    ("cpu_time", &["cpu", "cpu_limit", "max_cpu", "cpu_seconds"]),
    ("open_files", &["nofile", "fds", "max_files", "max_open_files", "files"]),
    ("processes", &["nproc", "pids", "max_processes", "tasks_max", "threads"]),
    ("file_size", &["fsize", "max_file_size"]),
    ("core_size", &["core", "core_dump", "coredump"]),
    ("niceness", &["nice"]),
    ("env", &["environment", "envs", "vars", "set_env"]),
    ("env_remove", &["unset_env", "unsetenv", "remove_env"]),
    ("env_clear", &["clear_env", "clean_env"]),
    ("current_dir", &["cwd", "dir", "chdir", "workdir", "working_dir", "working_directory", "folder"]),
    ("stdout", &["output", "out", "log", "capture", "capture_output"]),
    ("stderr", &["err", "errors"]),
    ("stacks", &["stack", "backtrace", "backtraces", "stack_trace", "stacktrace", "traceback", "faulthandler", "dump"]),
    ("group", &["queue", "lane", "pool", "concurrency_group", "test_group", "semaphore"]),
];

/// Returns where a setting is made that no attribute has.
fn place(name: &str) -> Option<String> {
    const OF_CALLS: [&str; 2] = ["inherit_fd", "resume_from"];
    const OF_SCHEDULERS: [&str; 6] =
        ["concurrency", "total_timeout", "start_timeout", "delivery_timeout", "start_method", "cancel_token"];
    if OF_CALLS.contains(&name) {
        return Some(format!("it is set on the call, as in `f::job().{name}(…)`"));
    }
    OF_SCHEDULERS.contains(&name).then(|| format!("it is set on the scheduler, as in `Scheduler::new().{name}(…)`"))
}

/// Returns the option that has this name in another tool.
fn other_name<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let (option, _) = OTHER_NAMES.iter().find(|(_, others)| others.contains(&name))?;
    known.iter().copied().find(|known| known == option)
}

/// Returns the option with the most similar name; of equally similar ones, the one with the longest common prefix.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let shared = |known: &str| name.chars().zip(known.chars()).take_while(|(a, b)| a == b).count();
    let distances = known.iter().map(|known| (edits(name, known), Reverse(shared(known)), *known));
    let (distance, _, near) = distances.min()?;
    (distance <= near.len() / 3 + 1).then_some(near)
}

/// Returns the edit distance of two names: the number of letters to add, remove, change or swap.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests;
