//! Messages from a handle to its running job, and questions of a job that the application answers.

use std::fs;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use scheduler::{Error, Handle, Observer, Outcome, Scheduler, Status, job, jobs, observer, this_job};
use scheduler_tests::jobs::{fast, hangs};
use scheduler_tests::wait_until::wait_until;

use crate::{METHODS, PLENTY, at_once};

/// How a job receives.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
enum Reception {
    Waits,
    Asks,
    Awaits,
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

impl Reception {
    fn receive(self) -> Result<Option<String>, Error> {
        match self {
            Self::Waits => this_job::receive().wait(),
            Self::Asks => loop {
                let received = this_job::receive().wait_timeout(Duration::from_millis(1))?;
                if received.is_some() || this_job::is_cancelled() {
                    return Ok(received);
                }
            },
            Self::Awaits => {
                // One that is given up loses nothing.
                let mut given_up = Box::pin(this_job::receive::<String>());
                if let Poll::Ready(received) = given_up.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    return received;
                }
                drop(given_up);
                block_on(this_job::receive())
            }
        }
    }
}

/// Joins what it receives, until it receives an empty text or is asked to stop.
#[job(grace = "60s")]
fn joins(reception: Reception) -> Result<String, Error> {
    let mut all = String::new();
    while let Some(text) = reception.receive()?.filter(|text| !text.is_empty()) {
        all += &text;
    }
    Ok(all)
}

#[test]
fn a_job_receives_what_its_handle_sends_in_order() {
    at_once(METHODS, |method| {
        let scheduler = Scheduler::new().start_method(method);
        for reception in [Reception::Waits, Reception::Asks, Reception::Awaits] {
            let handle = scheduler.spawn(joins::job(reception)).expect("the input is fine");
            for number in 0..100 {
                handle.send(&number.to_string()).expect("it runs, or is queued");
            }
            handle.send(&"x".repeat(1 << 20)).expect("it runs");
            handle.send(&String::new()).expect("it runs");
            let expected = (0..100).map(|number| number.to_string()).collect::<String>() + &"x".repeat(1 << 20);
            let outcome = handle.wait().expect("the input is fine").outcome;
            assert!(outcome == Outcome::Ok(expected), "{reception:?} {method:?}");
        }
    });
}

#[test]
fn a_job_that_is_asked_to_stop_waits_for_no_further_message() {
    for reception in [Reception::Waits, Reception::Asks, Reception::Awaits] {
        let handle = Scheduler::new().spawn(joins::job(reception)).expect("the input is fine");
        handle.send("first").expect("it runs, or is queued");
        wait_until("the job runs", || handle.pid().is_some());
        handle.cancel();
        let run = handle.wait().expect("the input is fine");
        let late = run.late_result().map(String::as_str);
        assert!(late == Some("first") || (late.is_none() && run.failure().is_some()), "{reception:?} {run:?}");
    }
}

#[test]
fn messages_that_nobody_receives_are_refused() {
    let handle = Scheduler::new().spawn(hangs::job()).expect("the input is fine");
    let refused = (0..1_000_000).find_map(|number: u32| Some((number, handle.send(&number).err()?)));
    let (number, error) = refused.expect("not a million are kept");
    assert!(number == 1024 && error.is_message(), "{number} {error}");
    let text = error.to_string();
    assert!(
        text.ends_with("too many wait; it can leave up to 1024 messages, of 16777216 bytes together, unreceived"),
        "{text}"
    );
    let error = handle.send(&"x".repeat(17 << 20)).expect_err("it is too long").to_string();
    assert!(error.ends_with("write it to a file, and send the path"), "{error}");
}

#[test]
fn a_job_that_has_finished_is_sent_nothing() {
    let handle = Scheduler::new().spawn(joins::job(Reception::Waits)).expect("the input is fine");
    handle.send(&String::new()).expect("it runs, or is queued");
    wait_until("the job has finished", || handle.try_wait().expect("the input is fine").is_some());
    let error = handle.send(&"late".to_owned()).expect_err("it has finished");
    assert!(error.is_message() && error.to_string().ends_with("was sent no message: it has finished"), "{error}");
}

/// Receives a number, whatever comes, and then a text.
#[job]
fn expects_a_number() -> (String, Option<String>) {
    let error = this_job::receive::<u64>().wait().expect_err("it is another type");
    assert!(error.is_message());
    (error.to_string(), this_job::receive::<String>().wait().expect("it is a text"))
}

#[test]
fn a_message_of_another_type_is_an_error_and_the_next_one_is_received() {
    let handle = Scheduler::new().spawn(expects_a_number::job()).expect("the input is fine");
    // Its bytes would decode.
    handle.send(&7_u32).expect("it runs, or is queued");
    handle.send(&"next".to_owned()).expect("it runs, or is queued");
    let (error, next) = handle.wait().expect("the input is fine").outcome.ok().expect("it returned");
    assert_eq!(error, "a message can't be received: it is of type `u32`, not `u64`");
    assert_eq!(next.as_deref(), Some("next"));
}

