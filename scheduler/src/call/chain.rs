//! `Chain`: the parts of a call that follow its job, after its success (`and_then`) or its failure (`or_else`).

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use crate::call::{AnyJob, Job};
use crate::outcome::{Failure, Outcome};
use crate::panic_guard::guarded;
use crate::record::Continuation;
use crate::result_codec::{ErasedCodec, JobResult, result_codec};
use crate::wire::value::{self, Encoding};

/// The steps that were not taken yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chain(VecDeque<ChainStep>);

#[derive(Clone)]
enum ChainStep {
    AndThen(NextCall),
    OrElse(FallbackStep),
}

/// Returns the call for an encoded result, or the reason why there is none.
type NextCall = Arc<dyn Fn(&[u8]) -> Result<AnyJob, String> + Send + Sync>;

/// What takes the place of a result that failed.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct FallbackStep(FallbackKind);

#[derive(Clone, Debug)]
enum FallbackKind {
    Call(Box<AnyJob>),
    Value { bytes: Result<Arc<Vec<u8>>, String>, codec: ErasedCodec },
}

/// What follows a part of a chain.
#[derive(Debug)]
pub(crate) enum ChainNext {
    /// This call, for the value of the part.
    Call(AnyJob),
    /// This call, as the part failed.
    Fallback(AnyJob),
    /// This value, as the part failed.
    Value { bytes: Vec<u8>, codec: ErasedCodec },
    /// A part that can't be called, for this reason.
    Broken {
        reason: String,
        /// It was to take the place of a result that failed.
        is_fallback: bool,
    },
    /// Nothing: the record is that of this part.
    End {
        /// The part's result would not be that of the chain.
        is_partial: bool,
    },
}

impl Chain {
    /// Removes the steps up to the one that follows a part with this outcome, and returns that.
    pub(crate) fn advance(&mut self, outcome: &Outcome<Vec<u8>>) -> ChainNext {
        let is_cancelled = matches!(outcome, Outcome::Error(Failure::Cancelled { .. }));
        let mut is_partial = false;
        while let Some(step) = self.0.pop_front() {
            match (step, outcome) {
                (ChainStep::AndThen(next), Outcome::Ok(bytes)) => {
                    return match call(&next, bytes) {
                        Ok(call) => ChainNext::Call(self.prepend(call)),
                        Err(reason) => ChainNext::Broken { reason, is_fallback: false },
                    };
                }
                (ChainStep::AndThen(_), _) => is_partial = true,
                (ChainStep::OrElse(_), Outcome::Ok(_)) => {}
                // A job that is not wanted any more needs no other result.
                (ChainStep::OrElse(_), _) if is_cancelled => {}
                (ChainStep::OrElse(FallbackStep(FallbackKind::Call(call))), _) => {
                    return ChainNext::Fallback(self.prepend(*call));
                }
                (ChainStep::OrElse(FallbackStep(FallbackKind::Value { bytes, codec })), _) => {
                    return match bytes {
                        Ok(bytes) => self.advance_with(&bytes, codec),
                        Err(problem) => ChainNext::Broken {
                            reason: format!("the value of `or_else` could not be serialized: {problem}"),
                            is_fallback: true,
                        },
                    };
                }
            }
        }
        ChainNext::End { is_partial }
    }

    /// Returns what follows a part with this outcome, without making a call.
    pub(crate) fn continuation(&self, outcome: &Outcome<Vec<u8>>) -> Continuation {
        if matches!(outcome, Outcome::Error(Failure::Cancelled { .. })) {
            return Continuation::End;
        }
        let is_ok = matches!(outcome, Outcome::Ok(_));
        let is_call = |step: &ChainStep| matches!(step, ChainStep::AndThen(_));
        match self.0.iter().position(|step| is_call(step) == is_ok) {
            None => Continuation::End,
            Some(index) => match &self.0[index] {
                ChainStep::OrElse(FallbackStep(FallbackKind::Value { bytes: Ok(_), .. }))
                    if !self.0.range(index..).any(is_call) =>
                {
                    Continuation::Value
                }
                _ => Continuation::Part,
            },
        }
    }

    /// Removes the steps up to the one that follows the value of a fallback, and returns that.
    fn advance_with(&mut self, bytes: &[u8], codec: ErasedCodec) -> ChainNext {
        while let Some(step) = self.0.pop_front() {
            if let ChainStep::AndThen(next) = step {
                return match call(&next, bytes) {
                    Ok(call) => ChainNext::Fallback(self.prepend(call)),
                    Err(reason) => ChainNext::Broken { reason, is_fallback: true },
                };
            }
        }
        ChainNext::Value { bytes: bytes.to_vec(), codec }
    }

    /// Returns the call without its own steps, which come before those that are left.
    fn prepend(&mut self, mut call: AnyJob) -> AnyJob {
        if let Some(mut own) = call.chain.take() {
            own.0.append(&mut self.0);
            self.0 = own.0;
        }
        call
    }
}

/// Returns the call for a result, or the reason why there is none.
fn call(next: &NextCall, bytes: &[u8]) -> Result<AnyJob, String> {
    let called = guarded(|| next(bytes)).unwrap_or_else(|panic| Err(panic.to_string()));
    called.map_err(|problem| format!("the function of `and_then` gave no call: {problem}"))
}

