//! A program whose command line is that of its jobs: `cargo run -p with-crates --example command_line -- list`.
//!
//! ```console
//! $ cargo run -p with-crates --example command_line -- run primes_below 100
//! $ cargo run -p with-crates --example command_line -- run collatz n=27 --timeout 1s
//! $ cargo run -p with-crates --example command_line -- batch calls.jsonl -j auto
//! ```

use std::process::ExitCode;

use scheduler::job;

/// Returns how many primes there are below a number.
#[job(timeout = "30s", memory = "1GiB")]
fn primes_below(limit: usize) -> usize {
    let mut is_composite = vec![false; limit];
    let mut found = 0;
    for number in 2..limit {
        if !is_composite[number] {
            found += 1;
            (number * number..limit).step_by(number).for_each(|multiple| is_composite[multiple] = true);
        }
    }
    found
}

/// Returns the steps from a number to 1, where each step halves an even number `n`, and turns an odd one into `3n + 1`.
#[job(timeout = "10s", retries = 1)]
fn collatz(n: u64) -> Result<u32, String> {
    if n == 0 {
        return Err("0 never leads to 1".to_owned());
    }
    let (mut n, mut steps) = (n, 0);
    while n != 1 {
        let next = if n.is_multiple_of(2) { Some(n / 2) } else { n.checked_mul(3).and_then(|n| n.checked_add(1)) };
        n = next.ok_or_else(|| format!("the numbers are too large after {steps} steps"))?;
        steps += 1;
    }
    Ok(steps)
}

fn main() -> ExitCode {
    scheduler::cli::main()
}
