//! A service that parses what each request brings, in a process that can be killed: this crate beside a pool of procspawn.
//!
//! Closed loops: each of n clients sends its next request as soon as it has the answer to the last one. The ways take turns, for a
//! second each, so that they meet the same machine. Prints a table in Markdown.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use scheduler::{Scheduler, StartMethod, job, jobs};
use tokio::runtime::Builder;

/// How long a request takes to be parsed.
const WORK: Duration = Duration::from_micros(700);
/// How often each way has its turn.
const TURNS: usize = 5;
const TURN: Duration = Duration::from_secs(1);

/// Computes for so many rounds.
#[job]
fn parse(rounds: u64) -> u64 {
    work(rounds)
}

fn work(rounds: u64) -> u64 {
    (0..rounds).fold(0, |sum, n| black_box(sum ^ n).rotate_left(5))
}

/// Returns how many rounds take that long.
fn calibrated() -> u64 {
    let fastest = (0..20).map(|_| {
        let clock = Instant::now();
        black_box(work(1_000_000));
        clock.elapsed()
    });
    let million = fastest.min().expect("there are twenty");
    u64::try_from(WORK.as_nanos() * 1_000_000 / million.as_nanos()).expect("it is less than a second")
}

/// A way to answer a request.
#[derive(Clone)]
enum Way {
    Scheduler(Arc<Scheduler>),
    Procspawn(Arc<procspawn::Pool>),
}

impl Way {
    async fn answer(&self, rounds: u64) {
        match self {
            Self::Scheduler(scheduler) => {
                let records = scheduler.run_async(jobs![("request", parse(rounds))]).await.expect("the input is fine");
                black_box(records[0].result::<u64>().expect("it returns"));
            }
            Self::Procspawn(pool) => {
                let pool = Arc::clone(pool);
                let answer = move || pool.spawn(rounds, work).join().expect("it returns");
                black_box(tokio::task::spawn_blocking(answer).await.expect("it doesn't panic"));
            }
        }
    }
}

/// Returns how long each answer took, of so many clients in one turn.
fn turn(runtime: &tokio::runtime::Runtime, way: &Way, clients: usize, rounds: u64) -> Vec<Duration> {
    let end = Instant::now() + TURN;
    let clients: Vec<_> = (0..clients)
        .map(|_| {
            let way = way.clone();
            runtime.spawn(async move {
                let mut taken = Vec::new();
                while Instant::now() < end {
                    let clock = Instant::now();
                    way.answer(rounds).await;
                    taken.push(clock.elapsed());
                }
                taken
            })
        })
        .collect();
    clients.into_iter().flat_map(|client| runtime.block_on(client).expect("it doesn't panic")).collect()
}

fn main() {
    scheduler::init();
    procspawn::init();
    let rounds = calibrated();
    let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
    println!(
        "| requests at a time | way | in a second | of procspawn's | median | 99 % within |\n|---|---|---|---|---|---|"
    );
    for clients in [1, 4, 16] {
        let most = clients.min(4);
        let by = |method| Scheduler::new().start_method(method).concurrency(most).timeout(Duration::from_secs(10));
        let ours = |scheduler| Way::Scheduler(Arc::new(scheduler));
        let ways = [
            ("procspawn, a pool", Way::Procspawn(Arc::new(procspawn::Pool::new(most).expect("a pool")))),
            ("Exec, standby", ours(by(StartMethod::Exec).standby(most))),
            ("ForkServer, standby", ours(by(StartMethod::ForkServer).standby(most))),
            ("Reuse", ours(by(StartMethod::Reuse { calls: 10_000 }))),
        ];
        let mut taken = ways.each_ref().map(|_| Vec::new());
        for (_, way) in &ways {
            turn(&runtime, way, clients, rounds);
        }
        for _ in 0..TURNS {
            for ((_, way), taken) in ways.iter().zip(&mut taken) {
                taken.extend(turn(&runtime, way, clients, rounds));
            }
        }
        let pool = taken[0].len();
        for ((name, _), mut taken) in ways.iter().zip(taken) {
            taken.sort_unstable();
            let within = |part: usize| taken[taken.len() * part / 100].as_secs_f64() * 1e3;
            let (count, ratio) = (taken.len() / TURNS, taken.len() as f64 / pool as f64);
            println!("| {clients} | {name} | {count} | {ratio:.2} | {:.2} ms | {:.2} ms |", within(50), within(99));
        }
    }
}
