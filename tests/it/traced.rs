//! A stop of a traced process is no exit: signals reach the job as if it were not traced.

use std::time::Duration;

use scheduler::{AnyJob, Failure, Record, Scheduler, StartMethod, Status};
use scheduler_tests::traced;

use crate::{METHODS, PLENTY};

fn record_of(call: impl Into<AnyJob>, method: StartMethod, limit: Duration) -> Record {
    let scheduler = Scheduler::new().timeout(limit).start_method(method);
    let mut records = scheduler.run([("id", call)]).expect("the input is fine");
    records.pop().expect("one job, one record")
}

#[test]
fn a_traced_job_that_gets_signals_continues_at_once() {
    for method in METHODS {
        let record = record_of(traced::goes_on_after_signals::job(), method, PLENTY);
        assert_eq!(record.result::<i32>().ok(), Some(42), "{record:?}");
        // Its parent is woken by each stop, and doesn't find it by chance when it looks every second.
        assert!(record.duration() < Duration::from_millis(900), "{record:?}");
    }
}

#[test]
fn a_traced_job_that_dies_of_a_signal_is_recorded_with_that_signal() {
    for method in METHODS {
        for signal in [libc::SIGTERM, libc::SIGKILL, libc::SIGTRAP] {
            let record = record_of(traced::signals_itself::job(signal), method, PLENTY);
            let Some(Failure::Signaled { signal: recorded, .. }) = record.failure() else { panic!("{record:?}") };
            assert_eq!(*recorded, signal);
        }
    }
}

#[test]
fn a_traced_job_that_stops_itself_times_out() {
    for method in METHODS {
        let record = record_of(traced::signals_itself::job(libc::SIGSTOP), method, Duration::from_millis(300));
        assert_eq!(record.status(), Status::Timeout, "{record:?}");
    }
}

#[test]
fn a_traced_job_that_executes_a_program_is_recorded_with_its_code() {
    for method in METHODS {
        let record = record_of(traced::executes::job(7), method, PLENTY);
        assert!(matches!(record.failure(), Some(Failure::Exited { code: 7, .. })), "{record:?}");
    }
}

#[test]
fn a_job_may_trace_its_own_child() {
    for method in METHODS {
        let record = record_of(traced::traces_a_child::job(), method, PLENTY);
        assert_eq!(record.result::<i32>().ok(), Some(42), "{record:?}");
    }
}
