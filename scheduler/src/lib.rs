//! Hard timeouts for Rust functions.
//!
//! A Rust thread or blocking task that hangs can't be stopped from outside. This crate runs each function that is marked
//! with [`#[job]`](macro@job) in a process of its own, a re-executed copy of the same binary. The parent enforces a
//! timeout, kills the job with every process that it started, and keeps a [`Record`] of the result or the exact failure.
//!
//! ```
//! use std::time::Duration;
//! use scheduler::{job, jobs, Scheduler, Status};
//!
//! #[job]
//! fn square(n: u64) -> u64 { n * n }
//!
//! #[job(timeout = "100ms")]
//! fn hang() { loop { std::thread::park() } }
//!
//! #[scheduler::main]
//! fn main() -> Result<(), scheduler::Error> {
//!     let scheduler = Scheduler::new().timeout(Duration::from_secs(30)).concurrency(2);
//!     let records = scheduler.run(jobs![("a", square(12)), ("b", hang)])?;
//!     assert_eq!(records[0].result::<u64>()?, 144);
//!     assert_eq!(records[1].status(), Status::Timeout); // Killed after 100 milliseconds.
//!     Ok(())
//! }
//! ```
//!
//! `square(12)` calls the function here; `square::job(12)` describes a call for a process of its own. [`jobs!`] writes the
//! second for the first.
//!
//! # Usage
//!
//! Arguments and results are `serde` types, so most programs depend on both crates:
//!
//! ```toml
//! [dependencies]
//! scheduler = "0.1"
//! serde = { version = "1", features = ["derive"] }
//! ```
//!
//! 1. Write [`#[job]`](macro@job) above each function that needs a limit.
//! 2. Write [`#[scheduler::main]`](macro@main) above `main` (and above `#[tokio::main]`), or call [`init()`] first thing in
//!    it. A re-executed copy runs its job there, and never gets past it.
//! 3. In tests, write [`enable_tests!`] once in the crate, or [`#[scheduler::test]`](macro@test) in place of `#[test]`; the
//!    [`guide`] has a table of all environments of `cargo test`.
//!
//! | to run | call | it returns |
//! |---|---|---|
//! | a list | [`Scheduler::run`], [`Scheduler::run_async`] | a [`Record`] for each job, in input order |
//! | a list, as its jobs finish | [`Scheduler::stream`] | a [`Stream`] of [`Record`]s, which is an iterator and can be awaited |
//! | a list, until one succeeds | [`Scheduler::first_ok`] | the [`Record`] of the first success |
//! | one job for each input | [`Scheduler::map`] | a typed [`Run<T>`](Run) for each, in input order |
//! | one job, in the background | [`Scheduler::spawn`] | a [`Handle<T>`](Handle), which returns a typed [`Run<T>`](Run) |
//! | one job | [`run_job_with_timeout`], [`run_job_async`] | a typed [`Run<T>`](Run) |
//! | a list, with a log of timeouts | [`schedule_jobs`] | a [`Record`] for each job |
//!
//! An [`Outcome`] is a value, a [`Failure`] or an [`Overrun`]; the failure of a job is data. An [`Error`] means that the
//! scheduler itself failed or was given invalid input. A job uses [`this_job`] to read its deadline, report progress and
//! save checkpoints; an [`Observer`] receives events while jobs run; a [`CancelToken`] stops jobs from outside;
//! [`registry()`] lists every job of the binary.
//!
//! # Which timeout applies
//!
//! | set by | for | effect |
//! |---|---|---|
//! | [`Job::timeout`], [`AnyJob::timeout`] | one call | the limit |
//! | `#[job(timeout = "30s")]` | the function | the limit of calls without their own |
//! | [`Scheduler::timeout`] | the scheduler | the limit of jobs without their own |
//! | [`run_job_with_timeout`], [`schedule_jobs`] | the function's argument | a ceiling: shorter limits apply, longer ones don't |
//!
//! A timeout counts the function's own time; the start of its process has a limit of its own
//! ([`Scheduler::start_timeout`]). `Duration::MAX` means no limit, and zero is an [`Error`].
//!
#![doc = include_str!("docs/cookbook.md")]
//!
#![doc = include_str!("docs/options.md")]
//!
//! # Guarantees
//!
//! - When a record is returned, no process that the job started is alive, whether the job returned, failed or was killed.
//!   If the kernel doesn't let a process die in time, the record's [`Sweep`] names it.
//! - A result that arrives before the timeout is enforced counts, and is never overturned.
//! - Exit status 0 is not a success: only a complete outcome is.
//! - Nothing that a job, or a library in it, writes to its standard streams can be mistaken for its outcome. By default
//!   standard output goes where the application's goes, and standard error is passed on, with its end kept for the record
//!   of a failure; [`stdout` and `stderr`](macro@job#stdout-and-stderr) change that.
//! - A job starts with default signal dispositions (SIGPIPE ignored, as in every Rust program), standard input at end of
//!   file, and no descriptor of the application. This crate's own are close-on-exec, so that no program that the job starts has them;
//!   on Linux and other Unix systems they have high numbers, usually from 200 on, and the small ones are free.
//! - If the application is killed, its jobs are killed with it.
//! - The library itself prints nothing.
//!
//! # What a job costs
//!
//! One process: some milliseconds. Each job executes the binary once, and with it `main` up to [`init()`], so keep that
//! part small. Arguments and results, up to 1 GiB each, are copied through a socket and a pipe. A job sees nothing of the
//! parent's memory: no global that was changed at run time, no thread, no open connection.
//!
//! # Features
//!
//! None is enabled by default. Awaiting jobs needs no feature.
//!
//! | feature | adds |
//! |---|---|
//! | `cbor` | arguments and results that the compact encoding can't carry ([`encoding`](macro@job#encoding)) |
//! | `cli` | `cli::main`: a command line that lists jobs, runs one, runs batches of them, and makes reports |
//! | `ctrlc` | `CancelToken::on_ctrl_c`: Ctrl-C cancels a [`CancelToken`] |
//! | `remote` | `remote`: jobs on other machines, in a Slurm cluster, behind `ssh` or any command |
//! | `journal` | `journal`: lists whose jobs are kept in a file, and go on where they were when the application is started again |
//! | `json` | `AnyJob::from_json` and `AnyJob::arguments_json`: arguments from JSON and to JSON |
//! | `metrics` | `Metrics`, an [`Observer`] that counts and measures with the facade [`metrics`](https://docs.rs/metrics) |
//! | `progress` | `progress::Bar`, an [`Observer`] that draws a progress bar |
//! | `report` | `report`, observers that write files: a log, a JUnit report, a trace, a timeline |
//! | `signals` | `CancelToken::on_termination`: SIGTERM, SIGHUP and Ctrl-C drain a [`CancelToken`]; includes `ctrlc` |
//! | `stacks` | the functions and lines that a job has reached at its timeout ([`stacks`](macro@job#stacks)) |
//! | `stream` | [`Stream`] implements `futures_core::Stream` |
//! | `tokio` | a job may be an `async fn` ([async functions](macro@job#async-functions)) |
//! | `tracing` | `Tracing`, an [`Observer`] that emits spans and events to [`tracing`](https://docs.rs/tracing) |
//!
//! # Platform
//!
//! Linux, Windows, macOS and FreeBSD. This documentation describes Linux, where the kernel proves that no process of a job
//! is left ([`Sweep::Clean`], [`Sweep::Killed`]); on Windows a job object does. On macOS and other Unix systems the job's
//! process group is killed, and processes with the run marker in their environment; the search finds most, but completeness
//! can't be verified ([`Sweep::Unproved`]). [`StartMethod::ForkServer`], [`StartMethod::Reuse`] and [`Scheduler::adopt_orphans`] exist only on
//! Linux. The project's `PLATFORMS.md` lists for each guarantee where it was tested.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer_thread;
mod answers;
mod arguments;
mod builder;
mod call;
mod canceller;
mod checkpoint;
mod child;
#[cfg(feature = "cli")]
pub mod cli;
mod clock;
#[cfg(feature = "ctrlc")]
mod ctrl_c;
mod enable_tests;
mod ended;
mod error;
mod escape;
mod follow_up;
mod functions;
pub mod guide;
mod handle;
mod huge_pages;
mod into_job;
mod invocation;
mod isolated_test;
#[cfg(feature = "journal")]
pub mod journal;
#[cfg(not(feature = "journal"))]
#[path = "no_journal.rs"]
mod journal;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "json")]
mod json_arguments;
#[cfg(feature = "json")]
mod json_call;
mod launcher;
pub mod observer;
mod open_list;
mod options;
mod outcome;
mod panic_guard;
mod process;
#[cfg(feature = "progress")]
pub mod progress;
mod random;
mod record;
mod recorder;
mod registry;
#[cfg(feature = "remote")]
pub mod remote;
#[cfg(feature = "report")]
pub mod report;
mod result_codec;
mod result_kind;
mod running;
#[cfg(feature = "tokio")]
mod runtime;
mod seconds;
mod settings;
mod spawner;
mod stream;
mod supervisor;
mod symbols;
mod sync;
#[cfg(feature = "signals")]
mod termination;
pub mod this_job;
mod typed_results;
mod wire;

