//! Testing with jobs: the setup for each environment that Cargo has.
//!
//! A job's process is a copy of the running binary, and the copy must detect that before it does anything else. If `main`
//! is yours, [`#[scheduler::main]`](macro@crate::main) or [`init()`](crate::init) does that; if it is libtest's, one line
//! in the crate does: [`enable_tests!`](macro@crate::enable_tests), or one [`#[scheduler::test]`](macro@crate::test) in
//! place of a `#[test]`.
//!
//! | jobs run in | setup | notes |
//! |---|---|---|
//! | unit tests of a library or a binary | `scheduler::enable_tests!();` in its test module | |
//! | an integration test, `tests/*.rs` | `scheduler::enable_tests!();` in that file | each file is a crate |
//! | a test, benchmark or other target with `harness = false` | `#[scheduler::main]` | includes Criterion and Divan |
//! | a benchmark with libtest's harness, run as tests | `scheduler::enable_tests!();` in that file | |
//! | an example or a binary | `#[scheduler::main]` | tests in it: like unit tests |
//! | a documentation test | `scheduler::init();` in its first line, or a `main` with the attribute | merged (edition 2024) or not |
//! | `cargo nextest run` | the same as `cargo test` | |
//! | `cargo llvm-cov` | none | a job that is killed writes no counters |
//! | `--release`, `panic = "abort"` | none | a panic that aborts is reported like any other |
//! | `-Zpanic-abort-tests` (nightly) | not supported | that harness starts a process for each test, in a copy as well |
//!
//! Names and filters on the command line, `--ignored`, `--skip`, `--nocapture`, `--test-threads` and `RUST_TEST_THREADS`
//! work as usual: they aren't passed to copies. Jobs also run if a filter excludes the test that `enable_tests!` adds.
//!
//! A job may be declared wherever a function may: in the crate itself, in a dependency, in a test module, in the body of a
//! test, in the expansion of a macro. The jobs of a dependency are registered if some code names that crate; `use
//! that_crate as _;` is enough.
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
//! [`#[scheduler::test(timeout = "5s")]`](macro@crate::test#timeout) runs the body of one test in a process of its own, and
//! kills it at the limit with every process that it started. It needs no other setup: no line in the crate, no `main`.
//!
//! # What a test can rely on
//!
//! - A job that hangs, aborts or overflows its stack fails the assertion on its record, not the test binary.
//! - A job's output goes to the test binary's own standard output and error, past libtest's capture. The record of a
//!   failure also has the end of its standard error.
//! - No process of a job outlives the call that ran it.
