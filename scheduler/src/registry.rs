//! The registry: every job declared in this binary, found by its name.

use std::any::TypeId;
use std::fmt;
use std::hint;
use std::sync::OnceLock;
use std::time::Duration;

#[cfg(feature = "json")]
use crate::arguments::Arguments;
use crate::error::Error;
use crate::escape::OneLine;
use crate::invocation::{Completion, Invocation};
use crate::options::Options;
use crate::process::PerProcess;
use crate::result_codec::ErasedCodec;

/// A registered job: a row of the [`registry`].
#[derive(Clone, Copy)]
pub struct Entry(Declaration);

/// A job's declaration, as `#[job]` expands to it.
#[doc(hidden)]
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "only the expansion of `#[job]` names it")]
pub struct Declaration {
    pub name: &'static str,
    pub file: &'static str,
    pub line: u32,
    pub column: u32,
    pub parameters: &'static [Parameter],
    pub result: &'static str,
    pub signature: u64,
    pub timeout: Option<Duration>,
    pub options: fn(Options) -> Options,
    pub arguments: fn() -> TypeId,
    pub codec: ErasedCodec,
    pub run: fn(Invocation<'_>) -> Completion,
    pub transcoder: Transcoder,
}

/// The function that reads each argument of a job from one encoding and writes it in another.
#[cfg(feature = "json")]
pub(crate) type Transcoder = fn(&mut Invocation<'_>, &mut Arguments) -> Result<(), Completion>;

/// Nothing: without the feature `json` no job has a function that transcodes arguments.
#[cfg(not(feature = "json"))]
pub(crate) type Transcoder = ();

/// Expands to the function of a [`Transcoder`], which an expansion of `#[job]` always writes, or to nothing without the feature.
#[cfg(feature = "json")]
#[doc(hidden)]
#[macro_export]
macro_rules! __transcoder {
    ($($function:tt)*) => { $($function)* };
}

#[cfg(not(feature = "json"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __transcoder {
    ($($function:tt)*) => {
        ()
    };
}

/// A parameter of a registered job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parameter {
    /// The parameter's name, or `_`.
    pub name: &'static str,
    /// The parameter's type, as written.
    pub type_name: &'static str,
}

impl Parameter {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str, type_name: &'static str) -> Self {
        Self { name, type_name }
    }
}

impl Entry {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(declaration: Declaration) -> Self {
        Self(declaration)
    }

    /// Returns the job's registered name: its path, such as `my_crate::images::resize`, or the one of `#[job(name = "…")]`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// Returns the source file that declares the job, as passed to the compiler.
    #[must_use]
    pub fn file(&self) -> &'static str {
        self.0.file
    }

    /// Returns the line of the declaration, from 1.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.0.line
    }

    /// Returns the column of the declaration, from 1.
    #[must_use]
    pub fn column(&self) -> u32 {
        self.0.column
    }

    /// Returns the function's parameters.
    #[must_use]
    pub fn parameters(&self) -> &'static [Parameter] {
        self.0.parameters
    }

    /// Returns the function's return type, as written.
    #[must_use]
    pub fn result(&self) -> &'static str {
        self.0.result
    }

    /// Returns the timeout of the attribute, if it sets one.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.0.timeout
    }

    /// Returns the options of the attribute.
    pub(crate) fn options(&self) -> Options {
        (self.0.options)(Options { timeout: self.0.timeout, ..Options::default() })
    }

    pub(crate) fn signature(&self) -> u64 {
        self.0.signature
    }

    pub(crate) fn codec(&self) -> ErasedCodec {
        self.0.codec
    }

    pub(crate) fn takes<A: 'static>(&self) -> bool {
        (self.0.arguments)() == TypeId::of::<A>()
    }

    pub(crate) fn run(&self, invocation: Invocation<'_>) -> Completion {
        __rust_begin_short_backtrace(self.0.run, invocation)
    }

    /// Reads each argument from the invocation and adds it to the arguments.
    #[cfg(feature = "json")]
    pub(crate) fn transcode(
        &self,
        invocation: &mut Invocation<'_>,
        arguments: &mut Arguments,
    ) -> Result<(), Completion> {
        (self.0.transcoder)(invocation, arguments)
    }

    fn location(&self) -> impl fmt::Display + use<> {
        format!("{}:{}", self.file(), self.line())
    }
}

impl fmt::Display for Entry {
    /// Writes the job as its function was declared: `resize(path: PathBuf, width: u32) -> Size`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.name())?;
        for (index, Parameter { name, type_name }) in self.parameters().iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{name}: {type_name}")?;
        }
        write!(f, ") -> {}", self.result())
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({self}, {})", self.location())
    }
}

/// A registered job, for `inventory`.
#[doc(hidden)]
#[derive(Debug)]
pub struct Registered(pub &'static Entry);

inventory::collect!(Registered);

/// Returns every job declared in this binary and the crates linked to it, sorted by name.
///
/// The linker leaves out a crate that no code names, with its jobs, until `use that_crate as _;` names it.
///
/// # Examples
///
/// ```
/// use scheduler::job;
///
/// #[job(name = "images::resize")]
/// fn resize(path: std::path::PathBuf, width: u32) -> u64 {
///     # let _ = (path, width);
///     0
/// }
///
/// # fn main() {
/// let entry = scheduler::registry().iter().find(|entry| entry.name() == "images::resize").unwrap();
/// assert_eq!(entry.parameters()[1].type_name, "u32");
/// assert_eq!(entry.to_string(), "images::resize(path: std::path::PathBuf, width: u32) -> u64");
/// # }
/// ```
#[must_use]
pub fn registry() -> &'static [&'static Entry] {
    static SORTED: PerProcess<OnceLock<Vec<&'static Entry>>> = PerProcess::new(OnceLock::new());
    SORTED.here().get_or_init(|| {
        let mut entries: Vec<_> = all().collect();
        entries.sort_by_key(|entry| (entry.name(), entry.file(), entry.line(), entry.column()));
        entries
    })
}

