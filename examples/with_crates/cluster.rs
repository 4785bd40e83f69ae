//! Jobs on other machines: in a Slurm cluster, on hosts behind ssh, or, as a trial, in two copies of this program on this one.
//!
//! ```text
//! cargo run -p with-crates --example cluster                        on this machine
//! cargo run -p with-crates --example cluster -- slurm short         in the partition `short`
//! cargo run -p with-crates --example cluster -- ssh host1 host2     on hosts that have this binary at /tmp/cluster
//! ```
//!
//! The other machines need this very binary. Where they share no file system, copy it first: `scp target/debug/examples/cluster
//! host1:/tmp/cluster`, or inside of an allocation `sbcast target/debug/examples/cluster /tmp/cluster`.

#![expect(clippy::print_stdout, reason = "a program prints its results")]

use std::time::Duration;

use scheduler::{Outcome, Scheduler, StartMethod, job, remote};

/// Counts the primes below a number; the largest one takes too long.
#[job(timeout = "2s", retries = 1, retry_on = ["lost"])]
fn count_primes(below: u64) -> usize {
    (2..below).filter(|n| (2..*n).take_while(|d| d * d <= *n).all(|d| n % d != 0)).count()
}

#[scheduler::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let scheduler = Scheduler::new().concurrency(2).start_method(StartMethod::Auto);
    let scheduler = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => scheduler.on(remote::Command::new(remote::Slot::agent_argv)),
        ["slurm", partition] => {
            let slots = remote::Slurm::new().partition(partition).cpus(1).queue_limit(Duration::from_secs(300));
            scheduler.on(slots)
        }
        ["ssh", ref hosts @ ..] => scheduler.on(remote::Ssh::hosts(hosts.iter().copied()).program("/tmp/cluster")),
        _ => return Err("write `slurm PARTITION`, `ssh HOST…`, or nothing".into()),
    };
    for run in scheduler.map(count_primes::job, [10_000, 100_000, u64::MAX])? {
        let (host, slot) = (run.host().unwrap_or("no machine").to_owned(), run.slot().unwrap_or_default());
        match run.outcome {
            Outcome::Ok(count) => println!("{count} primes, counted by slot {slot} on {host} in {:?}", run.duration),
            Outcome::Timeout(overrun) => println!("slot {slot} on {host}: {overrun}"),
            Outcome::Error(failure) => println!("slot {slot} on {host}: {failure}"),
            _ => {}
        }
    }
    Ok(())
}
