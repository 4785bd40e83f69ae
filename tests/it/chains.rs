//! Chains: `and_then` runs a job with the result of another, and `or_else` takes the place of a result that failed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use scheduler::observer::{AttemptEnded, Recorded};
use scheduler::{CancelToken, Failure, Job, Observer, Outcome, Record, Scheduler, Status, job, jobs, this_job};
use scheduler_tests::ending::Ending;
use scheduler_tests::jobs::{echo, fast, hangs, measure};

use crate::PLENTY;

#[job]
fn add(a: u32, b: u32) -> u32 {
    a + b
}

/// Returns the number, or comes to this ending.
#[job]
fn number(n: u32, ending: Ending) -> Result<u32, String> {
    ending.come()?;
    Ok(n)
}

fn run<T>(call: Job<T>) -> Record {
    let records = Scheduler::new().timeout(PLENTY).run([("chain", call)]).expect("nothing fails");
    records.into_iter().next().expect("there is one")
}

fn names(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| record.job().rsplit("::").next().unwrap_or_default()).collect()
}

#[test]
fn each_part_has_the_result_of_the_one_before_it() {
    let record = run(echo::job("four".to_owned())
        .and_then(measure::job)
        .and_then(|n| add::job(u32::try_from(n).expect("it is four"), 3)));
    assert_eq!(record.result::<u32>().expect("it returned"), 7);
    assert_eq!((record.job_id(), names(record.steps())), ("chain", vec!["echo", "measure"]));
    assert_eq!(record.steps()[1].result::<usize>().expect("it returned"), 4);
    assert!(record.job().ends_with("::add") && !record.is_fallback());

    let run = Scheduler::new().spawn(echo::job("four".to_owned()).and_then(measure::job)).expect("the input is fine");
    assert_eq!(run.wait().expect("nothing fails").outcome, Outcome::Ok(4));
}

#[test]
fn a_part_that_fails_ends_the_chain() {
    for (ending, status) in [(Ending::Fails, Status::Error), (Ending::Hangs, Status::Timeout)] {
        let first = number::job(1, ending).timeout(Duration::from_millis(200));
        let record = run(first.and_then(|n| add::job(n, 1)).and_then(|n| echo::job(n.to_string())));
        assert_eq!((record.status(), record.steps().len()), (status, 0), "{record:?}");
        assert!(record.job().ends_with("::number"));
    }
    let record = run(add::job(1, 1).and_then(|n| number::job(n, Ending::Panics)).and_then(|n| add::job(n, 1)));
    assert!(matches!(record.failure(), Some(Failure::Panicked(_))), "{record:?}");
    assert_eq!((names(record.steps()), record.is_fallback()), (vec!["add"], false));
}

#[test]
fn a_fallback_takes_the_place_of_a_result_that_failed() {
    let fails = || number::job(1, Ending::Fails);
    let value = run(fails().or_else(9));
    assert_eq!((value.result::<u32>().ok(), value.status()), (Some(9), Status::Ok));
    assert_eq!((names(value.steps()), value.is_fallback(), value.duration()), (vec!["number"], true, Duration::ZERO));
    assert_eq!(value.steps()[0].error().as_deref(), Some("returned an error: as requested"));
    let json = serde_json::to_value(&value).expect("it is written");
    assert_eq!((&json["fallback"], &json["result"]), (&true.into(), &9.into()));
    assert_eq!(json["steps"][0]["status"], "error");

    let call =
        run(number::job(1, Ending::Hangs).timeout(Duration::from_millis(200)).or_else(number::job(2, Ending::Returns)));
    assert_eq!((call.result::<u32>().ok(), call.is_fallback()), (Some(2), true));
    assert_eq!(call.steps()[0].status(), Status::Timeout);

    // One that isn't needed.
    let unused = run(number::job(1, Ending::Returns).or_else(9));
    assert_eq!((unused.result::<u32>().ok(), unused.is_fallback(), unused.steps().len()), (Some(1), false, 0));

    // For any part before it, and with parts after it.
    let late = run(fails().and_then(|n| add::job(n, 1)).or_else(5).and_then(|n| add::job(n, 1)));
    assert_eq!((late.result::<u32>().ok(), names(late.steps())), (Some(6), vec!["number"]));
    let early = run(fails().or_else(3).and_then(|n| add::job(n, 1)));
    assert_eq!((early.result::<u32>().ok(), early.is_fallback()), (Some(4), true));

    // The fallback may be a chain, and may fail itself.
    let chain = run(fails().or_else(fails().or_else(fails()).or_else(add::job(1, 1).and_then(|n| add::job(n, 1)))));
    assert_eq!((chain.result::<u32>().ok(), chain.steps().len()), (Some(3), 4));
    let none = run(fails().or_else(number::job(1, Ending::Panics)));
    assert!(matches!(none.failure(), Some(Failure::Panicked(_))), "{none:?}");
}

