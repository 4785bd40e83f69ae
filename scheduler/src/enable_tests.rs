//! `enable_tests!`: lets jobs run in the tests of a crate.

/// Lets jobs run in the tests of this crate, under `cargo test` and `cargo nextest run`.
///
/// Write it once, anywhere in the crate; it expands to nothing outside of tests. It adds one test,
/// `scheduler_runs_jobs_here`, which passes at once: a re-executed copy of the test binary runs its job in that test.
/// It isn't needed if a test of the crate uses [`#[scheduler::test]`](macro@crate::test) in place of `#[test]`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, run_job_with_timeout, Outcome};
///
/// scheduler::enable_tests!();
///
/// #[job]
/// fn answer() -> i32 { 42 }
///
/// # /*
/// #[test]
/// # */
/// fn the_answer_is_known() {
///     let run = run_job_with_timeout(answer::job(), Duration::from_secs(10)).unwrap();
///     assert_eq!(run.outcome, Outcome::Ok(42));
/// }
/// # fn main() { scheduler::init(); the_answer_is_known() }
/// ```
#[macro_export]
macro_rules! enable_tests {
    () => {
        #[$crate::__private::test]
        fn scheduler_runs_jobs_here() {
            // Inside the function, so that it is dropped with it where libtest isn't built in, which `cfg(test)` doesn't imply.
            const _: () = {
                $crate::__private::inventory::submit! {
                    $crate::__private::TestEntry::new($crate::__private::concat!(
                        $crate::__private::module_path!(),
                        "::scheduler_runs_jobs_here"
                    ))
                }
            };
            $crate::__private::enter_test();
        }
    };
}