/// Receives one message for each attempt, and fails at the first.
#[job(retries = 1)]
fn fails_after_a_message() -> Result<u32, String> {
    let received = this_job::receive::<u32>().wait().map_err(|error| error.to_string())?;
    if this_job::attempt() == 1 { Err("once more".to_owned()) } else { received.ok_or_else(|| "none".to_owned()) }
}

#[test]
fn the_next_attempt_receives_what_the_first_has_not() {
    let handle = Scheduler::new().spawn(fails_after_a_message::job()).expect("the input is fine");
    for number in 1..=3_u32 {
        handle.send(&number).expect("it runs, or is queued");
    }
    assert_eq!(handle.wait().expect("the input is fine").outcome, Outcome::Ok(2));
}

/// Waits a moment for a message.
#[job]
fn waits_in_vain() -> (bool, u128) {
    let clock = Instant::now();
    let received = this_job::receive::<u8>().wait_timeout(Duration::from_millis(100)).expect("there is none");
    (received.is_none(), clock.elapsed().as_millis())
}

#[test]
fn a_wait_with_a_limit_ends() {
    let run = scheduler::run_job_with_timeout(waits_in_vain::job(), PLENTY).expect("the input is fine");
    let (is_none, millis) = run.outcome.ok().expect("it returned");
    assert!(is_none && millis >= 100, "{millis}");
    assert_eq!(this_job::receive::<u8>().wait().expect("it is no job"), None);
}

/// Asks for the squares of numbers, from several threads.
#[job]
fn asks_for_squares(threads: u64) -> Vec<u64> {
    thread::scope(|scope| {
        let asked: Vec<_> = (0..threads)
            .map(|number| scope.spawn(move || this_job::ask::<u64, u64>(&number).expect("it is answered")))
            .collect();
        asked.into_iter().map(|thread| thread.join().expect("it is answered")).collect()
    })
}

/// Asks for something, and returns the error.
#[job]
fn asks_in_vain(text: String) -> String {
    let answer = this_job::ask::<String, u64>(&text);
    answer.expect_err("there is no such answer").to_string()
}

#[test]
fn a_question_is_answered_by_the_application() {
    at_once(METHODS, |method| {
        let me = std::process::id();
        let scheduler = Scheduler::new().start_method(method).timeout(PLENTY).on_ask(move |number: u64| {
            assert_eq!(std::process::id(), me);
            number * number
        });
        let squares: Vec<_> = (0..20).map(|number: u64| number * number).collect();
        let records = scheduler.run(jobs![("a", asks_for_squares(20))]).expect("the input is fine");
        assert_eq!(records[0].result::<Vec<u64>>().expect("it returned"), squares);
        let run = scheduler.spawn(asks_for_squares::job(20)).and_then(|handle| handle.wait());
        assert_eq!(run.expect("the input is fine").outcome, Outcome::Ok(squares));
    });
}

#[test]
fn a_question_without_an_answer_is_an_error() {
    let asked = |scheduler: Scheduler, text: &str| {
        let records = scheduler.run(jobs![("a", asks_in_vain(text.to_owned()))]).expect("the input is fine");
        records[0].result::<String>().expect("it returned")
    };
    let nothing = "a question has no answer: nothing answers questions here; set a function by `Scheduler::on_ask`";
    assert_eq!(asked(Scheduler::new(), ""), nothing);
    let spawned = Scheduler::new().spawn(asks_in_vain::job(String::new())).and_then(|handle| handle.wait());
    assert_eq!(spawned.expect("the input is fine").outcome, Outcome::Ok(nothing.to_owned()));
    let of_numbers = asked(Scheduler::new().on_ask(|number: u8| number), "");
    assert!(of_numbers.contains("nothing answers a question of type `alloc::string::String`"), "{of_numbers}");
    let answers = || {
        Scheduler::new().on_ask(|text: String| {
            assert!(text != "panic", "no idea");
            text
        })
    };
    assert_eq!(
        asked(answers(), "panic"),
        "a question has no answer: the function that answers failed: it panicked: no idea"
    );
    let of_another_type = asked(answers(), "text");
    assert!(of_another_type.contains("it is of type `alloc::string::String`, not `u64`"), "{of_another_type}");
    let long = asked(answers(), &"x".repeat(17 << 20));
    assert!(long.contains("over the limit of 16777216"), "{long}");
    assert!(this_job::ask::<u8, u8>(&1).expect_err("it is no job").is_message());
}

/// Asks as many long questions as there are threads, says that one was refused, and returns why.
#[job]
fn asks_too_much(threads: usize, refused: PathBuf) -> String {
    let (sender, errors) = mpsc::channel();
    for _ in 0..threads {
        let sender = sender.clone();
        thread::spawn(move || {
            let answer = this_job::ask::<String, u64>(&"x".repeat(12 << 20));
            // Another one may have been first.
            let _ = answer.map_err(|error| sender.send(error.to_string()));
        });
    }
    let error = errors.recv().expect("a thread is left");
    fs::write(refused, "").expect("the folder is the test's");
    error
}