#[test]
fn a_function_that_gives_no_call_costs_this_chain_only() {
    let panics = add::job(1, 1).and_then(|_| -> Job<u32> { panic!("no call") });
    let records = Scheduler::new().run([("a", panics), ("b", add::job(1, 2))]).expect("nothing fails");
    let error = records[0].error().unwrap_or_default();
    assert_eq!(error, "never started: the function of `and_then` gave no call: it panicked: no call");
    assert_eq!(records[0].steps()[0].result::<u32>().ok(), Some(2));
    assert_eq!(records[1].result::<u32>().ok(), Some(3));
}

#[test]
fn a_fallback_takes_the_place_of_a_part_that_can_not_be_called() {
    let panics = || add::job(1, 1).and_then(|_| -> Job<u32> { panic!("no call") });
    let value = run(panics().or_else(9).and_then(|n| add::job(n, 1)));
    assert_eq!((value.result::<u32>().ok(), value.is_fallback()), (Some(10), true));
    let [first, broken] = value.steps() else { panic!("{value:?}") };
    assert_eq!(first.result::<u32>().ok(), Some(2));
    let expected = "never started: the function of `and_then` gave no call: it panicked: no call";
    assert_eq!(broken.error().as_deref(), Some(expected));
    let call = run(panics().or_else(add::job(2, 2)));
    assert_eq!((call.result::<u32>().ok(), call.is_fallback(), call.steps().len()), (Some(4), true, 2));
    // A call that the scheduler refuses can't be made, either.
    let refused = add::job(1, 1).and_then(|n| add::job(n, 1).timeout(Duration::ZERO)).or_else(7);
    let refused = run(refused);
    assert_eq!(refused.result::<u32>().ok(), Some(7));
    let error = refused.steps()[1].error().unwrap_or_default();
    assert!(error.starts_with("never started: invalid timeout"), "{error}");
}

#[test]
fn a_fallback_that_can_not_start_is_one() {
    let fallback = || number::job(2, Ending::Returns);
    let missing = scheduler::Input::File("/no/such/file".into());
    for fallback in [fallback().timeout(Duration::ZERO), fallback().group("none"), fallback().stdin(missing)] {
        let record = run(number::job(1, Ending::Fails).or_else(fallback));
        assert!(matches!(record.failure(), Some(Failure::NeverStarted { .. })), "{record:?}");
        assert_eq!((record.is_fallback(), record.steps().len()), (true, 1), "{record:?}");
    }
    // A part that can't start, and takes the place of nothing.
    let record = run(number::job(1, Ending::Returns).and_then(|n| add::job(n, 1).timeout(Duration::ZERO)));
    assert_eq!((record.is_fallback(), record.steps().len()), (false, 1), "{record:?}");
}

#[test]
fn a_timeout_within_a_chain_is_followed_up_whatever_comes_after_it() {
    let late = Mutex::new(Vec::new());
    let scheduler = Scheduler::new().timeout(Duration::from_millis(200));
    let scheduler = scheduler.on_timeout(|timed_out| late.lock().expect("no holder panics").push(timed_out.job()));
    let list = [("a", number::job(1, Ending::Hangs).or_else(2)), ("b", add::job(1, 1))];
    let records = scheduler.run(list).expect("nothing fails");
    assert_eq!((records[0].result::<u32>().ok(), records[1].result::<u32>().ok()), (Some(2), Some(2)));
    assert_eq!(*late.lock().expect("no holder panics"), [records[0].steps()[0].job()]);
}

#[test]
fn each_part_has_its_own_options_attempts_and_follow_up() {
    let next = |n| number::job(n, Ending::Fails).retries(1).or_else(8);
    let followed = scheduler_tests::followed::summarises::job;
    let first = number::job(1, Ending::Returns).follow_up(followed).follow_up_on([scheduler::Cause::Ok]);
    let record = run(first.and_then(next));
    assert_eq!((record.result::<u32>().ok(), names(record.steps())), (Some(8), vec!["number", "number"]));
    let [first, second] = record.steps() else { panic!("{record:?}") };
    assert_eq!((first.follow_ups().len(), second.follow_ups().len()), (1, 0));
    assert_eq!((first.attempts().len(), second.attempts().len()), (0, 2));
}