#[doc(hidden)]
pub mod __private;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;

// The expansions of our macros name this crate as its users do.
extern crate self as scheduler;

pub use crate::builder::Scheduler;
pub use crate::call::{AnyJob, Fallback, Job};
pub use crate::canceller::Canceller;
pub use crate::checkpoint::{Checkpoint, Resumable};
pub use crate::child::{SetupResult, init, init_with};
pub use crate::ended::{Ended, FollowUpJob};
pub use crate::error::Error;
pub use crate::follow_up::{
    FollowUp, FollowUpResult, NoFollowUp, TimedOut, default_follow_up_logger, detailed_follow_up_logger,
};
pub use crate::functions::{run_job_async, run_job_with_timeout, schedule_jobs};
pub use crate::handle::Handle;
pub use crate::into_job::{IntoJob, ListedJob};
#[cfg(feature = "metrics")]
pub use crate::observer::Metrics;
pub use crate::observer::Observer;
#[cfg(feature = "tracing")]
pub use crate::observer::Tracing;
pub use crate::options::{Backoff, Cause, Containment, Input, OnFailure, Output, StartMethod, Terminate};
pub use crate::outcome::{
    Attempt, Captured, Failure, Incomplete, Location, Outcome, Overrun, OverrunKind, Panic, ParseStatusError, Piece,
    ProcessReuse, ProcessSnapshot, StackFrame, StandardStream, Status, Sweep, SweptBy, SystemCall, ThreadSnapshot,
    ThreadState, Usage,
};
pub use crate::record::{Record, Run};
pub use crate::registry::{Entry, Parameter, registry};
pub use crate::result_codec::JobResult;
pub use crate::running::Running;
pub use crate::stream::Stream;
pub use crate::supervisor::CancelToken;
pub use crate::symbols::Symbol;
#[cfg(feature = "signals")]
pub use crate::termination::Shutdown;

