//! A test without libtest, whose `main` doesn't call `init()`: the macro for tests works under libtest only.

use declares::{PLENTY, of_a_dependency};

scheduler::enable_tests!();

fn main() {
    let error = scheduler::run_job_with_timeout(of_a_dependency::job(), PLENTY).unwrap_err();
    assert!(error.is_not_initialised());
    println!("refused: {error}");
}
