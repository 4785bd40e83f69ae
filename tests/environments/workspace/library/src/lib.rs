//! A library with jobs, unit tests, and documentation tests that are merged into one binary.

use scheduler::job;

/// A job of the library, which takes it from its process.
///
/// With the attribute on `main`:
///
/// ```
/// # use declares::runs_elsewhere;
/// use scheduler::job;
///
/// #[job]
/// fn of_a_doctest() -> u32 { declares::witness("of a doctest with a main") }
///
/// #[scheduler::main]
/// fn main() {
///     runs_elsewhere(of_a_doctest::job());
/// }
/// ```
///
/// With a call, where rustdoc writes `main`, and with jobs of the same name as above:
///
/// ```
/// scheduler::init();
///
/// #[scheduler::job]
/// fn of_a_doctest() -> u32 { declares::witness("of a doctest without a main") }
///
/// declares::runs_elsewhere(of_a_doctest::job());
/// ```
///
/// With a question mark:
///
/// ```
/// scheduler::init();
/// let run = scheduler::run_job_with_timeout(declares::of_a_dependency::job(), declares::PLENTY)?;
/// assert_eq!(run.status(), scheduler::Status::Ok);
/// # Ok::<(), scheduler::Error>(())
/// ```
///
/// In a binary of its own:
///
/// ```standalone_crate
/// scheduler::init();
///
/// #[scheduler::job(name = "standalone")]
/// fn of_a_doctest() -> u32 { declares::witness("of a doctest that stands alone") }
///
/// declares::runs_elsewhere(of_a_doctest::job());
/// ```
#[job]
pub fn of_the_library() -> u32 {
    std::process::id()
}

#[cfg(test)]
mod tests {
    use declares::{PLENTY, of_a_dependency, runs_elsewhere, witness};
    use scheduler::{Failure, Outcome, job, run_job_with_timeout};

    use super::of_the_library;

    scheduler::enable_tests!();

    #[job]
    fn of_a_test_module() -> u32 {
        witness("of a test module")
    }

    macro_rules! module_with_a_job {
        ($module:ident) => {
            mod $module {
                #[scheduler::job]
                pub(super) fn of_a_module_from_a_macro() -> u32 {
                    declares::witness("of a module from a macro")
                }

                #[test]
                fn a_job_of_a_module_from_a_macro() {
                    declares::runs_elsewhere(of_a_module_from_a_macro::job());
                }
            }
        };
    }

    module_with_a_job!(r#try);

    #[test]
    fn a_job_of_the_crate_itself() {
        runs_elsewhere(of_the_library::job());
    }

    #[test]
    fn a_job_of_a_dependency() {
        runs_elsewhere(of_a_dependency::job());
    }

    #[test]
    fn a_job_of_a_test_module() {
        runs_elsewhere(of_a_test_module::job());
    }

    #[test]
    fn a_job_of_a_function_body() {
        #[job]
        fn of_a_function_body() -> u32 {
            println!("printed by a job");
            witness("of a function body")
        }
        runs_elsewhere(of_a_function_body::job());
    }

    #[test]
    fn a_panic_is_told() {
        #[job]
        fn panics() {
            panic!("as it must");
        }
        let run = run_job_with_timeout(panics::job(), PLENTY).unwrap();
        let Outcome::Error(Failure::Panicked(panic)) = run.outcome else { panic!("{:?}", run.outcome) };
        assert_eq!(panic.message, "as it must");
    }

    #[test]
    #[ignore = "run with --ignored"]
    fn an_ignored_test() {
        runs_elsewhere(of_a_test_module::job());
    }
}
