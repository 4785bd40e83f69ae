//! No value ever arrives changed, as an argument or as a result, and bytes are as fast as text.

use std::time::{Duration, Instant};

use scheduler::{Error, Job, Outcome, Scheduler, run_job_with_timeout};
use scheduler_tests::profile::sample;
use scheduler_tests::values::{self, Fate, returns_bytes, returns_text, takes_bytes, takes_text};

use crate::PLENTY;

/// Checks what has arrived of a value, or the error instead of it.
#[track_caller]
fn check(what: &str, sent: &str, fate: Fate, arrived: &Result<String, String>) {
    match (fate, arrived) {
        (Fate::Arrives, arrived) => assert_eq!(arrived.as_deref(), Ok(sent), "{what}"),
        (Fate::ArrivesAs(other), arrived) => assert_eq!(arrived.as_deref(), Ok(other), "{what}"),
        (Fate::Refused(words), Err(error)) => assert!(error.contains(words), "{what} {sent}: {error}"),
        (Fate::Refused(_), Ok(arrived)) => panic!("{what} {sent} arrived as {arrived}"),
    }
}

#[test]
fn every_value_arrives_as_it_was_sent_or_not_at_all() -> Result<(), Error> {
    let cases = values::cases();
    assert!(cases.len() > 50);
    let cases: Vec<_> = sample(cases, 3).collect();
    let calls = |call: fn(&values::Case) -> scheduler::AnyJob| {
        cases.iter().map(|case| (case.value.clone(), call(case))).collect::<Vec<_>>()
    };
    let scheduler = Scheduler::new().concurrency(4).timeout(PLENTY);
    let taken = scheduler.run(calls(|case| case.takes.clone()))?;
    let returned = scheduler.run(calls(|case| case.returns.clone()))?;
    for ((case, taken), returned) in cases.iter().zip(&taken).zip(&returned) {
        let got = taken.error().map_or_else(|| taken.result().map_err(|error| error.to_string()), Err);
        check("as an argument", &case.value, case.fate, &got);
        check("as a result", &case.value, case.fate, &(case.result)(returned));
    }
    Ok(())
}

/// Returns the shortest time of a few runs.
fn time<T: PartialEq + std::fmt::Debug>(call: &Job<T>, expected: impl Fn(&T) -> bool) -> Result<Duration, Error> {
    let mut shortest = Duration::MAX;
    for _ in 0..5 {
        let begun = Instant::now();
        match run_job_with_timeout(call.clone(), PLENTY)?.outcome {
            Outcome::Ok(value) if expected(&value) => shortest = shortest.min(begun.elapsed()),
            _ => panic!("it has another result"),
        }
    }
    Ok(shortest)
}

/// The documented factor is 2; byte by byte it would be fifty.
const SLACK: u32 = 5;

#[test]
fn bytes_as_an_argument_are_as_fast_as_text() -> Result<(), Error> {
    const LENGTH: usize = 20 << 20;
    let begun = Instant::now();
    let text = takes_text::job("a".repeat(LENGTH));
    let text_encoded = begun.elapsed();
    let begun = Instant::now();
    let bytes = takes_bytes::job(vec![7; LENGTH]);
    let bytes_encoded = begun.elapsed();
    let text = text_encoded + time(&text, |length| *length == LENGTH)?;
    let bytes = bytes_encoded + time(&bytes, |length| *length == LENGTH)?;
    println!("{LENGTH} bytes as an argument: text {text:?}, bytes {bytes:?}");
    assert!(bytes < SLACK * text, "text took {text:?}, bytes {bytes:?}");
    Ok(())
}

#[test]
fn bytes_as_a_result_are_as_fast_as_text() -> Result<(), Error> {
    const LENGTH: usize = 20 << 20;
    let text = time(&returns_text::job(LENGTH), |text| text.len() == LENGTH)?;
    let bytes = time(&returns_bytes::job(LENGTH), |bytes| bytes.as_ref().is_some_and(|bytes| bytes.len() == LENGTH))?;
    println!("{LENGTH} bytes as a result: text {text:?}, bytes {bytes:?}");
    assert!(bytes < SLACK * text, "text took {text:?}, bytes {bytes:?}");
    Ok(())
}

#[test]
fn two_hundred_mebibytes_of_bytes_are_an_argument() -> Result<(), Error> {
    const LENGTH: usize = 200 << 20;
    let run = run_job_with_timeout(takes_bytes::job(vec![7; LENGTH]), PLENTY)?;
    assert_eq!(run.outcome, Outcome::Ok(LENGTH));
    Ok(())
}
