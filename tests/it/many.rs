//! Many jobs at a time: more than are polled at each wait.

use std::time::Duration;

use scheduler::{AnyJob, Scheduler, Status};
use scheduler_tests::jobs::{fast, hangs};
use scheduler_tests::platform::METHODS;
#[cfg(wardens)]
use serde_json::json;

use crate::PLENTY;
#[cfg(unix)]
use crate::application::methods;
#[cfg(unix)]
use crate::untidy::report;

/// Enough that all are registered, few enough for a machine with other tests.
const COUNT: u32 = 40;

#[test]
fn each_of_many_jobs_has_its_own_deadline_and_outcome() {
    for method in METHODS {
        let scheduler = Scheduler::new().timeout(PLENTY).start_method(method).concurrency(COUNT as usize);
        // Those that return come between those that hang, and the later ones hang for a shorter time.
        let limit = |index| Duration::from_millis(1500 - u64::from(index) * 20);
        let call = |index: u32| match index % 4 {
            0 => AnyJob::from(fast::job()),
            _ => AnyJob::from(hangs::job()).timeout(limit(index)),
        };
        let records =
            scheduler.run((0..COUNT).map(|index| (index.to_string(), call(index)))).expect("the input is fine");
        for (index, record) in (0..).zip(&records) {
            if index % 4 == 0 {
                assert_eq!(record.result::<i32>().expect("it is a number"), 42, "{record:?}");
            } else {
                assert_eq!(record.status(), Status::Timeout, "{record:?}");
                assert!(record.duration() < limit(index) + Duration::from_secs(5), "{record:?}");
            }
        }
    }
}

#[test]
fn many_jobs_are_cancelled_together_and_one_by_one() {
    for method in METHODS {
        let scheduler = Scheduler::new().timeout(PLENTY).start_method(method).concurrency(COUNT as usize);
        let handles: Vec<_> = (0..COUNT).map(|_| scheduler.spawn(hangs::job()).expect("the input is fine")).collect();
        let mut handles = handles.into_iter();
        for handle in handles.by_ref().take(10) {
            handle.kill();
            assert_eq!(handle.wait().expect("the scheduler works").status(), Status::Error);
        }
        handles.as_slice().iter().for_each(scheduler::Handle::cancel);
        for handle in handles {
            assert_eq!(handle.wait().expect("the scheduler works").status(), Status::Error);
        }
    }
}

#[cfg(unix)]
#[test]
fn forks_of_the_application_disturb_none_of_its_many_jobs_and_keep_it_from_no_sleep() {
    for method in methods() {
        let report = report("forks among many jobs", method, &[]);
        assert_eq!((&report["dropping"], &report["returned"]), (&0.into(), &[true, true].into()), "{report}");
        // In 300 ms, in which nothing happens. A loop that some event of a closed file keeps awake works all the time.
        assert!(report["worked"].as_f64().expect("seconds") < 0.02, "{report}");
    }
}

#[cfg(wardens)]
#[test]
fn the_soft_limit_on_descriptors_is_raised_while_jobs_need_it_and_no_job_sees_that() {
    for method in methods() {
        // Each job waits until all of them run.
        let report = report("has few descriptors", method, &["64", "4096"]);
        let expected = json!({ "limits": vec![json!({ "Ok": 64 }); COUNT as usize], "own": 64, "postponed": [] });
        assert_eq!(report, expected);
    }
}

#[cfg(wardens)]
#[test]
fn where_the_hard_limit_is_too_low_fewer_jobs_run_at_a_time_and_an_observer_receives_the_reason() {
    for method in methods() {
        let report = report("has few descriptors", method, &["64", "64"]);
        let limits = report["limits"].as_array().expect("there are records");
        assert!(limits.iter().all(|limit| limit["Ok"] == 64), "{report}");
        let postponed = report["postponed"].as_array().expect("a list");
        assert!((1..5).contains(&postponed.len()), "{report}");
        let reason = postponed[0][1].as_str().expect("a text");
        assert!(reason.contains("the hard limit of this process is 64"), "{report}");
    }
}
