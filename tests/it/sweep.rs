//! The sweep: its report, and that it is faster than a storm.

use std::time::Duration;

use scheduler::{Scheduler, Status, jobs};
use scheduler_tests::jobs::fast;
use scheduler_tests::leftovers::{alive, new_tag, storms};
use scheduler_tests::platform::swept;

use crate::METHODS;

#[test]
fn a_job_without_leftovers_is_recorded_as_clean() {
    let records = Scheduler::new().run(jobs![("a", fast)]).expect("the input is fine");
    assert!(swept(records[0].sweep(), |count| count == 0), "{records:?}");
}

#[test]
fn a_storm_of_processes_in_their_own_sessions_is_killed() {
    for method in METHODS {
        let tag = new_tag();
        let list = jobs![("a", storms(7, tag.clone()))];
        let scheduler = Scheduler::new().start_method(method).timeout(Duration::from_millis(500));
        let records = scheduler.run(list).expect("the input is fine");
        let left = alive(&tag);
        assert!(left.is_empty(), "{left:?}");
        assert_eq!(records[0].status(), Status::Timeout);
        assert!(swept(records[0].sweep(), |count| count > 1), "{:?}", records[0]);
    }
}
