//! Snapshots of processes: what a record has with the feature `stacks` and without it, and where there are none.

use std::time::Duration;

use scheduler::{Incomplete, ProcessSnapshot, Record, Scheduler, Status, ThreadSnapshot, ThreadState};

/// Longer than a job takes until it is stuck.
const LIMIT: Duration = Duration::from_secs(2);

/// Without stacks there are still the processes, and what each of their threads waits for.
#[cfg(wardens)]
#[test]
fn the_processes_and_threads_of_a_hung_job_are_shown_whether_or_not_there_are_stacks() {
    use scheduler_tests::stacks::in_three_threads_and_a_child;

    let has_stacks = cfg!(all(feature = "stacks", any(target_arch = "x86_64", target_arch = "aarch64")));
    let run = || {
        let list = scheduler::jobs![("a", in_three_threads_and_a_child)];
        Scheduler::new().timeout(LIMIT).stacks(true).run(list).expect("the input is fine").remove(0)
    };
    let is_in_time = |record: &Record| {
        let is_in_time = |process: &ProcessSnapshot| {
            let mut missing = process.threads().iter().filter_map(ThreadSnapshot::incomplete);
            !process.incomplete().contains(&Incomplete::TimeLimit) && missing.all(|why| why != Incomplete::TimeLimit)
        };
        record.stacks().iter().all(is_in_time)
    };
    // On a busy machine the time of a capture may be over before it is complete.
    let record = (0..60).map(|_| run()).find(is_in_time).expect("one of the captures is in time");
    assert_eq!(record.status(), Status::Timeout);
    let [job, child] = record.stacks() else { panic!("{:?}", record.stacks()) };
    assert_eq!((child.parent(), child.name()), (job.pid(), "sleep"));
    assert_eq!(child.command_line(), ["sleep", "300"]);
    let named = |name: &str| job.threads().iter().find(|thread| thread.name() == name).expect("it is there");
    for (thread, call) in
        [(named("locker"), "futex"), (named("reader"), "read"), (&child.threads()[0], "clock_nanosleep")]
    {
        assert_eq!(thread.state(), ThreadState::Sleeping, "{thread:?}");
        assert_eq!(thread.system_call().and_then(|found| found.name()), Some(call), "{thread:?}");
        assert_eq!(thread.frames().is_empty(), !has_stacks, "{thread:?}");
    }
    let missing: &[Incomplete] = if has_stacks { &[] } else { &[Incomplete::Unsupported] };
    assert_eq!([job.incomplete(), child.incomplete()], [missing; 2]);
}

#[cfg(all(unix, not(wardens)))]
#[test]
fn a_record_has_no_snapshots_where_nothing_can_take_them() {
    let job = scheduler_tests::jobs::hangs::job().timeout(Duration::from_millis(300));
    let records = Scheduler::new().stacks(true).run(scheduler::jobs![("a", { job })]).expect("the input is fine");
    assert_eq!(records[0].status(), Status::Timeout);
    assert!(records[0].stacks().is_empty(), "{:?}", records[0].stacks());
}