#[test]
fn questions_that_wait_for_their_answers_are_bounded() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let refused = folder.path().join("refused");
    let waited_for = refused.clone();
    let scheduler = Scheduler::new().timeout(PLENTY).on_ask(move |question: String| {
        wait_until("a question was refused", || waited_for.exists());
        question.len() as u64
    });
    let records = scheduler.run(jobs![("a", asks_too_much(3, refused))]).expect("the input is fine");
    let error = records[0].result::<String>().expect("it returned");
    let expected = "a question has no answer: too many questions of this job wait for their answers; ask fewer, or shorter \
                    ones, at a time";
    assert_eq!(error, expected);
}

/// Returns a scheduler whose answer is begun and not returned before it is released.
fn answering_slowly() -> (Scheduler, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (asked, has_asked) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let released = Mutex::new(released);
    let scheduler = Scheduler::new().concurrency(2).timeout(PLENTY).on_ask(move |number: u64| {
        asked.send(()).expect("the test waits");
        // If the test has returned, the answer is of no use.
        let _ = released.lock().expect("one answer at a time").recv();
        number * number
    });
    (scheduler, has_asked, release)
}

#[test]
fn an_answer_that_takes_long_delays_no_other_job() {
    let (scheduler, has_asked, release) = answering_slowly();
    let asks = scheduler.spawn(asks_for_squares::job(1)).expect("the input is fine");
    has_asked.recv_timeout(PLENTY).expect("it asks");
    let other = scheduler.spawn(fast::job()).and_then(|handle| handle.wait_timeout(PLENTY).map(|run| run.is_some()));
    assert!(other.expect("it can be waited for"));
    assert!(asks.try_wait().expect("it runs").is_none());
    release.send(()).expect("the answer waits");
    assert_eq!(asks.wait().expect("it has an answer").outcome, Outcome::Ok(vec![0]));
}

#[test]
fn an_answer_that_never_comes_holds_up_no_timeout() {
    let (scheduler, has_asked, _release) = answering_slowly();
    let job = || asks_for_squares::job(1).timeout(Duration::from_secs(1));
    let run = scheduler.spawn(job()).and_then(|handle| handle.wait()).expect("it has a record");
    assert_eq!(run.status(), Status::Timeout);
    has_asked.recv_timeout(PLENTY).expect("it has asked");
    // Its question is answered by a thread of the list.
    let records = scheduler.run([("a", job())]).expect("the input is fine");
    assert_eq!(records[0].status(), Status::Timeout);
}

#[test]
fn an_answer_may_wait_for_a_job_and_an_observer_may_not() {
    struct Waits(Arc<OnceLock<Handle<()>>>, mpsc::Sender<String>);

    impl Observer for Waits {
        fn recorded(&self, _: &observer::Recorded<'_>) {
            let waited = self.0.get().expect("it was spawned").wait().map(drop).map_err(|error| error.to_string());
            self.1.send(waited.expect_err("it can't wait for itself")).expect("the test waits");
        }
    }

    let slot = Arc::<OnceLock<Handle<i32>>>::default();
    let awaited = Arc::clone(&slot);
    let scheduler = Scheduler::new().concurrency(2).timeout(PLENTY).on_ask(move |number: u64| {
        awaited.get().expect("it was spawned").wait().expect("it succeeds");
        number
    });
    slot.set(scheduler.spawn(fast::job()).expect("the input is fine")).expect("it is empty");
    let run = scheduler.spawn(asks_for_squares::job(1)).and_then(|handle| handle.wait());
    assert_eq!(run.expect("it is answered").outcome, Outcome::Ok(vec![0]));

    let slot = Arc::<OnceLock<Handle<()>>>::default();
    let (sender, receiver) = mpsc::channel();
    let scheduler = Scheduler::new().concurrency(2).timeout(PLENTY).observer(Waits(Arc::clone(&slot), sender));
    slot.set(scheduler.spawn_as("hangs", hangs::job()).expect("the input is fine")).expect("it is empty");
    scheduler.spawn(fast::job()).and_then(|handle| handle.wait()).expect("it has a record");
    let expected = "`hangs` can't be waited for in an observer or a follow-up of its scheduler: the thread that calls these completes \
        the handles of its jobs, and would wait for itself; use `Handle::try_wait`, or wait in another thread";
    assert_eq!(receiver.recv_timeout(PLENTY).expect("it is recorded"), expected);
    let hangs = slot.get().expect("it was spawned");
    assert!(hangs.try_wait().expect("it runs").is_none());
    hangs.kill();
    // The observer is called for it as well, and may not wait either.
    assert_eq!(hangs.wait().expect("it has a record").status(), Status::Error);
}