/// Calls a job's function. Backtraces end above a frame of this name, those that the standard library prints included.
#[inline(never)]
fn __rust_begin_short_backtrace(run: fn(Invocation<'_>) -> Completion, invocation: Invocation<'_>) -> Completion {
    let completion = run(invocation);
    // Without work after it, the call could take the place of this frame.
    hint::black_box(());
    completion
}

fn all() -> impl Iterator<Item = &'static Entry> {
    inventory::iter::<Registered>.into_iter().map(|Registered(entry)| *entry)
}

/// Returns the job or test body of exactly this name, without sorting the registry: a job's process must start fast.
pub(crate) fn find_exact(name: &str) -> Option<&'static Entry> {
    all().find(|entry| entry.name() == name).or_else(|| test_body(name))
}

/// The body of a test that runs in a process of its own. It isn't listed among the jobs, and its name is not a path.
#[doc(hidden)]
#[derive(Debug)]
pub struct TestBody(pub &'static Entry);

inventory::collect!(TestBody);

/// Returns the test body of this name.
pub(crate) fn test_body(name: &str) -> Option<&'static Entry> {
    inventory::iter::<TestBody>.into_iter().map(|TestBody(entry)| *entry).find(|entry| entry.name() == name)
}

/// Returns the job of this name, or the only one whose path ends in it: `resize` finds `my_crate::images::resize`.
pub(crate) fn find(name: &str) -> Result<&'static Entry, Error> {
    find_among(registry(), name)
}

fn find_among(entries: &[&'static Entry], name: &str) -> Result<&'static Entry, Error> {
    // They are sorted by name.
    if let Ok(found) = entries.binary_search_by_key(&name, |entry| entry.name()) {
        return Ok(entries[found]);
    }
    let has_suffix = |entry: &&&Entry| {
        let before = entry.name().strip_suffix(name);
        !name.is_empty() && before.is_some_and(|path| path.ends_with("::"))
    };
    match entries.iter().filter(has_suffix).collect::<Vec<_>>()[..] {
        [entry] => Ok(entry),
        [] => Err(unknown(entries, name)),
        ref several => {
            let names = quoted(several.iter().map(|entry| entry.name()));
            let name = OneLine(name);
            Err(Error::invalid_jobs(format!("`{name}` may be any of {names}; write more of the path")))
        }
    }
}

/// Returns the error for the name of a job that isn't registered, with the nearest names.
pub(crate) fn unknown_name(name: &str) -> Error {
    unknown(registry(), name)
}

fn unknown(entries: &[&'static Entry], name: &str) -> Error {
    let near = nearest(entries, name);
    let missing = missing_crate(entries, name);
    let link = format!("if it is in another crate, name that crate: `use {} as _;`", missing.unwrap_or("that_crate"));
    let is_complete = missing.is_none() && name.contains("::");
    let name = OneLine(name);
    Error::invalid_jobs(if entries.is_empty() {
        format!("no job is named `{name}`: none is registered; put `#[job]` on a function; {link}")
    } else if near.is_empty() {
        format!("no job is named `{name}`, of {} that are known; {link}", entries.len())
    } else if is_complete {
        format!("no job is named `{name}`; did you mean {}?", quoted(near))
    } else {
        format!("no job is named `{name}`; did you mean {}? {link}", quoted(near))
    })
}

/// Returns the crate that a path begins with, if no job of that crate is registered: it may not be linked.
fn missing_crate<'a>(entries: &[&'static Entry], name: &'a str) -> Option<&'a str> {
    let (first, _) = name.split_once("::")?;
    let is_name = !first.is_empty() && first.chars().all(|c| c == '_' || c.is_alphanumeric());
    let is_linked = entries.iter().any(|entry| entry.name().split("::").next() == Some(first));
    (is_name && !is_linked).then_some(first)
}

/// Returns up to three names that are similar to `name`, the most similar first.
fn nearest(entries: &[&'static Entry], name: &str) -> Vec<&'static str> {
    const SIMILAR: f64 = 0.6;
    let last = |path: &str| path.rsplit("::").next().unwrap_or_default().to_owned();
    let mut scored: Vec<_> = entries
        .iter()
        .map(|entry| {
            let whole = strsim::normalized_damerau_levenshtein(entry.name(), name);
            let short = strsim::normalized_damerau_levenshtein(&last(entry.name()), &last(name));
            (whole.max(short), entry.name())
        })
        .filter(|(score, _)| *score >= SIMILAR)
        .collect();
    scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}

fn quoted(names: impl IntoIterator<Item = &'static str>) -> String {
    let quoted: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// Checks that no two jobs have the same name, once per process.
pub(crate) fn check() -> Result<(), Error> {
    static PROBLEM: PerProcess<OnceLock<Option<String>>> = PerProcess::new(OnceLock::new());
    let problem = PROBLEM.here().get_or_init(|| duplicate_among(registry()));
    problem.as_ref().map_or(Ok(()), |problem| Err(Error::invalid_jobs(problem)))
}

fn duplicate_among(sorted: &[&'static Entry]) -> Option<String> {
    let pair = sorted.windows(2).find(|pair| pair[0].name() == pair[1].name())?;
    Some(format!(
        "job `{}` is registered twice: {} and {}; give one of them another name with `#[job(name = \"…\")]`",
        pair[0].name(),
        pair[0].location(),
        pair[1].location(),
    ))
}

#[cfg(test)]
pub(crate) mod tests;
