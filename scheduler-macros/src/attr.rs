//! Parses the options of an attribute, such as `#[job(name = "tidy", timeout = "30s")]`, and keeps their spans.
//!
//! Those that only the running of a job depends on stand in [`told`].

use std::cmp::Reverse;
use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{LitStr, Path};

use crate::job_options::{self, JobOptions, OptionSpec};
use crate::problems::Problems;
use crate::value;

/// What the options of an attribute say.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) name: Option<LitStr>,
    pub(crate) timeout: Option<Duration>,
    /// What the job is told beside its timeout.
    pub(crate) job: JobOptions,
    /// How values are encoded: the name of a variant of the runtime crate.
    encoding: Option<Ident>,
    krate: Option<Path>,
}

/// The options that an attribute knows.
#[derive(Clone, Copy)]
pub(crate) struct Attribute {
    own: &'static [OptionSpec<Options>],
    job: &'static [OptionSpec<JobOptions>],
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
pub(crate) const JOB: Attribute = Attribute { own: &[NAME, TIMEOUT, ENCODING, CRATE], job: job_options::JOB };

/// The options of `#[scheduler::main]`.
pub(crate) const MAIN: Attribute = Attribute { own: &[CRATE], job: &[] };

/// The options of `#[scheduler::test]`.
pub(crate) const TEST: Attribute = Attribute { own: &[TIMEOUT, CRATE], job: &[] };

/// One of them.
enum Found {
    Own(&'static OptionSpec<Options>),
    ForJob(&'static OptionSpec<JobOptions>),
}

impl Attribute {
    fn names(self) -> Vec<&'static str> {
        self.own.iter().map(|option| option.name).chain(self.job.iter().map(|option| option.name)).collect()
    }

    fn find(self, name: &str) -> Option<Found> {
        let own = self.own.iter().find(|option| option.name == name).map(Found::Own);
        own.or_else(|| self.job.iter().find(|option| option.name == name).map(Found::ForJob))
    }
}

impl Found {
    fn name(&self) -> &'static str {
        match self {
            Self::Own(option) => option.name,
            Self::ForJob(option) => option.name,
        }
    }