impl AnyJob {
    fn push_step(&mut self, step: ChainStep) {
        self.chain.get_or_insert_default().0.push_back(step);
    }
}

/// What can take the place of a result that failed: a call with the same result type, or a value of it. For
/// [`Job::or_else`].
///
/// This trait is sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't take the place of a `{T}`",
    label = "expected a `{T}` or a `Job<{T}>`, found `{Self}`",
    note = "the fallback of a job is a value of the job's own result type, or the call of a job with that result type: \
            `f::job(1)`, not `f(1)`"
)]
pub trait Fallback<T> {
    #[doc(hidden)]
    fn into_step(self) -> FallbackStep;
}

impl<T> Fallback<T> for Job<T> {
    fn into_step(self) -> FallbackStep {
        FallbackStep(FallbackKind::Call(Box::new(self.call)))
    }
}

#[diagnostic::do_not_recommend]
impl<T: JobResult> Fallback<T> for T {
    fn into_step(self) -> FallbackStep {
        let bytes = value::encode(&self, Encoding::default()).map(Arc::new).map_err(|error| error.to_string());
        FallbackStep(FallbackKind::Value { bytes, codec: result_codec::<T>().erased() })
    }
}

/// # Chains
///
/// A chain is one call, and one entry of a list. Its parts run one after the other, each in a process of its own with its own limits
/// and retries, and with its own [follow-up](macro@crate::job#follow_up). Options that are set on a chain are those of its first job;
/// set those of another part where its call is made.
///
/// The record is that of the last part that ran. [`Record::steps`](crate::Record::steps) has those before it, and
/// [`Record::is_fallback`](crate::Record::is_fallback) marks a result that took the place of one that failed. The next part starts
/// before the other jobs that wait. Once nothing more may start (the list was stopped or cancelled), `and_then` is recorded as
/// cancelled, and of an `or_else` with a call the failure before it stands; a value needs no start and is taken even then.
impl<T: 'static> Job<T> {
    /// Runs another job with the result of this one, if it succeeds.
    ///
    /// `next` makes the call from the result: a job's `job` function, or a closure. It runs in this process, on the thread that
    /// supervises the jobs, so it should only make the call. If it panics, the record has [`Failure::NeverStarted`]. If the first job
    /// fails or times out, its record is that of the chain. In both cases an [`or_else`](Self::or_else) after it applies.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduler::{job, jobs, Scheduler};
    ///
    /// #[job]
    /// fn load(n: u32) -> Vec<u32> { (1..=n).collect() }
    ///
    /// #[job]
    /// fn sum(numbers: Vec<u32>) -> u32 { numbers.iter().sum() }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let chain = load::job(4).and_then(|numbers| sum::job(numbers).timeout(Duration::from_secs(5)));
    ///     let records = Scheduler::new().run([("a", chain)])?;
    ///     assert_eq!(records[0].result::<u32>()?, 10);
    ///     assert_eq!(records[0].steps()[0].result::<Vec<u32>>()?, [1, 2, 3, 4]);
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "chain")]
    #[doc(alias = "then")]
    #[doc(alias = "pipeline")]
    pub fn and_then<U: JobResult>(mut self, next: impl Fn(T) -> Job<U> + Send + Sync + 'static) -> Job<U> {
        let decode = self.decode;
        self.call.push_step(ChainStep::AndThen(Arc::new(move |bytes| {
            let value = decode(bytes).map_err(|error| format!("the result before it can't be read back: {error}"))?;
            Ok(next(value).call)
        })));
        Job { call: self.call, decode: value::decode::<U> }
    }

    /// Sets what takes the place of this job's result if it fails or times out, after its last attempt: a value, or the call of
    /// another job with the same result type.
    ///
    /// A job that was cancelled gets none. With a value the record's status is `ok`, its duration zero, and its job the one that
    /// failed.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, Scheduler, Status};
    ///
    /// #[job(timeout = "100ms")]
    /// fn ask(server: String) -> u32 {
    ///     if server == "near" { 7 } else { loop { std::thread::park() } }
    /// }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let records = Scheduler::new().run([
    ///         ("another job", ask::job("far".into()).or_else(ask::job("near".into()).timeout(std::time::Duration::MAX))),
    ///         ("a value", ask::job("far".into()).or_else(0)),
    ///     ])?;
    ///     assert_eq!((records[0].result::<u32>()?, records[1].result::<u32>()?), (7, 0));
    ///     assert!(records[1].is_fallback() && records[1].steps()[0].status() == Status::Timeout);
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "fallback")]
    #[doc(alias = "default")]
    #[doc(alias = "unwrap_or")]
    pub fn or_else(mut self, fallback: impl Fallback<T>) -> Self {
        self.call.push_step(ChainStep::OrElse(fallback.into_step()));
        self
    }
}

impl fmt::Debug for ChainStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AndThen(_) => f.write_str("and_then"),
            Self::OrElse(FallbackStep(kind)) => f.debug_tuple("or_else").field(kind).finish(),
        }
    }
}
