//! Checkpoints: what a job saves survives it, and the next attempt resumes from there.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use scheduler::{AnyJob, CancelToken, Outcome, Record, Scheduler, Status, jobs, run_job_with_timeout, this_job};
use scheduler_tests::ending::Ending;
use scheduler_tests::jobs::{fast, hangs};
use serde::{Deserialize, Serialize};

use crate::{METHODS, PLENTY, at_once};

/// What is saved: something with structure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Work {
    round: u32,
    found: BTreeMap<String, Vec<f64>>,
}

impl Work {
    fn after(round: u32) -> Self {
        let found = (0..round).map(|n| (format!("{n}"), vec![f64::from(n); 3])).collect();
        Self { round, found }
    }
}

/// Saves its work three times, and comes to this ending.
#[scheduler::job]
fn works(ending: Ending) -> Result<(), String> {
    for round in 1..=3 {
        this_job::checkpoint(&Work::after(round)).map_err(|error| error.to_string())?;
    }
    ending.come()
}

fn only(records: Vec<Record>) -> Record {
    let [record] = <[Record; 1]>::try_from(records).expect("one job, one record");
    record
}

#[test]
fn the_last_checkpoint_survives_however_the_job_fails() {
    let list = Ending::ALL.iter().map(|ending| {
        let limit = if ending.is_a_timeout() { Duration::from_millis(700) } else { PLENTY };
        (format!("{ending:?}"), AnyJob::from(works::job(*ending).timeout(limit)))
    });
    let list: Vec<_> = list.collect();
    at_once(METHODS, |method| {
        // They mostly wait.
        let scheduler = Scheduler::new().start_method(method).concurrency(8);
        let records = scheduler.run(list.clone()).expect("the input is fine");
        assert_eq!(records.len(), Ending::ALL.len());
        for record in records {
            let saved = record.checkpoint::<Work>().unwrap_or_else(|error| panic!("{error}: {record:?}"));
            assert_eq!(saved, Some(Work::after(3)), "{record:?}");
        }
    });
}

#[test]
fn a_follow_up_has_the_checkpoint() {
    let found = RefCell::new(Vec::new());
    let scheduler = Scheduler::new().timeout(Duration::from_millis(500)).on_timeout(|late| {
        found.borrow_mut().push(late.record().checkpoint::<Work>()?);
        Ok::<(), scheduler::Error>(())
    });
    scheduler.run(jobs![("a", works(Ending::Hangs)), ("b", hangs)]).expect("the input is fine");
    assert_eq!(*found.borrow(), [Some(Work::after(3)), None]);
}

#[test]
fn a_job_that_saves_nothing_has_no_checkpoint() {
    let record = only(Scheduler::new().run(jobs![("a", fast)]).expect("the input is fine"));
    assert_eq!(record.checkpoint::<Work>().expect("there is none"), None);
    let run = run_job_with_timeout(fast::job().resume_from(&record), PLENTY).expect("the input is fine");
    assert_eq!((run.outcome.clone(), run.checkpoint::<u8>().expect("there is none")), (Outcome::Ok(42), None));
}

/// Does one round more than was done before, and fails until there are `rounds`.
#[scheduler::job]
fn goes_on(rounds: u32) -> Result<(u32, u32), String> {
    let work: Option<Work> = this_job::resume().map_err(|error| error.to_string())?;
    // A second call returns the same.
    assert_eq!(this_job::resume::<Work>().expect("it is the same"), work);
    let round = work.map_or(0, |work| {
        assert_eq!(work, Work::after(work.round));
        work.round
    }) + 1;
    this_job::checkpoint(&Work::after(round)).map_err(|error| error.to_string())?;
    if round < rounds { Err("not yet".to_owned()) } else { Ok((round, this_job::attempt())) }
}

#[test]
fn the_next_attempt_resumes_from_the_checkpoint() {
    for method in METHODS {
        let list = jobs![("a", { goes_on::job(4).retries(5) }), ("b", { goes_on::job(3).retries(1) })];
        let records = Scheduler::new().start_method(method).run(list).expect("the input is fine");
        assert_eq!(records[0].result::<(u32, u32)>().expect("it came that far"), (4, 4));
        // Two attempts were not enough.
        assert_eq!(records[1].status(), Status::Error);
        assert_eq!(records[1].checkpoint::<Work>().expect("its type is that"), Some(Work::after(2)));
        let list = records.iter().map(|record| (record.job_id(), goes_on::job(3).resume_from(record)));
        let records = Scheduler::new().start_method(method).run(list.collect::<Vec<_>>()).expect("the input is fine");
        let came_to = |index: usize| records[index].result::<(u32, u32)>().expect("it came that far");
        assert_eq!((came_to(0), came_to(1)), ((5, 1), (3, 1)));
    }
}

