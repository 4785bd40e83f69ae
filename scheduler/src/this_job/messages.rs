//! `Receive`: the messages of the job's handle; and the questions that the application answers.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::checkpoint::{decode_typed, encode_typed};
use crate::child::RunContext;
use crate::clock::Deadline;
use crate::error::Error;

/// Asks the application a question, waits for the answer, and returns it: that of the function for this type that the
/// [scheduler has](crate::Scheduler::on_ask).
///
/// The function takes the same type as the question, and a `String` where that is a `&str`. Functions for several types are kept
/// side by side.
///
/// The time of the job runs meanwhile, and a job that is stopped gets no answer. Any number of threads may ask.
///
/// # Errors
///
/// Fails with [`is_message`](Error::is_message)
///
/// - if the scheduler has no function for questions of this type, or the function panics,
/// - if the question or the answer can't be encoded, or takes more than 16 MiB,
/// - if the answer is not an `A`,
/// - outside of a job, and in a process that the job has forked.
///
/// # Examples
///
/// ```
/// use scheduler::{job, this_job, Outcome, Scheduler};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Lock(String);
///
/// #[job]
/// fn change(file: String) -> Result<bool, scheduler::Error> {
///     this_job::ask::<Lock, bool>(&Lock(file))
/// }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let scheduler = Scheduler::new().on_ask(|lock: Lock| lock.0 == "a.txt");
///     let run = scheduler.spawn(change::job("a.txt".into()))?.wait()?;
///     assert_eq!(run.outcome, Outcome::Ok(true));
///     Ok(())
/// }
/// ```
#[doc(alias = "request")]
#[doc(alias = "rpc")]
pub fn ask<Q: Serialize + ?Sized + 'static, A: DeserializeOwned + 'static>(question: &Q) -> Result<A, Error> {
    let refused = |problem: &str| Error::message(format_args!("a question has no answer: {problem}"));
    let Some(context) = RunContext::current() else {
        return Err(refused("this process is not a job's own"));
    };
    let (question, _) = encode_typed(question, context.encoding()).map_err(|problem| refused(&problem))?;
    let answer = context.ask(&question).map_err(|problem| refused(&problem))?;
    decode_typed(&answer).map_err(|problem| refused(&problem))
}

/// Returns a [`Receive`], which waits for the next message that the job's handle [sends](crate::Handle::send): on this thread
/// with [`wait`](Receive::wait) or [`wait_timeout`](Receive::wait_timeout), or as a future on any executor.
///
/// Several threads may receive; each message goes to one of them. The first wait starts a thread in the job's process, which
/// reads from the parent for all of them.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, this_job, Outcome, Scheduler};
///
/// /// Does its work, and pauses while it is asked to.
/// #[job(timeout = "60s")]
/// fn work(steps: u32) -> Result<u32, scheduler::Error> {
///     let mut paused = false;
///     let mut done = 0;
///     while done < steps {
///         // While it pauses there is nothing to do but to wait.
///         let patience = if paused { Duration::from_secs(60) } else { Duration::ZERO };
///         if let Some(pauses) = this_job::receive::<bool>().wait_timeout(patience)? {
///             paused = pauses;
///         } else {
///             done += 1;
///         }
///     }
///     Ok(done)
/// }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let handle = Scheduler::new().spawn(work::job(1000))?;
///     handle.send(&true)?;
///     handle.send(&false)?;
///     assert_eq!(handle.wait()?.outcome, Outcome::Ok(1000));
///     Ok(())
/// }
/// ```
pub fn receive<T: DeserializeOwned>() -> Receive<T> {
    Receive { key: None, message: PhantomData }
}

/// Waits for a message of the job's handle: see [`receive`].
///
/// Outside of a job, and in a process that the job has forked, there is none.
#[derive(Debug)]
#[must_use = "it does nothing until it is awaited, or `wait` is called"]
pub struct Receive<T> {
    /// The key of the waiting task, from one poll to the next.
    key: Option<usize>,
    message: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Receive<T> {
    /// Blocks this thread until a message arrives. Returns `None` once none is left and the job was asked to stop or the
    /// parent is gone.
    ///
    /// # Errors
    ///
    /// Fails with [`is_message`](Error::is_message) if the message is not a `T`. It is received, and lost.
    pub fn wait(self) -> Result<Option<T>, Error> {
        received(RunContext::current().and_then(|context| context.receiver().wait_for_message(Deadline::NEVER)))
    }

    /// Blocks this thread until a message arrives, for at most `timeout`. Returns `None` if none has arrived by then, and as
    /// [`wait`](Self::wait) does. With `Duration::ZERO` it doesn't wait.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(self, timeout: Duration) -> Result<Option<T>, Error> {
        received(
            RunContext::current().and_then(|context| context.receiver().wait_for_message(Deadline::after(timeout))),
        )
    }
}

/// Reports that a message is received, and decodes it.
fn received<T: DeserializeOwned>(message: Option<Vec<u8>>) -> Result<Option<T>, Error> {
    let Some(message) = message else {
        return Ok(None);
    };
    if let Some(context) = RunContext::current() {
        context.confirm_message();
    }
    let decoded = decode_typed(&message).map(Some);
    decoded.map_err(|problem| Error::message(format_args!("a message can't be received: {problem}")))
}

impl<T: DeserializeOwned> Future for Receive<T> {
    type Output = Result<Option<T>, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(run) = RunContext::current() else {
            return Poll::Ready(Ok(None));
        };
        run.receiver().poll_message(&mut self.key, context).map(received)
    }
}

impl<T> Drop for Receive<T> {
    fn drop(&mut self) {
        if let (Some(key), Some(context)) = (self.key, RunContext::current()) {
            context.receiver().forget(key);
        }
    }
}
