//! Jobs in a journal whose function was never called.

use std::fs;
use std::time::Duration;

use scheduler::{Ended, Failure, Input, Record, job, jobs};
use scheduler_tests::jobs::{echo, fast, hangs};

use super::{Folder, replayed};

#[job]
fn counts_its_input(ended: Ended) -> (String, usize) {
    (ended.key().to_owned(), std::io::stdin().lines().count())
}

/// The standard input stands for all that a process may lack: descriptors, memory, a folder.
#[test]
fn a_job_and_a_follow_up_that_could_not_start_run_the_next_time() {
    let folder = Folder::new();
    let input = folder.0.path().join("input");
    let missing = || Input::File(input.clone());
    let list = || {
        let file = missing();
        let follow_up = move |ended| counts_its_input::job(ended).stdin(file.clone());
        jobs![
            ("a", { fast::job().stdin(missing()) }),
            ("b", { hangs::job().timeout(Duration::from_millis(100)).follow_up(follow_up) }),
            ("c", { echo::job("one".into()).stdin(missing()).or_else("two".to_owned()) }),
        ]
    };
    for _ in 0..2 {
        let records = folder.scheduler().run(list()).expect("the input is fine");
        let never_started = |record: &Record| matches!(record.failure(), Some(Failure::NeverStarted { .. }));
        assert!(never_started(&records[0]) && never_started(&records[1].follow_ups()[0]), "{records:?}");
        assert_eq!(records[2].result::<String>().ok().as_deref(), Some("two"));
    }
    let known = || folder.journal().runs().expect("it can be read").pop().expect("there was one").jobs().to_vec();
    let key = known()[1].follow_up_key().expect("one is owed").to_owned();
    assert!(known()[1].is_follow_up_owed() && known()[0].finished_at().is_none(), "{:?}", known());
    fs::write(&input, "a line\n").expect("the folder is ours");
    let records = folder.scheduler().run(list()).expect("the input is fine");
    assert_eq!(replayed(&records), [false, true, false]);
    assert!(records[0].status().is_ok(), "{records:?}");
    assert_eq!(records[1].follow_ups()[0].result::<(String, usize)>().ok(), Some((key, 1)));
    assert_eq!(records[2].result::<String>().ok().as_deref(), Some("one"));
    assert!(known().iter().all(|job| job.finished_at().is_some() && !job.is_follow_up_owed()), "{:?}", known());
}