    fn example(&self) -> &'static str {
        match self {
            Self::Own(option) => option.example,
            Self::ForJob(option) => option.example,
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

    /// Returns how values are encoded, as the call of a setter.
    pub(crate) fn encoding(&self) -> Option<TokenStream> {
        let (krate, encoding) = (self.krate(), self.encoding.as_ref()?);
        Some(quote!(.encoded_as(#krate::__private::Encoding::#encoding)))
    }

    /// Returns what else the job is told, as a function from options to options.
    pub(crate) fn job_options(&self) -> TokenStream {
        self.job.expand(&self.krate())
    }

    /// Reads every option that can be read; the others become problems.
    pub(crate) fn parse(tokens: TokenStream, known: Attribute, problems: &mut Problems) -> Self {
        let mut options = Self::default();
        let mut seen = Vec::new();
        for option in split_at_commas(tokens) {
            if let Err(error) = options.read(option, known, &mut seen) {
                problems.add(error);
            }
        }
        options.job.check(problems);
        options
    }

    fn read(&mut self, option: TokenStream, known: Attribute, seen: &mut Vec<&'static str>) -> syn::Result<()> {
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
            let advice = meant.map(|meant| format!("did you mean `{meant}`?"));
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
        if !has_value || value.is_empty() {
            return Err(syn::Error::new_spanned(
                whole,
                format!("option `{name}` needs a value: `{}`", found.example()),
            ));
        }
        match found {
            Found::Own(option) => (option.read)(self, value),
            Found::ForJob(option) => (option.read)(&mut self.job, value),
        }
    }

    /// Returns the path by which the expansion names the runtime crate.
    pub(crate) fn krate(&self) -> TokenStream {
        self.krate.as_ref().map_or_else(|| quote!(::scheduler), ToTokens::to_token_stream)
    }
}

/// Splits at the commas outside of any group, so that a mistake in one option doesn't hide those of the next.
///
/// Of nothing before a comma the comma itself is left, which is no option.
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

/// What an option is called by other tools: queues, test runners, service managers, `timeout`, `ulimit`.
const OTHER_NAMES: &[(&str, &[&str])] = &[
    ("name", &["id", "title", "task_name", "job_name"]),
    (
        "timeout",
        &[
            "time_limit",
            "limit",
            "deadline",
            "max_time",
            "max_duration",
            "ttl",
            "hard_timeout",
            "run_timeout",
            "slow_timeout",
        ],
    ),
    ("crate", &["krate", "path"]),
    ("grace", &["kill_after", "grace_period", "stop_timeout", "term_timeout", "soft_timeout", "shutdown_timeout"]),
    ("terminate", &["signal", "kill_signal", "stop_signal", "kill", "stop"]),
    ("retries", &["retry", "max_retries", "retry_count", "attempts", "max_attempts", "tries", "max_tries", "restart"]),
    ("backoff", &["delay", "retry_delay", "retry_after", "retry_backoff", "wait", "interval"]),
    ("retry_on", &["retry_if", "retry_when", "retry_for", "autoretry_for"]),
    ("memory", &["memory_limit", "max_memory", "mem", "ram", "rss", "memory_max"]),
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
    ("group", &["queue", "lane", "pool", "concurrency_group", "test_group", "semaphore"]),
];

/// Returns the option that another tool calls so.
fn other_name<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let (option, _) = OTHER_NAMES.iter().find(|(_, others)| others.contains(&name))?;
    known.iter().copied().find(|known| known == option)
}

/// Returns the option that was probably meant: of those that are equally near, the one with the longest beginning in common.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let shared = |known: &str| name.chars().zip(known.chars()).take_while(|(a, b)| a == b).count();
    let distances = known.iter().map(|known| (edits(name, known), Reverse(shared(known)), *known));
    let (distance, _, near) = distances.min()?;
    (distance <= near.len() / 3 + 1).then_some(near)
}

/// Returns how many letters must be added, removed, changed or moved by one place to make `a` out of `b`.
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
mod tests {
    use super::*;

    fn parse(tokens: TokenStream) -> (Options, Vec<String>) {
        let mut problems = Problems::default();
        let options = Options::parse(tokens, JOB, &mut problems);
        (options, problems.messages())
    }

    #[track_caller]
    fn refused(tokens: TokenStream, expected: &[&str]) {
        assert_eq!(parse(tokens).1, expected);
    }

    #[test]
    fn no_options_are_the_defaults() {
        let (options, problems) = parse(quote!());
        assert!(options.name.is_none() && options.timeout.is_none() && problems.is_empty());
        assert_eq!(options.krate().to_string(), ":: scheduler");
    }

    #[test]
    fn every_option_is_read_in_any_order() {
        let (options, problems) = parse(quote!(timeout = "1m 30s", crate = crate::jobs, name = "tidy",));
        assert_eq!(problems, [""; 0]);
        assert_eq!(options.timeout, Some(Duration::from_secs(90)));
        assert_eq!(options.name.map(|name| name.value()).as_deref(), Some("tidy"));
        assert_eq!(options.krate.to_token_stream().to_string(), "crate :: jobs");
    }

    #[test]
    fn an_unknown_option_is_refused_with_the_nearest() {
        let known = listed(&JOB.names());
        for typo in ["timout", "tiemout", "Timeout", "time_out"] {
            let key = quote::format_ident!("{typo}");
            refused(quote!(#key = "30s"), &[&format!("unknown option `{typo}`; did you mean `timeout`?")]);
        }
        refused(quote!(colour = 3), &[&format!("unknown option `colour`; {known}")]);
    }

    #[test]
    fn an_option_of_another_tool_is_refused_with_the_one_that_it_is_here() {
        let asked = ["retry", "max_attempts", "kill_after", "time_limit", "cwd", "nice", "nofile", "queue"];
        let meant = ["retries", "retries", "grace", "timeout", "current_dir", "niceness", "open_files", "group"];
        for (asked, meant) in asked.into_iter().zip(meant) {
            let key = quote::format_ident!("{asked}");
            refused(quote!(#key = 3), &[&format!("unknown option `{asked}`; did you mean `{meant}`?")]);
        }
        let names = JOB.names();
        for (option, others) in OTHER_NAMES {
            assert!(names.contains(option), "`{option}` is no option");
            assert!(others.iter().all(|other| !names.contains(other)), "an option is another name of `{option}`");
        }
        assert_eq!(other_name("retry", &MAIN.names()), None);
    }

    #[test]
    fn of_options_that_are_equally_near_the_one_with_the_same_beginning_is_meant() {
        assert_eq!(nearest("retry", &["memory", "retries"]), Some("retries"));
    }

    #[test]
    fn an_option_given_twice_is_refused_once() {
        let (options, problems) = parse(quote!(name = "a", timeout = "1s", name = "b"));
        assert_eq!(problems, ["option `name` is given twice; remove one"]);
        assert_eq!(options.name.map(|name| name.value()).as_deref(), Some("a"));
    }

    #[test]
    fn an_option_without_a_value_is_told_how_to_write_it() {
        for option in [quote!(timeout), quote!(timeout("30s")), quote!(timeout =)] {
            refused(option, &["option `timeout` needs a value: `timeout = \"30s\"`"]);
        }
        let expected = format!("expected an option; {}", listed(&JOB.names()));
        refused(quote!("30s"), &[&expected]);
        refused(quote!(, name = "a"), &[&expected]);
    }

    #[test]
    fn all_mistakes_come_at_once() {
        let (_, problems) = parse(quote!(timeout = 30, nam = "a", crate = 1));
        assert_eq!(problems.len(), 3);
    }

    #[test]
    fn main_knows_only_the_crate() {
        let mut problems = Problems::default();
        Options::parse(quote!(timeout = "1s"), MAIN, &mut problems);
        assert_eq!(problems.messages(), ["unknown option `timeout`; the only option is `crate`"]);
    }
}
