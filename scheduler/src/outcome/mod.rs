//! `Outcome`: how a run ended.

mod attempt;
mod captured;
mod cause;
mod exit_code;
mod failure;
mod failure_kind;
mod overrun_kind;
mod panic;
mod process_reuse;
mod snapshot;
mod status;
mod sweep;
mod usage;

pub use attempt::Attempt;
pub use captured::{Captured, Piece, StandardStream};
pub(crate) use failure::Late;
pub use failure::{Failure, Overrun};
pub use overrun_kind::OverrunKind;
pub use panic::{Location, Panic};
pub use process_reuse::ProcessReuse;
pub(crate) use snapshot::{AddressKind, CodeModule};
pub use snapshot::{Incomplete, ProcessSnapshot, StackFrame, SystemCall, ThreadSnapshot, ThreadState};
pub use status::{ParseStatusError, Status};
pub use sweep::{Sweep, SweptBy};
pub(crate) use usage::Exit;
pub use usage::Usage;

/// How a run ended.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, run_job_with_timeout, Outcome};
///
/// #[job]
/// fn spin() -> u64 {
///     (0..u64::MAX).fold(0, |sum, n| std::hint::black_box(sum ^ n))
/// }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let run = run_job_with_timeout(spin::job(), Duration::from_millis(50))?;
///     match run.outcome {
///         Outcome::Timeout(overrun) => assert_eq!(overrun.limit(), Duration::from_millis(50)),
///         other => panic!("{other:?}"),
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome<T> {
    /// The function returned this value.
    #[doc(alias = "success")]
    Ok(T),
    /// The function gave no value, for this reason.
    Error(Failure),
    /// The function was still running at its deadline, or at another [limit](Overrun::kind) on its time. It was killed or, if
    /// it has a grace period, asked to stop first.
    #[doc(alias = "elapsed")]
    #[doc(alias = "deadline")]
    Timeout(Overrun<T>),
}

impl<T> Outcome<T> {
    /// Returns the kind of the outcome, without its data.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Ok(_) => Status::Ok,
            Self::Error(_) => Status::Error,
            Self::Timeout(_) => Status::Timeout,
        }
    }

    /// Returns the value if the function returned one in time, as [`Result::ok`] does.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduler::{job, run_job_with_timeout};
    ///
    /// #[job]
    /// fn answer() -> i32 { 42 }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let run = run_job_with_timeout(answer::job(), Duration::from_secs(10))?;
    ///     assert_eq!(run.outcome.ok(), Some(42));
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn ok(self) -> Option<T> {
        if let Self::Ok(value) = self { Some(value) } else { None }
    }

    /// Returns the value, or why there is none, so that `?` passes it on.
    ///
    /// A timeout becomes [`Failure::Timeout`], which has the limit and what the function did in its grace period, but not the value
    /// that it may have returned there: match on [`Outcome::Timeout`] for that.
    ///
    /// # Errors
    ///
    /// Fails with the [`Failure`] of a run whose status is not [`Ok`](Status::Ok).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::error::Error;
    /// use std::time::Duration;
    /// use scheduler::{job, run_job_with_timeout, Failure};
    ///
    /// #[job]
    /// fn halve(n: u32) -> u32 { n / 2 }
    ///
    /// #[job(timeout = "50ms")]
    /// fn hang() -> u32 { loop { std::thread::park() } }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), Box<dyn Error>> {
    ///     let half = run_job_with_timeout(halve::job(8), Duration::from_secs(10))?.outcome.into_result()?;
    ///     assert_eq!(half, 4);
    ///
    ///     let failure = run_job_with_timeout(hang::job(), Duration::from_secs(10))?.outcome.into_result().unwrap_err();
    ///     assert!(matches!(failure, Failure::Timeout(_)));
    ///     assert_eq!(failure.to_string(), "stopped at its timeout of 50ms");
    ///     Ok(())
    /// }
    /// ```
    pub fn into_result(self) -> Result<T, Failure> {
        match self {
            Self::Ok(value) => Ok(value),
            Self::Error(failure) => Err(failure),
            Self::Timeout(overrun) => Err(Failure::Timeout(overrun.without_value())),
        }
    }

    /// Returns the reason for the status [`Error`](Status::Error), and `None` for every other status.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        if let Self::Error(failure) = self { Some(failure) } else { None }
    }

    /// Returns one line with the reason why there is no value, and `None` if there is one.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        match self {
            Self::Ok(_) => None,
            Self::Error(failure) => Some(failure.to_string()),
            Self::Timeout(overrun) => Some(overrun.to_string()),
        }
    }

    /// Returns the details of a timeout.
    pub(crate) fn overrun(&self) -> Option<&Overrun<T>> {
        if let Self::Timeout(overrun) = self { Some(overrun) } else { None }
    }

    /// Returns the same with a reference to the value.
    pub(crate) fn borrowed(&self) -> Outcome<&T> {
        match self {
            Self::Ok(value) => Outcome::Ok(value),
            Self::Error(failure) => Outcome::Error(failure.clone()),
            Self::Timeout(overrun) => Outcome::Timeout(overrun.borrowed()),
        }
    }

    /// Returns the same, without a value from the grace period.
    pub(crate) fn without_late_value(self) -> Self {
        if let Self::Timeout(overrun) = self { Self::Timeout(overrun.without_late_value()) } else { self }
    }

    /// Returns the same without the value.
    pub(crate) fn without_value(&self) -> Outcome<()> {
        self.borrowed().and_then(|_| Ok(()))
    }

    /// Converts the value, in time or late.
    pub(crate) fn and_then<U>(self, convert: impl FnOnce(T) -> Result<U, Failure>) -> Outcome<U> {
        match self {
            Self::Ok(value) => convert(value).map_or_else(Outcome::Error, Outcome::Ok),
            Self::Error(failure) => Outcome::Error(failure),
            Self::Timeout(overrun) => Outcome::Timeout(overrun.and_then(convert)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn outcomes() -> [Outcome<u8>; 3] {
        let late = Some(Late::Value(7));
        let overrun = Overrun::new(Duration::from_secs(1), Duration::from_secs(2), late);
        [Outcome::Ok(7), Outcome::Error(Failure::Exited { code: 3 }), Outcome::Timeout(overrun)]
    }

    #[test]
    fn only_a_value_that_came_in_time_is_ok() {
        assert_eq!(outcomes().map(Outcome::ok), [Some(7), None, None]);
        let [ok, error, timeout] = outcomes().map(Outcome::into_result);
        assert_eq!((ok, error), (Ok(7), Err(Failure::Exited { code: 3 })));
        let Err(Failure::Timeout(overrun)) = timeout else { panic!("{timeout:?}") };
        assert_eq!((overrun.limit(), overrun.value()), (Duration::from_secs(1), Some(&())));
    }

    #[test]
    fn every_outcome_but_a_value_has_an_error_and_only_an_error_has_a_failure() {
        assert_eq!(outcomes().map(|outcome| outcome.failure().is_some()), [false, true, false]);
        let results = outcomes().map(Outcome::into_result);
        let errors = results.map(|result| result.err().map(|failure| failure.to_string()));
        assert_eq!(outcomes().map(|outcome| outcome.error()), errors);
    }
}