/// Fails without saving anything.
#[scheduler::job]
fn saves_nothing() -> Result<(), String> {
    Err("at once".to_owned())
}

#[test]
fn an_attempt_that_saves_nothing_keeps_the_last_checkpoint() {
    let first = run_job_with_timeout(works::job(Ending::Returns), PLENTY).expect("the input is fine");
    let list = [
        ("tries".to_owned(), AnyJob::from(saves_nothing::job().retries(2)).resume_from(&first)),
        ("hangs".to_owned(), hangs::job().timeout(Duration::from_millis(100)).resume_from(&first).into()),
    ];
    for record in Scheduler::new().run(list).expect("the input is fine") {
        assert_eq!(record.checkpoint::<Work>().expect("its type is that"), Some(Work::after(3)), "{record:?}");
    }
}

/// Resumes from something else.
#[scheduler::job]
fn resumes_a_number() -> Result<Option<u64>, String> {
    this_job::resume().map_err(|error| {
        assert!(error.is_checkpoint());
        error.to_string()
    })
}

#[test]
fn a_checkpoint_of_another_type_is_refused_even_if_its_bytes_decode() {
    let first = run_job_with_timeout(works::job(Ending::Returns), PLENTY).expect("the input is fine");
    let error = first.checkpoint::<(u32, BTreeMap<String, Vec<f64>>)>().expect_err("it is another type");
    assert!(error.is_checkpoint(), "{error}");
    let text = error.to_string();
    assert!(text.starts_with("invalid checkpoint: it is of type `it::checkpoints::Work`, not `(u32, "), "{text}");
    let second = run_job_with_timeout(resumes_a_number::job().resume_from(&first), PLENTY).expect("the input is fine");
    let failure = format!("{:?}", second.outcome);
    assert!(failure.contains("it is of type `it::checkpoints::Work`, not `u64`"), "{failure}");
}

/// Can't be saved.
#[derive(Deserialize)]
struct Stubborn;

impl Serialize for Stubborn {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not today"))
    }
}

/// Can be written, and not be read back without names.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u64),
}

/// Saves what can't be saved, and says why not.
#[scheduler::job]
fn saves_in_vain() -> Vec<String> {
    this_job::checkpoint(&7_u8).expect("that can");
    let errors = [
        this_job::checkpoint(&Stubborn),
        this_job::checkpoint(&vec![0_u8; 65 << 20]),
        this_job::checkpoint(&Untagged::Number(7)),
    ];
    errors.into_iter().map(|error| error.expect_err("it can't be saved").to_string()).collect()
}

#[test]
fn a_value_that_can_not_be_saved_is_refused_and_the_last_checkpoint_stays() {
    let run = run_job_with_timeout(saves_in_vain::job(), PLENTY).expect("the input is fine");
    assert_eq!(run.checkpoint::<u8>().expect("its type is that"), Some(7));
    let Outcome::Ok(errors) = run.outcome else { panic!("{run:?}") };
    assert_eq!(errors[0], "invalid checkpoint: not today");
    assert!(errors[1].contains("over the limit of 67108864; write it to a file"), "{errors:?}");
    assert!(errors[2].starts_with("invalid checkpoint: it can't be read back: its `Deserialize` skips"), "{errors:?}");
    assert!(errors[2].ends_with("put `#[job(encoding = \"cbor\")]` above the job"), "{errors:?}");
}

#[test]
fn outside_of_a_job_nothing_is_saved_and_nothing_is_resumed() {
    assert!(this_job::checkpoint(&7_u8).is_ok());
    assert_eq!(this_job::resume::<u8>().expect("there is nothing"), None);
    this_job::progress(1, 2);
    this_job::message("no one receives it");
}

/// Saves large values on one thread until another one kills the process.
#[scheduler::job]
fn dies_while_it_saves(size: usize) {
    let (sender, saved) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for round in 0_u8.. {
            this_job::checkpoint(&vec![round; size]).expect("the parent is there");
            let _ = sender.send(round);
        }
    });
    while saved.recv().expect("it saves forever") < 3 {}
    scheduler_tests::jobs::kills_itself();
}

#[test]
fn a_partly_sent_checkpoint_does_not_count() {
    for size in [1, 100_000, 5_000_000] {
        let run = run_job_with_timeout(dies_while_it_saves::job(size), PLENTY).expect("the input is fine");
        let saved = run.checkpoint::<Vec<u8>>().expect("it is whole").expect("there is one");
        assert_eq!(saved.len(), size);
        assert!(saved[0] >= 3 && saved.iter().all(|byte| *byte == saved[0]), "{:?}", saved[0]);
    }
}

