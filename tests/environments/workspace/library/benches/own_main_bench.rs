//! A benchmark with a `main` of its own, as those of Criterion and Divan have.

use declares::{runs_elsewhere, witness};
use scheduler::job;

#[job]
fn of_a_benchmark() -> u32 {
    witness("of a benchmark")
}

fn main() {
    scheduler::init();
    runs_elsewhere(of_a_benchmark::job());
    println!("1 passed of a benchmark, called with {:?}", std::env::args().skip(1).collect::<Vec<_>>());
}
