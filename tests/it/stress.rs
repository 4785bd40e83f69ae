//! Stress: jobs of every kind from several threads at once, for as long as configured.
//!
//! That is three seconds in the quick profile and ten in the full one, or what `SCHEDULER_STRESS_SECONDS` sets. Limits are
//! so short that most jobs are stopped in the middle of something, and what must hold is what always must: each call has a
//! record, and nothing survives.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use scheduler::{Scheduler, Status, Sweep, jobs};
use scheduler_tests::ending::Ending;
use scheduler_tests::jobs::{big, echo, fast};
use scheduler_tests::leftovers::{Leftover, alive, leaves, new_tag};
use scheduler_tests::profile::quick_or_full;

use crate::METHODS;

const THREADS: usize = 4;

/// Random numbers, without a promise of quality.
struct Dice(RandomState, u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.1 += 1;
        let number = self.0.hash_one(self.1) % u64::try_from(limit).expect("limits are small");
        usize::try_from(number).expect("it is below the limit")
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

fn one_batch(dice: &mut Dice) {
    let tag = new_tag();
    let mut leftover = || {
        let leftover = dice.one_of(Leftover::ALL);
        // A warden that is stopped takes seconds, a daemon whose warden was killed can't be found, and the output of a
        // flood would hide everything else.
        let ending = match dice.one_of(Ending::ALL) {
            Ending::StopsWarden => Ending::Stops,
            Ending::Floods => Ending::Hangs,
            Ending::KillsWarden if leftover == Leftover::Daemon => Ending::Dies,
            ending => ending,
        };
        leaves::job(leftover, ending, tag.clone())
    };
    let list = jobs![
        ("0", { leftover() }),
        ("1", fast),
        ("2", { leftover() }),
        ("3", big(3_000_000)),
        ("4", { leftover() }),
        ("5", echo("text".into())),
    ];
    let limit = Duration::from_micros(100 * u64::try_from(1 + dice.below(400)).expect("it is small"));
    let scheduler = Scheduler::new().timeout(limit).start_method(dice.one_of(&METHODS));
    let records = scheduler.concurrency(1 + dice.below(4)).run(list).expect("the input is fine");
    let left = alive(&tag);
    assert_eq!(left, [0; 0], "{records:?}");
    let ids: Vec<_> = records.iter().map(scheduler::Record::job_id).collect();
    assert_eq!(ids, ["0", "1", "2", "3", "4", "5"]);
    for record in &records {
        assert!(!matches!(record.sweep(), Sweep::Escaped { .. }), "{record:?}");
        let never_too_early = record.status() != Status::Timeout || record.duration() >= limit;
        assert!(never_too_early, "{record:?}");
    }
    for (index, result) in [(1, "42"), (5, "\"text\"")] {
        if records[index].status() == Status::Ok {
            let json = serde_json::to_value(&records[index]).expect("records can be written");
            assert_eq!(json["result"].to_string(), result);
        } else {
            assert_eq!(records[index].status(), Status::Timeout, "{:?}", records[index]);
        }
    }
}

#[test]
fn no_record_is_lost_and_no_process_survives() {
    let seconds = std::env::var("SCHEDULER_STRESS_SECONDS")
        .map_or(quick_or_full(3, 10), |seconds| seconds.parse().expect("a number"));
    let clock = Instant::now();
    let batches = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut dice = Dice(RandomState::new(), 0);
                while clock.elapsed() < Duration::from_secs(seconds) {
                    one_batch(&mut dice);
                    batches.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let batches = batches.into_inner();
    assert!(batches >= THREADS, "{batches} batches of 6 jobs in {seconds} seconds");
    println!("{batches} batches of 6 jobs in {seconds} seconds");
}
