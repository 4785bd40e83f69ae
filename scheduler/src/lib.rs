//! Hard timeouts for Rust functions.
//!
//! A Rust function can't be stopped from outside: a thread or a blocking task that hangs, hangs for ever. This crate
//! runs each function that is marked with [`#[job]`](macro@job) in a process of its own, a re-executed copy of the same
//! binary. The parent holds it to a timeout, kills it with everything that it started, and keeps a record that says
//! exactly how it ended.
//!
//! ```
//! use std::time::Duration;
//! use scheduler::{default_follow_up_logger, job, jobs, schedule_jobs, Status};
//!
//! #[job]
//! fn fast_job() -> i32 { 42 }
//!
//! #[job]
//! fn stuck_job(seconds: u64) { std::thread::sleep(Duration::from_secs(seconds)) }
//!
//! #[scheduler::main]
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     # let folder = tempfile::tempdir()?;
//!     # let log_file = folder.path().join("job_followups.log");
//!     # /*
//!     let log_file = "job_followups.log";
//!     # */
//!     let records = schedule_jobs(
//!         jobs![("J1", fast_job), ("J2", stuck_job(3600))],
//!         Duration::from_secs(1),
//!         default_follow_up_logger,
//!         &log_file,
//!     )?;
//!     assert_eq!(records[0].result::<i32>()?, 42);
//!     assert_eq!(records[1].status(), Status::Timeout);
//!     Ok(())
//! }
//! ```
//!
//! # The parts
//!
//! - [`#[job]`](macro@job) registers a function; `its_name::job(arguments)` is the *call* of it, a [`Job`].
//! - [`#[scheduler::main]`](macro@main), or [`init()`] first thing in `main`, is where a re-executed copy finds out that
//!   it is there to run a job. Tests have [`#[scheduler::test]`](macro@test) or [`enable_tests!`].
//! - [`run_job_with_timeout`] runs one call and returns its typed [`Outcome`]; [`schedule_jobs`] runs a list, built by
//!   [`jobs!`], and returns a [`Record`] for each; [`Scheduler`] is the builder under both.
//! - [`Scheduler::run_async`] and [`run_job_async`] do the same while they are awaited, on any executor.
//! - [`Scheduler::spawn`] puts one call in line and returns a [`Handle`]; a [`CancelToken`] ends all that runs under it.
//! - An [`Observer`] is told what happens, as it happens.
//! - [`this_job`] is what a job can ask about its own run, and tell: how much time it has, whether it is asked to end, how far
//!   it is, and what is to be saved of its work.
//! - [`Failure`] is the death certificate of a job that gave no result; [`Error`] means that the scheduler itself, or
//!   what it was given, was at fault.
//! - [`registry()`] lists every job in the binary.
//! - The [`guide`] tells what each environment of `cargo test` needs.
//!
//! # Whose timeout counts
//!
//! | given by | where | it is |
//! |---|---|---|
//! | [`Job::timeout`], [`AnyJob::timeout`] | one call | the limit |
//! | `#[job(timeout = "30s")]` | the function | the limit of calls without one |
//! | [`Scheduler::timeout`] | the scheduler | the limit of jobs without one |
//! | [`run_job_with_timeout`], [`schedule_jobs`] | the function's argument | a ceiling: a shorter one applies, a longer one doesn't |
//!
//! A timeout counts the function's own time; the start of its process has a limit of its own
//! ([`Scheduler::start_timeout`]). `Duration::MAX` is no limit, and zero is an [`Error`].
//!
#![doc = include_str!("docs/options.md")]
//!
//! # What is guaranteed
//!
//! - When a record is there, nothing that the job started is alive, whether it returned, failed or was killed; where the
//!   kernel would not let something go in time, the record's [`Sweep`] names it.
//! - An outcome that arrived before the deadline was acted on counts; it is decided once.
//! - Exit status 0 is no success: only an outcome that arrived whole is one.
//! - What the job, or a library in it, writes to its standard streams can't be taken for an outcome. Standard output
//!   goes where the parent's goes, and standard error is passed on, and its end kept for the record of a failure, unless the
//!   job was [told otherwise](macro@job#stdout-and-stderr).
//! - The job begins with default signals (SIGPIPE ignored, as Rust does), standard input at its end, and no descriptor of ours.
//! - If the application is killed, its jobs die with it.
//! - The library prints nothing but what jobs write.
//!
//! # What a job costs
//!
//! A process: some milliseconds. The binary is executed once for every job, and `main` up to [`init()`] runs each time,
//! so keep what stands before it small. Arguments and results are copied through a socket and a pipe, up to 1 GiB each.
//! A job sees nothing of the parent's memory: no global that was changed at run time, no thread, no open connection.
//!
//! # Features
//!
//! - `cbor`: values that the compact encoding can't carry go as CBOR ([how](macro@job#encoding)).
//! - `ctrlc`: Ctrl-C cancels a [`CancelToken`].
//! - `tokio`: a job may be an `async fn` ([how](macro@job#async-functions)). To await jobs takes no feature.
//! - `tracing`: an [`Observer`] that tells [`tracing`](https://docs.rs/tracing) what happens to jobs.
//!
//! # Platform
//!
//! Linux, Windows, macOS and FreeBSD. What is told here holds on Linux, where the kernel proves that nothing of a job is left
//! ([`Sweep::Clean`], [`Sweep::Killed`]), and on Windows, where a job object does. On macOS and other Unix a job's process
//! group is killed, and what bears the mark of the run in its environment: much is found, and nothing is proved
//! ([`Sweep::Unproved`]). [`StartMethod::ForkServer`] and [`Scheduler::adopt_orphans`] are Linux's alone. The project's
//! `PLATFORMS.md` says of each guarantee where it was seen to hold.

