//! Testing with jobs: what each environment that Cargo has needs.
//!
//! A job's process is a copy of the binary that runs, and the copy must find out that it is one before it does anything
//! else. Where `main` is yours, [`#[scheduler::main]`](macro@crate::main) or [`init()`](crate::init) sees to that; where it
//! is libtest's, one line in the crate does: [`enable_tests!`](macro@crate::enable_tests), or one
//! [`#[scheduler::test]`](macro@crate::test) in place of a `#[test]`.
//!
//! | jobs run in | what it needs | |
//! |---|---|---|
//! | unit tests of a library or a binary | `scheduler::enable_tests!();` in its test module | |
//! | an integration test, `tests/*.rs` | `scheduler::enable_tests!();` in that file | each file is a crate |
//! | a test, benchmark or other target with `harness = false` | `#[scheduler::main]` | so do those of Criterion and Divan |
//! | a benchmark with libtest's harness, run as tests | `scheduler::enable_tests!();` in that file | |
//! | an example or a binary | `#[scheduler::main]` | tests in it: as unit tests |
//! | a documentation test | `scheduler::init();` in its first line, or a `main` with the attribute | merged ones (edition 2024) and others |
//! | `cargo nextest run` | what `cargo test` needs | |
//! | `cargo llvm-cov` | nothing | a job that is killed writes no counters |
//! | `--release`, `panic = "abort"` | nothing | a panic that aborts is told like any other |
//! | `-Zpanic-abort-tests` (nightly) | | can't be: that harness starts a process for each test, also in a copy |
//!
//! Names and filters on the command line, `--ignored`, `--skip`, `--nocapture`, `--test-threads` and `RUST_TEST_THREADS` do
//! what they do: a copy gets none of them. A filter that leaves the line's own test out changes nothing.
//!
//! A job may be declared wherever a function may: in the crate itself, in a dependency, in a test module, in the body of a
//! test, in a module that a macro wrote. The jobs of a dependency are there once something names it; `use that_crate as _;`
//! is enough.
//!
//! ```
//! scheduler::init();
//!
//! #[scheduler::job]
//! fn three() -> u8 { 3 }
//!
//! let run = scheduler::run_job_with_timeout(three::job(), std::time::Duration::from_secs(10))?;
//! assert_eq!(run.outcome, scheduler::Outcome::Ok(3));
//! # Ok::<(), scheduler::Error>(())
//! ```
//!
//! # Tests that are jobs themselves
//!
//! [`#[scheduler::test(timeout = "5s")]`](macro@crate::test#timeout) has the body of one test run in a process of its own, with
//! a limit after which it is killed with all that it started. It needs nothing else: no line in the crate, no `main`.
//!
//! # What a test can rely on
//!
//! - A job that hangs, aborts or overflows its stack fails the assertion on its record, and not the test binary.
//! - Whatever a job printed goes to the test binary's own standard output and error, past libtest's capture; the end of its
//!   standard error is in the record of a failure, too.
//! - No process of a job outlives the call that ran it.
