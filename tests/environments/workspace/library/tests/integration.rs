//! Integration tests, each with the attribute in place of the macro.

use declares::{runs_elsewhere, witness};
use scheduler::job;

#[job]
fn of_an_integration_test() -> u32 {
    witness("of an integration test")
}

#[scheduler::test]
fn a_job_of_the_test_itself() {
    runs_elsewhere(of_an_integration_test::job());
}

#[test]
fn a_job_of_the_library() {
    runs_elsewhere(library::of_the_library::job());
}

mod r#try {
    #[scheduler::test]
    #[ignore = "run with --ignored"]
    fn r#mod() {
        declares::runs_elsewhere(super::of_an_integration_test::job());
    }
}
