//! What a run, a call, a large result and a cold start cost at slots behind `srun` and `ssh`: the benchmark `remote` in a cluster
//! of `.ci/cluster`.

use std::env;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use scheduler::{Scheduler, StartMethod, Status, remote};
use scheduler_tests::jobs::{big, fast};

use crate::figures::{Figures, number};
use crate::{LENGTH, ran};

/// The variables that `.ci/cluster` sets.
const NODES: &str = "CLUSTER_NODES";
const SSH_CONFIG: &str = "CLUSTER_SSH_CONFIG";

/// The time between two calls.
const PAUSE: Duration = Duration::from_millis(3);

/// The bytes of a large result.
const LARGE: usize = 100_000_000;

/// A way to run jobs, and how a scheduler for it is made.
type Way = (&'static str, fn() -> Scheduler);

const EXEC: Way = ("this machine, Exec", Scheduler::new);
const FORK_SERVER: Way = ("this machine, ForkServer", forking);
const COMMAND: Way = ("slot of a local command, ForkServer", || forking().on(crate::slots()));
const SRUN: Way = ("slot of srun, ForkServer", || forking().on(slurm()));
const SSH: Way = ("slot of ssh, ForkServer", || forking().on(ssh()));

/// Returns whether this runs in a cluster.
pub(crate) fn are_there() -> bool {
    env::var_os(NODES).is_some()
}

/// Measures all of them.
pub(crate) fn compare() {
    lists();
    calls();
    large_results();
    cold_starts();
}

fn forking() -> Scheduler {
    Scheduler::new().start_method(StartMethod::ForkServer)
}

fn slurm() -> remote::Slurm {
    remote::Slurm::new().partition("short")
}

fn ssh() -> remote::Ssh {
    let variable = |name| env::var(name).unwrap_or_else(|_| panic!("`.ci/cluster` sets {name}"));
    let (nodes, config) = (variable(NODES), variable(SSH_CONFIG));
    remote::Ssh::hosts(nodes.split_whitespace()).ssh_args(["-F", &config])
}

/// Measures each way in turn, so often, and once before that.
fn in_turn<const N: usize>(ways: [Way; N], samples: usize, measure: impl Fn(&Scheduler) -> Duration) -> [Figures; N] {
    let schedulers = ways.map(|(_, scheduler)| scheduler());
    let mut figures = ways.map(|_| Figures::default());
    for sample in 0..=samples {
        for (scheduler, figures) in schedulers.iter().zip(&mut figures) {
            let taken = measure(scheduler);
            // The first time processes and slots are started.
            if sample > 0 {
                figures.add(taken);
            }
        }
    }
    figures
}

/// Prints a row for each way, with the medians of the ratios to that at `base`.
fn print<const N: usize>(what: &str, ways: [Way; N], figures: &[Figures; N], base: usize) {
    println!("\n| {what} | of \"{}\" | samples | fastest | median | worst |\n|---|---|---|---|---|---|", ways[base].0);
    for ((way, _), own) in ways.iter().zip(figures) {
        let ratio = 1.0 + own.beside(&figures[base]) / 100.0;
        println!("{}", own.row(&format!("{way} | {ratio:.2}")));
    }
}

fn lists() {
    let ways = [EXEC, FORK_SERVER, COMMAND, SRUN, SSH];
    let figures = in_turn(ways, number("BENCH_SAMPLES", 40), |scheduler| {
        let clock = Instant::now();
        ran(scheduler, LENGTH);
        clock.elapsed() / LENGTH
    });
    print(&format!("each of {LENGTH} jobs of a list"), ways, &figures, 0);
}

fn calls() {
    let ways: [Way; 8] = [
        EXEC,
        FORK_SERVER,
        ("this machine, ForkServer, `standby(1)`", || forking().standby(1)),
        COMMAND,
        SRUN,
        ("slot of srun, ForkServer, `standby(1)`", || forking().standby(1).on(slurm())),
        SSH,
        ("slot of ssh, ForkServer, `standby(1)`", || forking().standby(1).on(ssh())),
    ];
    let figures = in_turn(ways, number("BENCH_CALLS", 1000), |scheduler| {
        thread::sleep(PAUSE);
        let clock = Instant::now();
        let run = scheduler.spawn(fast::job()).and_then(|handle| handle.wait()).expect("the input is fine");
        assert_eq!(run.status(), Status::Ok);
        clock.elapsed()
    });
    print(&format!("a call, {PAUSE:?} after the one before"), ways, &figures, 0);
    // Two small packets in a row can make one wait for 40 ms.
    println!("\n| calls | 99 % within | of them took 35 ms and more |\n|---|---|---|");
    for ((way, _), own) in ways.iter().zip(&figures) {
        println!("| {way} | {:.3?} | {} |", own.percentile(99), own.count_from(Duration::from_millis(35)));
    }
}

fn large_results() {
    let ways = [FORK_SERVER, COMMAND, SRUN, SSH];
    let figures = in_turn(ways, number("BENCH_LARGE", 5), |scheduler| {
        let clock = Instant::now();
        let run = scheduler.spawn(big::job(LARGE)).and_then(|handle| handle.wait()).expect("the input is fine");
        assert_eq!(run.status(), Status::Ok);
        clock.elapsed()
    });
    print(&format!("a result of {} MB", LARGE / 1_000_000), ways, &figures, 1);
    let mut bare = Figures::default();
    for _ in 0..number("BENCH_LARGE", 5) {
        bare.add(bytes_by_bare_srun());
    }
    println!("{}", bare.row("as many bytes from a program, by the same srun | "));
}

/// Lets a program write as many bytes to its standard output, and returns how long the client takes to pass them on.
fn bytes_by_bare_srun() -> Duration {
    let mut command = Command::new("srun");
    command.args(["--unbuffered", "--quiet", "--nodes=1", "--ntasks=1", "--partition=short"]);
    // In pieces that a pipe takes.
    let blocks = format!("count={}", LARGE >> 16);
    command.args(["dd", "if=/dev/zero", "bs=64k", "status=none", &blocks]);
    let clock = Instant::now();
    let output = command.output().expect("it is installed");
    let taken = clock.elapsed();
    assert!(output.status.success() && output.stdout.len() == LARGE >> 16 << 16, "{:?}", output.status);
    taken
}

fn cold_starts() {
    let ways = [FORK_SERVER, COMMAND, SRUN, SSH];
    let mut figures = ways.map(|_| Figures::default());
    for _ in 0..number("BENCH_STARTS", 20) {
        for ((_, scheduler), figures) in ways.iter().zip(&mut figures) {
            let clock = Instant::now();
            let scheduler = scheduler();
            ran(&scheduler, 1);
            figures.add(clock.elapsed());
        }
    }
    print("the first result of a new scheduler", ways, &figures, 1);
}