mod builder;
mod call;
mod checkpoint;
mod child;
mod clock;
#[cfg(feature = "ctrlc")]
mod ctrl_c;
mod enable_tests;
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
mod launcher;
pub mod observer;
mod options;
mod outcome;
mod panic_guard;
mod process;
mod record;
mod recorder;
mod registry;
mod result_codec;
mod result_kind;
mod running;
#[cfg(feature = "tokio")]
mod runtime;
mod seconds;
mod settings;
mod spawner;
mod supervisor;
mod sync;
pub mod this_job;
mod typed;
mod wire;

#[doc(hidden)]
pub mod __private;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;

// The expansions of our macros name this crate as its users do.
extern crate self as scheduler;

pub use crate::builder::Scheduler;
pub use crate::call::{AnyJob, Job};
pub use crate::checkpoint::{Checkpoint, Resumable};
pub use crate::child::init;
pub use crate::error::Error;
pub use crate::follow_up::{FollowUp, NoFollowUp, TimedOut, default_follow_up_logger};
pub use crate::functions::{run_job_async, run_job_with_timeout, schedule_jobs};
pub use crate::handle::Handle;
pub use crate::into_job::{IntoJob, ListedJob};
pub use crate::observer::Observer;
#[cfg(feature = "tracing")]
pub use crate::observer::Tracing;
pub use crate::options::{Backoff, Cause, Containment, OnFailure, Output, StartMethod, Terminate};
pub use crate::outcome::{
    Attempt, Captured, Failure, Location, Outcome, Overrun, Panic, Piece, StandardStream, Status, Sweep, SweptBy, Usage,
};
pub use crate::record::Record;
pub use crate::registry::{Entry, Parameter, registry};
pub use crate::result_codec::JobResult;
pub use crate::running::Running;
pub use crate::supervisor::CancelToken;
pub use crate::typed::Run;

