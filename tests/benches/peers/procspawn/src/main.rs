//! What one call that does nothing costs with procspawn: a fresh process, and one that is used again.

use std::time::{Duration, Instant};

fn row(what: &str, mut samples: Vec<Duration>) {
    samples.sort();
    let millis = |index: usize| format!("{:.3} ms", samples[index].as_secs_f64() * 1e3);
    let last = samples.len() - 1;
    println!("| {what} | {} | {} | {} | {} |", last + 1, millis(0), millis(last / 2), millis(last));
}

fn main() {
    procspawn::init();
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(200);
    let timed = |run: &dyn Fn() -> u32| {
        let samples = (0..count).map(|_| {
            let clock = Instant::now();
            assert_eq!(run(), 42);
            clock.elapsed()
        });
        samples.collect::<Vec<_>>()
    };
    row("procspawn, a fresh process", timed(&|| procspawn::spawn((), |()| 42_u32).join().expect("it returns")));
    let pool = procspawn::Pool::new(1).expect("a pool");
    row("procspawn, a pool's process used again", timed(&|| pool.spawn((), |()| 42_u32).join().expect("it returns")));
}
