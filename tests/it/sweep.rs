//! The sweep: whatever a job leaves, and however it ends, nothing of it is alive when the record is there.

use std::time::Duration;

use scheduler::{Scheduler, Status, Sweep, jobs};
use scheduler_tests::jobs::fast;
use scheduler_tests::leavings::{Ending, Leaving, alive, leaves, new_tag, storms};

#[test]
fn nothing_is_left_of_any_kind_after_any_ending() {
    for ending in Ending::ALL {
        for leaving in Leaving::ALL {
            let tag = new_tag();
            // Only a job that hangs is meant to reach its limit.
            let limit = Duration::from_secs(if ending == Ending::Hangs { 1 } else { 60 });
            let run = Scheduler::new().timeout(limit).run(jobs![("a", leaves(leaving, ending, tag.clone()))]);
            let left = alive(&tag);
            let records = run.expect("the input is fine");
            let what = format!("{leaving:?}, {ending:?}: {:?}", records[0]);
            assert!(left.is_empty(), "{left:?} are left after {what}");
            let status = match ending {
                Ending::Returns => Status::Ok,
                Ending::Hangs => Status::Timeout,
                _ => Status::Error,
            };
            assert_eq!(records[0].status(), status, "{what}");
            let count = if leaving == Leaving::Chain { 10 } else { 1 };
            assert_eq!(*records[0].sweep(), Sweep::Killed(count), "{what}");
        }
    }
}

#[test]
fn a_job_that_leaves_nothing_is_said_to() {
    let records = Scheduler::new().run(jobs![("a", fast)]).expect("the input is fine");
    assert_eq!(*records[0].sweep(), Sweep::Clean);
}

#[test]
fn a_storm_of_processes_in_sessions_of_their_own_is_ended() {
    let tag = new_tag();
    let list = jobs![("a", storms(7, tag.clone()))];
    let records = Scheduler::new().timeout(Duration::from_millis(500)).run(list).expect("the input is fine");
    let left = alive(&tag);
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(records[0].status(), Status::Timeout);
    assert!(matches!(records[0].sweep(), Sweep::Killed(count) if *count > 1), "{:?}", records[0]);
}