/// Registers a function as a job, at compile time.
///
/// The function stays what it is. Beside it a type of the same name appears, whose `job` function takes the same
/// arguments and returns the *call*, a [`Job<T>`]: the function and its arguments, not yet run.
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, run_job_with_timeout, Outcome};
///
/// #[job]
/// fn word_count(text: String) -> usize { text.split_whitespace().count() }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let run = run_job_with_timeout(word_count::job("three little words".into()), Duration::from_secs(10))?;
///     assert_eq!(run.outcome, Outcome::Ok(3));
///     assert_eq!(word_count("two words".into()), 2); // An ordinary call, in this process.
///     Ok(())
/// }
/// ```
///
/// # What can be a job
///
/// A free function, anywhere: in a module, in the body of another function, written by a macro. It takes any number of
/// owned arguments; they, and what it returns, are `serde` types (`Serialize` and `DeserializeOwned`), private ones too.
/// To bring a type along, derive both traits:
///
/// ```
/// use scheduler::job;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Size { width: u32, height: u32 }
///
/// #[job]
/// fn halve(size: Size) -> Size {
///     Size { width: size.width / 2, height: size.height / 2 }
/// }
/// ```
///
/// A job that returns `Result<T, E>`, where `E: Display`, is a `Job<T>`: `Err` makes a run's status `error`, and the
/// record tells the message and the error's sources ([`Failure::Returned`]). The type must be seen to be a `Result`, by
/// its last path segment; a `Result` that hides behind an alias of another name is refused, as its `Err` would be taken
/// for a value:
///
/// ```compile_fail
/// type Answer = Result<u8, String>;
///
/// #[scheduler::job]
/// fn answer() -> Answer { Err("none".into()) }
/// ```
///
/// What can't be a job is refused, each mistake at its place, with what to write instead: methods, generic functions,
/// `unsafe`, `extern`, `const` and variadic ones, and those with borrowed or `impl Trait` types; and `async` ones without
/// the feature that runs them.
///
/// ```compile_fail
/// #[scheduler::job]
/// fn count(text: &str) -> usize { text.len() } // Write `String` in place of `&str`.
/// ```
///
/// Attributes, doc comments and the visibility of the function are kept; the type beside it has the same visibility.
/// A `#[cfg]` that removes the function removes the job. As the type takes the function's name, a job can't have the
/// name of another type in the same module.
///
/// # Async functions
///
/// With the feature `tokio` of this crate a job may be an `async fn`. In the job's process a
/// [Tokio](https://docs.rs/tokio) runtime of its own runs the future to its end; to everybody else the function stays what
/// it is.
///
#[cfg_attr(feature = "tokio", doc = "```")]
#[cfg_attr(not(feature = "tokio"), doc = "```ignore")]
/// use std::time::Duration;
/// use scheduler::{job, run_job_async, Outcome};
///
/// #[job]
/// async fn sum_later(a: u32, b: u32) -> Result<u32, tokio::task::JoinError> {
///     let task = tokio::spawn(async move { a + b });
///     tokio::time::sleep(Duration::from_millis(1)).await;
///     task.await
/// }
///
/// #[scheduler::main]
/// #[tokio::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let run = run_job_async(sum_later::job(2, 3), Duration::from_secs(10)).await?;
///     assert_eq!(run.outcome, Outcome::Ok(5));
///     assert_eq!(sum_later(2, 3).await?, 5); // An ordinary call, on this runtime.
///     Ok(())
/// }
/// ```
///
/// The runtime is Tokio's current-thread one, made before the function is called, with all that `tokio` was built with:
/// this crate asks it for `rt` alone, and for timers or the network your own dependency on it asks. It ends with the
/// function, whether that returned or panicked: tasks that are left are dropped, threads of `spawn_blocking` end with the
/// process, and nobody waits for them.
///
/// The arguments are owned, as those of any job. Timeouts count, and end, a future that is never ready as they do a function
/// that blocks.
///
/// # `name`
///
/// The name under which the job is registered; its path, such as `my_crate::images::resize`, unless given. Two jobs of
/// one name in a binary are an [`Error`] when the first job is to run.
///
/// ```
/// #[scheduler::job(name = "nightly::tidy")]
/// fn tidy() {}
///
/// # fn main() {
/// assert!(scheduler::AnyJob::named("nightly::tidy", ()).is_ok());
/// # }
/// ```
///
/// # `timeout`
///
/// The limit of calls that don't set their own: a text such as `"30s"`, `"1h 30m"` or `"250ms"`, checked at compile
/// time. It may not be zero.
///
/// ```
/// #[scheduler::job(timeout = "1m 30s")]
/// fn crawl(url: String) -> Vec<String> {
///     # let _ = url;
///     vec![]
/// }
///
/// # fn main() {
/// let entry = scheduler::registry().iter().find(|entry| entry.name().ends_with("crawl")).unwrap();
/// assert_eq!(entry.timeout(), Some(std::time::Duration::from_secs(90)));
/// # }
/// ```
///
/// ```compile_fail
/// #[scheduler::job(timeout = 30)] // A number without a unit.
/// fn crawl() {}
/// ```
///
#[doc = include_str!("docs/values.md")]
///
#[doc = include_str!("docs/cancellation_and_progress.md")]
///
#[doc = include_str!("docs/environment.md")]
///
#[doc = include_str!("docs/scheduling.md")]
///
/// # `crate`
///
/// The path of this crate, where the job's own crate knows it by another name or through another crate.
///
/// ```
/// mod vendored {
///     pub use ::scheduler as processes;
/// }
///
/// #[vendored::processes::job(crate = vendored::processes)]
/// fn tidy_up() {}
/// # fn main() {}
/// ```
pub use scheduler_macros::job;

