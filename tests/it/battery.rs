//! The fault battery: a job that leaves every kind of process behind and exits or hangs in every way, each case under a
//! watchdog. When the record is there, no process of the job is alive, and the record has the actual cause.

use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

#[cfg(wardens)]
use scheduler::Output;
use scheduler::{AnyJob, Failure, Record, Scheduler, StartMethod, Status, Sweep};
use scheduler_tests::ending::Ending;
use scheduler_tests::leftovers::{Leftover, alive, leaves_for_certain, new_tag};
#[cfg(wardens)]
use scheduler_tests::limited::with_every_option;
use scheduler_tests::platform::{HAS_WARDENS, swept, wine_is_in_the_way};
use scheduler_tests::profile::sample;

use crate::{METHODS, PLENTY};

/// When a job is killed that is to be: once all that it leaves is there, which takes ten processes a while on Windows.
const LIMIT: Duration = Duration::from_millis(if cfg!(windows) { 3000 } else { 400 });
/// The bound of a case beyond its limit; the longest wait of the scheduler here is 4.4 seconds, for a warden that
/// doesn't answer.
const BOUND: Duration = Duration::from_secs(40);
/// The signal at a write to the null page.
const FAULT: &str = if cfg!(target_vendor = "apple") { "SIGBUS" } else { "SIGSEGV" };
/// How many cases run at a time.
const AT_A_TIME: usize = 4;
/// The quick profile tries one case in `STEP`, so that every leftover and every ending takes its turn.
const STEP: usize = 5;

#[derive(Clone, Copy, Debug)]
struct Case {
    method: StartMethod,
    leftover: Leftover,
    ending: Ending,
}

/// Every leftover with every ending, with every start method. A warden that doesn't answer takes seconds, and is tried
/// twice.
fn cases() -> Vec<Case> {
    let all = METHODS.into_iter().flat_map(|method| {
        let endings = Ending::ALL.iter();
        endings.flat_map(move |ending| {
            Leftover::ALL.iter().map(move |leftover| Case { method, leftover: *leftover, ending: *ending })
        })
    });
    let is_wine = wine_is_in_the_way("a stack overflow on another thread than the first hangs forever");
    let all = all.filter(|case| case.ending != Ending::Overflows || !is_wine);
    let slow = |case: &Case| case.ending == Ending::StopsWarden;
    let chosen = |case: &Case| matches!(case.leftover, Leftover::Nothing | Leftover::Orphan);
    all.filter(|case| !slow(case) || chosen(case)).collect()
}

impl Case {
    fn run(self) {
        let limits = std::iter::successors(Some(LIMIT), |limit| Some(*limit * 2));
        for limit in limits.take_while(|limit| *limit < PLENTY) {
            let record = self.run_within(limit);
            if self.was_complete(&record) {
                return self.check(&record);
            }
        }
        panic!("{self:?} doesn't finish within {PLENTY:?}");
    }

    /// Returns whether all leftovers of the job existed when it was killed. Otherwise the case doesn't count: the machine
    /// is busy or slow.
    fn was_complete(self, record: &Record) -> bool {
        !self.ending.is_a_timeout() || matches!(record.checkpoint(), Ok(Some(())))
    }

    fn run_within(self, limit: Duration) -> Record {
        let tag = new_tag();
        let call = self.call(&tag, limit);
        let (sender, receiver) = mpsc::channel();
        let case = thread::spawn(move || {
            let run = Scheduler::new().start_method(self.method).run([(format!("{self:?}"), call)]);
            // The receiver is gone if the watchdog has fired.
            let _ = sender.send(run);
        });
        let bound = limit + BOUND;
        let run = receiver.recv_timeout(bound).unwrap_or_else(|_| panic!("{self:?} took longer than {bound:?}"));
        case.join().expect("it has sent its last");
        let mut left = alive(&tag);
        let record = run.expect("the input is fine").pop().expect("one job, one record");
        if self.leaves_a_hidden_process() {
            left.drain(..).for_each(end);
        }
        assert_eq!(left, [0; 0], "{record:?}");
        record
    }

    fn call(self, tag: &str, limit: Duration) -> AnyJob {
        let limit = if self.ending.is_a_timeout() { limit } else { PLENTY };
        AnyJob::from(leaves_for_certain::job(self.leftover, self.ending, tag.to_owned())).timeout(limit)
    }

    /// Returns whether its leftover can't be found by any means. Its record reports that: see `check`.
    fn leaves_a_hidden_process(self) -> bool {
        self.ending == Ending::KillsWarden && self.leftover == Leftover::Daemon
    }

