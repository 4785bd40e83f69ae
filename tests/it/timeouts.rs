//! Deadlines: a job that overruns is killed, and nothing delays the caller.

use std::time::{Duration, Instant};

use scheduler::{AnyJob, Outcome, Scheduler, Status, jobs, run_job_with_timeout};
use scheduler_tests::jobs::{fast, hangs, hangs_at_exit, spins};
#[cfg(unix)]
use scheduler_tests::jobs::{ignores_signals, stops_in_the_middle_of_its_result, stops_itself};

use crate::PLENTY;

#[scheduler::job(timeout = "200ms")]
fn short_by_attribute() {
    hangs();
}

/// The bound is generous: what the kill really takes is measured by a benchmark, on a quiet machine.
const RUN_LIMIT: Duration = Duration::from_secs(5);

#[test]
fn a_job_past_its_timeout_is_killed_whatever_it_does() {
    let limit = Duration::from_millis(300);
    let cases: Vec<(&str, AnyJob)> = vec![
        ("hangs", hangs::job().into()),
        ("spins", spins::job().into()),
        #[cfg(unix)]
        ("ignores every signal", ignores_signals::job().into()),
        #[cfg(unix)]
        ("stops itself", stops_itself::job().into()),
        #[cfg(unix)]
        ("stops in the middle of its result", stops_in_the_middle_of_its_result::job().into()),
    ];
    for (what, call) in cases {
        let clock = Instant::now();
        let records = Scheduler::new().timeout(limit).run([(what.to_owned(), call)]).expect("the input is fine");
        assert!(clock.elapsed() < limit + RUN_LIMIT, "{what}: {:?}", clock.elapsed());
        let record = &records[0];
        assert_eq!(record.status(), Status::Timeout, "{record:?}");
        assert!(record.duration() >= limit && record.duration() < limit + RUN_LIMIT, "{record:?}");
        assert_eq!(record.error().as_deref(), Some("stopped at its timeout of 300ms"));
        assert!(record.failure().is_none());
    }
}

#[test]
fn a_calls_timeout_wins_over_the_attributes_and_the_ceiling_over_both() {
    let limit_of = |call, ceiling| match run_job_with_timeout(call, ceiling).expect("the input is fine").outcome {
        Outcome::Timeout(overrun) => overrun.limit(),
        outcome => panic!("{outcome:?}"),
    };
    let ms = Duration::from_millis;
    assert_eq!(limit_of(short_by_attribute::job(), PLENTY), ms(200));
    assert_eq!(limit_of(short_by_attribute::job(), ms(100)), ms(100));
    assert_eq!(limit_of(short_by_attribute::job().timeout(ms(150)), PLENTY), ms(150));
    assert_eq!(limit_of(short_by_attribute::job().timeout(PLENTY), ms(250)), ms(250));
}

#[test]
fn the_builders_timeout_is_a_default_that_a_job_may_exceed() {
    let scheduler = Scheduler::new().timeout(Duration::from_millis(1));
    let records = scheduler.run(jobs![("a", { fast::job().timeout(PLENTY) }), ("b", short_by_attribute)]);
    let records = records.expect("the input is fine");
    assert_eq!(records[0].status(), Status::Ok);
    assert!(records[1].duration() >= Duration::from_millis(200), "{:?}", records[1]);
}

#[test]
fn a_value_that_arrives_in_time_is_kept_even_if_the_process_never_exits() {
    let clock = Instant::now();
    let run = run_job_with_timeout(hangs_at_exit::job(), PLENTY).expect("the input is fine");
    assert_eq!(run.outcome, Outcome::Ok(7));
    assert!(clock.elapsed() < PLENTY / 2, "{:?}", clock.elapsed());
}

#[test]
fn one_slow_job_delays_no_others_deadline() {
    let records = Scheduler::new()
        .concurrency(2)
        .run(jobs![
            ("slow", { hangs::job().timeout(Duration::from_millis(900)) }),
            ("quick", { hangs::job().timeout(Duration::from_millis(100)) }),
        ])
        .expect("the input is fine");
    assert!(records[1].duration() < records[0].duration() / 2, "{records:?}");
}