/// Makes `main` a place where jobs can begin: calls [`init()`] before anything else in it.
///
/// It stands above an attribute that starts a runtime, so that it comes first:
///
/// ```
/// #[scheduler::main]
/// #[tokio::main]
/// async fn main() {
///     // …
/// }
/// ```
///
/// It takes one option, `crate`, as [`#[job]`](macro@job#crate) does.
///
/// ```
/// #[scheduler::main]
/// fn main() {
///     println!("printed by the application, and by no job of it");
/// }
/// ```
///
/// On another function than `main` it is refused; call [`init()`] there.
///
/// ```compile_fail
/// #[scheduler::main]
/// fn start() {}
/// ```
pub use scheduler_macros::main;

/// A `#[test]` in which jobs can run, in place of `#[test]`.
///
/// One such test, or [`enable_tests!`] once, is enough for all tests of a crate.
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
/// `#[should_panic]`, `#[ignore]` and results work as with `#[test]`.
///
/// # `timeout`
///
/// With a limit the test's body runs as a job does, in a process of its own: a copy of the test binary that runs nothing
/// else. When the limit has passed it is killed with all that it started. A test that hangs, aborts, overflows its stack
/// or exits fails, alone, and the others go on.
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
/// The test harness shows it as it shows others: whether it passed, what it printed, its panic with message and place. A
/// line says so where that is no answer:
///
/// ```text
/// ---- parses_in_time stdout ----
/// began to parse
/// the test was stopped at its timeout of 5s
/// ```
///
/// - What passes and leaves a process running fails, as that would go on beside other tests. It is killed.
/// - `#[should_panic]` waits for a panic: a body that ends otherwise, at its limit say, fails.
/// - What the body, and what it starts, prints is captured, and shown with `--nocapture`. Standard output and error take
///   ways of their own: a line of the output may come before an earlier one of the errors.
/// - The body sees no global that another test has changed, and changes none for others.
/// - With the feature `tokio` the body may be that of an `async fn`, as a [job](macro@job#async-functions) may.
///
/// The limit is written as a job's ([`timeout`](macro@job#timeout)), and counts from the call of the body.
///
/// ```compile_fail
/// #[scheduler::test(timeout = "0s")] // No time at all.
/// fn never() {}
/// ```
///
/// # `crate`
///
/// As [`#[job]`](macro@job#crate) takes it.
///
/// ```compile_fail
/// #[scheduler::test]
/// #[test] // One of the two is enough.
/// fn twice() {}
/// ```
pub use scheduler_macros::test;