/// Saves one number after the other, and writes each to a file once it is saved. Its warden is stopped, so that the kill is
/// late.
#[cfg(wardens)]
#[scheduler::job]
fn counts_forever(file: PathBuf) {
    use std::os::unix::fs::FileExt;
    scheduler_tests::signals::signal(std::os::unix::process::parent_id(), scheduler_tests::signals::Signal::STOP);
    let file = std::fs::File::create(file).expect("the folder is there");
    for n in 1_u64.. {
        this_job::checkpoint(&(n, vec![7_u8; 1000])).expect("the parent is there");
        file.write_all_at(&n.to_le_bytes(), 0).expect("the disk has room for a number");
    }
}

#[cfg(wardens)]
#[test]
fn a_checkpoint_in_transit_when_the_job_is_killed_counts() {
    at_once(METHODS, |method| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("number");
        let call = counts_forever::job(file.clone()).timeout(Duration::from_millis(300));
        let record =
            only(Scheduler::new().start_method(method).run(jobs![("a", { call })]).expect("the input is fine"));
        assert_eq!(record.status(), Status::Timeout);
        let written = std::fs::read(file).expect("it was written");
        let written = u64::from_le_bytes(written.try_into().expect("it is one number"));
        let saved = record.checkpoint::<(u64, Vec<u8>)>().expect("its type is that").expect("something was saved").0;
        assert!(saved == written || saved == written + 1, "{saved} was saved, {written} was written down");
    });
}

#[test]
fn a_call_cancelled_before_it_began_keeps_its_first_checkpoint() {
    let first = run_job_with_timeout(works::job(Ending::Returns), PLENTY).expect("the input is fine");
    let token = CancelToken::new();
    token.cancel();
    let list = jobs![("a", { goes_on::job(9).resume_from(&first) })];
    let record = only(Scheduler::new().cancel_token(&token).run(list).expect("the input is fine"));
    assert_eq!(record.error().as_deref(), Some("cancelled before it began"));
    assert_eq!(record.checkpoint::<Work>().expect("its type is that"), Some(Work::after(3)));
}

/// Saves once it is cancelled.
#[scheduler::job(timeout = "200ms", grace = "1m")]
fn saves_at_the_end() -> Result<(), String> {
    this_job::cancelled().wait();
    this_job::checkpoint(&"saved".to_owned()).map_err(|error| error.to_string())?;
    Err("there was no time".to_owned())
}

#[test]
fn a_checkpoint_saved_in_the_grace_period_counts() {
    let record = only(Scheduler::new().run(jobs![("a", saves_at_the_end)]).expect("the input is fine"));
    assert_eq!(record.status(), Status::Timeout);
    assert_eq!(record.checkpoint::<String>().expect("its type is that").as_deref(), Some("saved"));
}

/// Forks a process that saves, and returns the error that this gets.
#[cfg(unix)]
#[expect(unsafe_code, reason = "a fork has no safe API")]
#[scheduler::job]
fn forks_a_copy_that_saves(file: PathBuf) -> String {
    this_job::checkpoint(&1_u8).expect("the parent is there");
    // SAFETY: This process has one thread.
    let copy = unsafe { libc::fork() };
    if copy == 0 {
        let reported = this_job::checkpoint(&2_u8).map_err(|error| error.to_string());
        this_job::progress(1, 2);
        std::fs::write(&file, format!("{reported:?} {:?}", this_job::resume::<u8>())).expect("the folder is there");
        // SAFETY: It exits at once, without running any code of this process.
        unsafe { libc::_exit(0) };
    }
    // SAFETY: The child is ours.
    unsafe { libc::waitpid(copy, std::ptr::null_mut(), 0) };
    std::fs::read_to_string(file).expect("it was written")
}

#[cfg(unix)]
#[test]
fn a_fork_of_a_job_can_not_save_for_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let call = forks_a_copy_that_saves::job(folder.path().join("told"));
    let run = run_job_with_timeout(call, PLENTY).expect("the input is fine");
    assert_eq!(run.checkpoint::<u8>().expect("its type is that"), Some(1));
    let Outcome::Ok(reported) = run.outcome else { panic!("{run:?}") };
    assert!(
        reported.contains("a process that the job has forked can't save a checkpoint")
            && reported.ends_with("Ok(None)"),
        "{reported}"
    );
}