#[doc = include_str!("docs/job.md")]
///
#[doc = include_str!("docs/values.md")]
///
#[doc = include_str!("docs/cancellation_and_progress.md")]
///
#[doc = include_str!("docs/stacks.md")]
///
#[doc = include_str!("docs/environment.md")]
///
#[doc = include_str!("docs/scheduling.md")]
///
#[doc = include_str!("docs/follow_ups.md")]
///
#[doc = include_str!("docs/refused.md")]
pub use scheduler_macros::job;

/// Makes `main` the entry point of jobs: calls [`init()`] before anything else in it.
///
/// ```
/// #[scheduler::main]
/// fn main() {
///     println!("printed by the application, and by none of its jobs");
/// }
/// ```
///
/// Put it above an attribute that starts a runtime, so that it runs first:
///
/// ```
/// #[scheduler::main]
/// #[tokio::main]
/// async fn main() {
///     // …
/// }
/// ```
///
/// Its only option is `crate`, which is described at [`#[job]`](macro@job#crate).
///
/// # Refused
///
/// A function other than `main`; call [`init()`] there.
///
/// ```compile_fail
/// #[scheduler::main]
/// fn start() {} // Refused: not `main`.
/// ```
pub use scheduler_macros::main;

/// A `#[test]` in which jobs can run, in place of `#[test]`.
///
/// One such test, or [`enable_tests!`] once, is enough for all tests of a crate. `#[should_panic]`, `#[ignore]` and results
/// work as with `#[test]`.
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, run_job_with_timeout, Outcome};
///
/// #[job]
/// fn three() -> u8 { 3 }
///
/// #[scheduler::test]
/// fn three_is_three() -> Result<(), scheduler::Error> {
///     let run = run_job_with_timeout(three::job(), Duration::from_secs(10))?;
///     assert_eq!(run.outcome, Outcome::Ok(3));
///     Ok(())
/// }
/// # #[scheduler::main]
/// # fn main() -> Result<(), scheduler::Error> {
/// #     // A documentation test has no test harness; the function is an ordinary one here.
/// #     Ok(())
/// # }
/// ```
///
/// # `timeout`
///
/// With a limit, the test's body runs in a process of its own: a copy of the test binary that runs nothing else. At the
/// limit it is killed with every process that it started. A test that hangs, aborts, overflows its stack or exits then
/// fails alone, and the other tests continue.
///
/// ```
/// #[scheduler::test(timeout = "5s")]
/// fn parses_in_time() -> Result<(), std::num::ParseIntError> {
///     assert_eq!("42".parse::<u8>()?, 42);
///     Ok(())
/// }
/// # fn main() {}
/// ```
///
/// The test harness reports the test like any other: whether it passed, its output, its panic with message and location. If
/// the body neither returned nor panicked, one more line gives the reason:
///
/// ```text
/// ---- parses_in_time stdout ----
/// began to parse
/// the test was stopped at its timeout of 5s
/// process 4711: target/debug/deps/app-4f0d2c
///   thread 4711, in futex_wait
///     std::sync::poison::mutex::lock<()>
///     app::tests::parses_in_time at src/parse.rs:88
/// ```
///
/// - A body that passes but leaves a process running fails, since that process would run beside other tests. The process is
///   killed.
/// - `#[should_panic]` expects a panic: any other failure, such as the limit, fails the test.
/// - The output of the body, and of the processes that it starts, is captured, and shown with `--nocapture`. Standard
///   output and error take separate paths, so their lines may be reordered relative to each other.
/// - The body sees no global that another test has changed, and changes none for others.
/// - If the limit was reached, the processes and threads of the test follow, with the lines that they had reached if the feature
///   `stacks` is enabled: those of a hung test are found without a debugger.
/// - With the feature `tokio` the body may be that of an `async fn`, like a [job](macro@job#async-functions).
///
/// The limit is written like a job's [`timeout`](macro@job#timeout), and counts from the call of the body.
///
/// # `isolated`
///
/// Without a value: the body runs in a process of its own, as with a [timeout](#timeout), and has no limit. Beside a timeout it
/// changes nothing.
///
/// ```
/// #[scheduler::test(isolated)]
/// fn changes_the_working_directory() -> std::io::Result<()> {
///     std::env::set_current_dir("/") // No other test notices it.
/// }
/// # fn main() {}
/// ```
///
/// # `SCHEDULER_TEST_TIMEOUT`
///
/// This environment variable sets the limit of every `#[scheduler::test]` that has none of its own: `SCHEDULER_TEST_TIMEOUT=30s
/// cargo test`. Each of them then runs in a process of its own, and a test that hangs fails alone, which is what a CI server
/// needs. A value that is no duration fails the tests, and names the variable.
///
/// # Under a debugger
///
/// While a debugger is attached to the test harness, or a program such as `strace` traces it, no test has a limit, and a line
/// in the test's output reports it. A test with a limit still runs in a process of its own: gdb follows it there after `set
/// follow-fork-mode child`. The jobs of an application keep their timeouts under a debugger.
///
/// **Platform.** Recognized on Linux and Windows.
///
/// # `crate`
///
/// Described at [`#[job]`](macro@job#crate).
///
/// # Refused
///
/// ```compile_fail
/// #[scheduler::test]
/// #[test] // Refused: one of the two is enough.
/// fn twice() {}
/// ```
///
/// ```compile_fail
/// #[scheduler::test(timeout = "0s")] // Refused: zero.
/// fn never() {}
/// ```
pub use scheduler_macros::test;