    fn check(self, record: &Record) {
        let what = format!("{self:?}: {record:?}");
        let expected = match self.ending {
            Ending::Returns => Status::Ok,
            ending if ending.is_a_timeout() => Status::Timeout,
            _ => Status::Error,
        };
        assert_eq!(record.status(), expected, "{what}");
        let reported = match (self.ending, record.failure()) {
            (Ending::Fails, Some(Failure::Returned { message, .. })) => message == "as requested",
            (Ending::Panics, Some(Failure::Panicked(panic))) => panic.message == "as requested",
            (Ending::PanicsTwice, Some(Failure::Panicked(_)))
            | (Ending::Overflows, Some(Failure::StackOverflow { .. }))
            | (Ending::Exits, Some(Failure::Exited { code: 3, .. })) => true,
            (Ending::Aborts, Some(Failure::Signaled { name, .. })) => *name == "SIGABRT",
            (Ending::Aborts, Some(Failure::Exited { code, .. })) => {
                cfg!(windows) && code.cast_unsigned() == 0xC000_0409
            }
            (Ending::Faults, Some(Failure::Signaled { name, .. })) => *name == FAULT,
            (Ending::Faults, Some(Failure::Exited { code, .. })) => {
                cfg!(windows) && code.cast_unsigned() == 0xC000_0005
            }
            (Ending::Dies, Some(Failure::Signaled { name, .. })) => *name == "SIGKILL",
            (Ending::Dies, Some(Failure::Exited { code: 9, .. })) => cfg!(windows),
            (Ending::KillsWarden, Some(Failure::ProtocolBroken { message, .. })) => {
                message.contains("warden was killed")
            }
            (_, failure) => failure.is_none(),
        };
        assert!(reported, "{what}");
        let count = self.leftover.count();
        let swept = match (self.ending, record.sweep()) {
            (Ending::KillsWarden | Ending::StopsWarden, Sweep::Unproved { killed, .. }) => {
                match self.leftover {
                    // The daemon itself can't be found. The shells in between may be.
                    Leftover::Daemon => *killed <= 2,
                    Leftover::Orphan => (count..=count + 2).contains(killed),
                    _ => *killed == count,
                }
            }
            (_, sweep) if matches!(self.leftover, Leftover::Orphan | Leftover::Daemon) => {
                // The shells between the job and the orphan may not have exited yet.
                swept(sweep, |killed| (count..=count + 2).contains(&killed))
            }
            (_, sweep) => swept(sweep, |killed| killed == count),
        };
        assert!(swept, "{what}");
    }
}

/// Kills a process that a case has left and that the scheduler can't find.
#[cfg(unix)]
fn end(pid: u32) {
    scheduler_tests::signals::signal(pid, scheduler_tests::signals::Signal::KILL);
}

#[cfg(windows)]
fn end(_: u32) {
    // A job object finds all.
}

#[test]
fn every_failure_is_recorded_and_no_process_survives_it() {
    let cases = cases();
    assert!(cases.len() > if HAS_WARDENS { 250 } else { 50 });
    let cases = Mutex::new(sample(cases, STEP).collect::<Vec<_>>());
    let next = || cases.lock().expect("no case panics while it takes the next").pop();
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| std::iter::from_fn(next).for_each(Case::run));
        }
    });
}

/// Runs the cases as a list, and once more, with twice the limit, those that were killed too early. Each is checked once.
#[cfg(wardens)]
fn run_as_lists(mut cases: Vec<Case>, scheduler: &Scheduler, check: impl Fn(&Record)) {
    let tag = new_tag();
    for limit in std::iter::successors(Some(LIMIT), |limit| Some(*limit * 2)) {
        assert!(limit < PLENTY, "these don't finish within {PLENTY:?}: {cases:?}");
        let list = cases.iter().map(|case| (format!("{case:?}"), case.call(&tag, limit)));
        let records = scheduler.run(list);
        assert_eq!(alive(&tag), [0; 0]);
        let records = records.expect("the input is fine");
        assert_eq!(records.len(), cases.len());
        let mut early = Vec::new();
        for (case, record) in cases.into_iter().zip(&records) {
            if case.was_complete(record) {
                case.check(record);
                check(record);
            } else {
                early.push(case);
            }
        }
        if early.is_empty() {
            return;
        }
        cases = early;
    }
}

/// What one job does to a warden that stays doesn't affect the next job.
#[cfg(wardens)]
#[test]
fn every_failure_is_recorded_by_wardens_that_had_the_others() {
    let kept = METHODS.into_iter().flat_map(|method| [(method, 0), (method, 2)]);
    for (method, standby) in kept.chain([(StartMethod::Reuse { calls: 5 }, 0)]) {
        let made = if METHODS.contains(&method) { method } else { METHODS[0] };
        let cases = cases().into_iter().filter(|case| case.method == made);
        let cases = sample(cases.filter(|case| !case.leaves_a_hidden_process()), STEP).collect();
        let scheduler = Scheduler::new().start_method(method).concurrency(AT_A_TIME).standby(standby);
        // No job obeys its cancellation.
        let scheduler = scheduler.grace(Duration::from_millis(100));
        run_as_lists(cases, &scheduler, |_| {});
    }
}

/// The options of a job's environment change nothing of it.
#[cfg(wardens)]
#[test]
fn every_failure_is_recorded_with_every_option_of_the_environment() {
    for method in METHODS {
        let cases = cases().into_iter().filter(|case| case.method == method && !case.leaves_a_hidden_process());
        let cases = sample(cases.filter(|case| case.leftover != Leftover::Nothing), STEP).collect();
        let scheduler = with_every_option(Scheduler::new().start_method(method).concurrency(AT_A_TIME));
        // Some print much.
        run_as_lists(cases, &scheduler.stderr(Output::Capture), |record| {
            assert!(record.stdout().is_some(), "{record:?}");
        });
    }
}