#[test]
fn a_chain_is_one_entry_and_its_next_part_comes_before_other_jobs() {
    #[derive(Default)]
    struct Order(Mutex<Vec<String>>);
    impl Observer for Order {
        fn attempt_ended(&self, it: &AttemptEnded<'_>) {
            let job = it.job.rsplit("::").next().unwrap_or_default();
            let number = it.attempt.number();
            self.0.lock().expect("no holder panics").push(format!("{} {job} {number}", it.job_id));
        }

        fn recorded(&self, it: &Recorded<'_>) {
            self.0.lock().expect("no holder panics").push(format!("{} over", it.job_id));
        }
    }
    let order = Arc::new(Order::default());
    let chain = number::job(1, Ending::Fails).retries(1).or_else(add::job(1, 1)).and_then(|n| add::job(n, 1));
    let list = jobs![("chain", { chain }), ("other", { fast::job().priority(9) }), ("last", fast)];
    let records = Scheduler::new().observer(Arc::clone(&order)).run(list).expect("nothing fails");
    assert_eq!(records.len(), 3);
    let expected = [
        "other fast 1",
        "other over",
        "chain number 1",
        "chain number 2",
        "chain add 3",
        "chain add 4",
        "chain over",
        "last fast 1",
        "last over",
    ];
    assert_eq!(*order.0.lock().expect("no holder panics"), expected);
}

#[test]
fn a_stopped_list_starts_no_further_part_and_keeps_what_there_is() {
    struct DrainsAtTheFirstEnd(CancelToken);
    impl Observer for DrainsAtTheFirstEnd {
        fn started(&self, _: &scheduler::observer::Started<'_>) {
            self.0.drain();
        }
    }
    #[job]
    fn waits_a_moment(ending: Ending) -> Result<u32, String> {
        // The list is drained as this begins; nothing is cancelled.
        assert!(!this_job::cancelled().wait_timeout(Duration::from_millis(300)));
        ending.come()?;
        Ok(1)
    }
    let drained = |chain: Job<u32>| {
        let token = CancelToken::new();
        let scheduler = Scheduler::new().cancel_token(&token).observer(DrainsAtTheFirstEnd(token.clone()));
        scheduler.run([("chain", chain)]).expect("nothing fails").remove(0)
    };
    let next = drained(waits_a_moment::job(Ending::Returns).and_then(|n| add::job(n, 1)));
    assert!(matches!(next.failure(), Some(Failure::Cancelled { begun: false, .. })), "{next:?}");
    assert_eq!((next.steps()[0].result::<u32>().ok(), next.job().ends_with("::add")), (Some(1), true));
    let call = drained(waits_a_moment::job(Ending::Fails).or_else(add::job(1, 1)));
    assert_eq!((call.error().as_deref(), call.is_fallback()), (Some("returned an error: as requested"), false));
    let value = drained(waits_a_moment::job(Ending::Fails).or_else(7));
    assert_eq!((value.result::<u32>().ok(), value.is_fallback()), (Some(7), true));
}

#[test]
fn a_cancelled_job_has_no_fallback() {
    let handle = Scheduler::new().spawn(number::job(1, Ending::Hangs).or_else(1)).expect("the input is fine");
    crate::wait_until("it runs", || handle.pid().is_some());
    handle.cancel();
    let run = handle.wait().expect("it is ours");
    assert!(matches!(run.outcome, Outcome::Error(Failure::Cancelled { .. })), "{run:?}");
    assert!(!run.is_fallback());
}

/// The value of another part can't be taken for one of the chain's own type.
#[test]
fn a_late_value_of_another_part_is_not_that_of_the_chain() {
    #[job(timeout = "50ms", grace = "60s")]
    fn returns_late() -> String {
        this_job::cancelled().wait();
        "late".to_owned()
    }
    let handle = Scheduler::new().spawn(returns_late::job().and_then(measure::job)).expect("the input is fine");
    let run = handle.wait().expect("it is ours");
    assert_eq!((run.status(), run.late_result(), run.late_failure()), (Status::Timeout, None, None));
    let record = run_late(returns_late::job().and_then(measure::job));
    assert_eq!(record.late_result::<String>().expect("it is that of the part"), "late");
}

fn run_late(call: Job<usize>) -> Record {
    Scheduler::new().run([("late", call)]).expect("nothing fails").remove(0)
}

/// Many at a time, each its own entry.
#[test]
fn chains_run_beside_each_other() {
    let list = (0..8).map(|n| (n.to_string(), add::job(n, 1).and_then(|n| add::job(n, 1)).or_else(0)));
    let records = Scheduler::new().concurrency(4).run(list).expect("nothing fails");
    let sums: Vec<_> = records.iter().map(|record| record.result::<u32>().expect("it returned")).collect();
    assert_eq!(sums, (2..10).collect::<Vec<_>>());
    let runs = Scheduler::new().concurrency(2).map(|n| add::job(n, 1).and_then(|n| add::job(n, 1)), 0..8);
    assert_eq!(runs.expect("nothing fails").pop().map(|run| run.outcome), Some(Outcome::Ok(9)));
    let hanging =
        Scheduler::new().timeout(Duration::from_millis(100)).run([("a", hangs::job().and_then(|()| fast::job()))]);
    assert_eq!(hanging.expect("nothing fails")[0].status(), Status::Timeout);
}
