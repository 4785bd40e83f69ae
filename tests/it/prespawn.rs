//! Prespawning: the next job's process is made while the current job runs, and its function is not called early.

use std::fs;
use std::time::Duration;

use scheduler::{AnyJob, Scheduler, Status};
use scheduler_tests::ending::Ending;
use scheduler_tests::isolation::notes;
#[cfg(wardens)]
use scheduler_tests::leftovers::FAMILY;
use scheduler_tests::leftovers::{Leftover, leaves, new_tag};

use crate::application::{app, records};
use crate::{METHODS, PLENTY};

#[test]
fn a_function_is_called_only_after_the_one_before_it_has_finished() {
    for method in METHODS {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("notes");
        let list = (0..30).map(|index| (index.to_string(), notes::job(file.clone(), index.to_string())));
        let records = Scheduler::new().start_method(method).run(list).expect("the input is fine");
        assert!(records.iter().all(|record| record.status() == Status::Ok), "{records:?}");
        let expected: Vec<_> = (0..30).flat_map(|index| [format!("{index} begins"), format!("{index} ends")]).collect();
        let noted = fs::read_to_string(&file).expect("it was written");
        assert_eq!(noted.lines().collect::<Vec<_>>(), expected);
    }
}

/// Long enough for the next process to be made meanwhile, on most machines.
const BRIEFLY: Duration = Duration::from_millis(300);

#[test]
fn a_prespawned_job_is_not_called_after_a_follow_up_has_failed() {
    for method in METHODS {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("notes");
        let note = |name: &str| (name.to_owned(), AnyJob::from(notes::job(file.clone(), name.to_owned())));
        // However slow the machine is, only this one is late.
        let late = AnyJob::from(leaves::job(Leftover::Nothing, Ending::Hangs, new_tag())).timeout(BRIEFLY);
        let list = [note("a"), ("b".to_owned(), late), note("c")];
        let scheduler = Scheduler::new().start_method(method).timeout(PLENTY);
        let error = scheduler.on_timeout(|_| Err("no")).run(list).expect_err("the follow-up fails");
        assert_eq!(error.into_records().len(), 2);
        assert_eq!(fs::read_to_string(&file).expect("it was written"), "a begins\na ends\n");
    }
}

#[cfg(wardens)]
#[test]
fn a_prespawned_process_that_died_before_its_turn_is_replaced() {
    for method in ["", "forks"] {
        let mut command = app("", &["60000", "introduces_itself", "kills_the_next_one", "introduces_itself", "fast"]);
        let command = command.env("APP_METHOD", method).env(FAMILY, new_tag());
        let records = records(&command.output().expect("the fixture is built"));
        assert!(records[1]["result"].as_u64().is_some_and(|ended| ended > 0), "{records:?}");
        assert_eq!((&records[2]["status"], &records[3]["result"]), (&"ok".into(), &42.into()), "{records:?}");
    }
}
