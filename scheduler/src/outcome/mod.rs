//! `Outcome` and `Status`: how a run ended, in full and in one word.

mod attempt;
mod captured;
mod failure;
mod usage;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use attempt::Attempt;
pub use captured::{Captured, Piece, StandardStream};
pub use failure::{Failure, Location, Panic};
pub(crate) use usage::Exit;
pub use usage::{Sweep, SweptBy, Usage};

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
    Ok(T),
    /// The function gave no value, for the reason told.
    Error(Failure),
    /// The function was still running at its deadline. It was killed, or asked to end where it has a grace period.
    Timeout(Overrun<T>),
}

impl<T> Outcome<T> {
    /// Returns the outcome in one word.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Ok(_) => Status::Ok,
            Self::Error(_) => Status::Error,
            Self::Timeout(_) => Status::Timeout,
        }
    }

    /// Returns the death certificate of what failed.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Error(failure) => Some(failure),
            _ => None,
        }
    }

    /// Returns one line that says why there is no value, if there is none.
    pub(crate) fn error(&self) -> Option<String> {
        match self {
            Self::Ok(_) => None,
            Self::Error(failure) => Some(failure.to_string()),
            Self::Timeout(overrun) => Some(overrun.to_string()),
        }
    }

    /// Returns what timed out.
    pub(crate) fn overrun(&self) -> Option<&Overrun<T>> {
        if let Self::Timeout(overrun) = self { Some(overrun) } else { None }
    }

    /// Turns the value into another one, or into the failure to do so.
    pub(crate) fn and_then<U>(self, turn: impl FnOnce(T) -> Result<U, Failure>) -> Outcome<U> {
        match self {
            Self::Ok(value) => turn(value).map_or_else(Outcome::Error, Outcome::Ok),
            Self::Error(failure) => Outcome::Error(failure),
            Self::Timeout(overrun) => Outcome::Timeout(overrun.and_then(turn)),
        }
    }
}

/// A run whose time was over before its function had come to an end.
///
/// Without a [grace period](macro@crate::job#grace) it was killed at its timeout. With one it was asked to end first, and
/// what the function then told is kept here.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, run_job_with_timeout, this_job, Outcome};
///
/// /// Counts until it is asked to end.
/// #[job(grace = "10s")]
/// fn count() -> u64 {
///     let mut counted = 0;
///     while !this_job::is_cancelled() {
///         counted += 1;
///     }
///     counted
/// }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let run = run_job_with_timeout(count::job(), Duration::from_millis(50))?;
///     let Outcome::Timeout(overrun) = run.outcome else { panic!("{:?}", run.outcome) };
///     assert!(overrun.ended_in_order());
///     assert!(overrun.into_value().is_some_and(|counted| counted > 0));
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overrun<T> {
    limit: Duration,
    whose: Whose,
    grace: Duration,
    late: Option<Late<T>>,
}

/// Whose limit it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Jobs,
    Lists,
}

/// How the function ended in its grace period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Late<T> {
    Value(T),
    Failure(Box<Failure>),
}

impl<T> Late<T> {
    pub(crate) fn value(&self) -> Option<&T> {
        if let Self::Value(value) = self { Some(value) } else { None }
    }

    pub(crate) fn into_value(self) -> Option<T> {
        if let Self::Value(value) = self { Some(value) } else { None }
    }

    pub(crate) fn failure(&self) -> Option<&Failure> {
        if let Self::Failure(failure) = self { Some(failure) } else { None }
    }

    /// Turns the value into another one, or into the failure to do so.
    pub(crate) fn and_then<U>(self, turn: impl FnOnce(T) -> Result<U, Failure>) -> Late<U> {
        match self {
            Self::Value(value) => turn(value).map_or_else(|failure| Late::Failure(Box::new(failure)), Late::Value),
            Self::Failure(failure) => Late::Failure(failure),
        }
    }
}

impl<T> Overrun<T> {
    pub(crate) fn new(limit: Duration, grace: Duration, late: Option<Late<T>>) -> Self {
        Self { limit, whose: Whose::Jobs, grace, late }
    }

    /// Returns one that was stopped as the time of its whole list was over.
    pub(crate) fn of_list(limit: Duration, grace: Duration, late: Option<Late<T>>) -> Self {
        Self { limit, whose: Whose::Lists, grace, late }
    }

    /// Returns the timeout that applied to this run: its own, or that of the [whole list](Self::is_of_list).
    #[must_use]
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Says whether it was the [timeout of the whole list](crate::Scheduler::total_timeout) that had passed, and not the
    /// job's own.
    #[must_use]
    pub fn is_of_list(&self) -> bool {
        self.whose == Whose::Lists
    }

    /// Returns the grace period that the job had after its timeout, zero if it had none.
    #[must_use]
    pub fn grace(&self) -> Duration {
        self.grace
    }

    /// Says whether the function, asked to end, returned within its grace period: a value, or an error.
    #[must_use]
    pub fn ended_in_order(&self) -> bool {
        matches!(&self.late, Some(Late::Value(_))) || matches!(self.failure(), Some(Failure::Returned { .. }))
    }

    /// Returns the value that the function returned within its grace period.
    #[must_use]
    pub fn value(&self) -> Option<&T> {
        self.late.as_ref().and_then(Late::value)
    }

    /// Returns the value that the function returned within its grace period.
    #[must_use]
    pub fn into_value(self) -> Option<T> {
        self.late.and_then(Late::into_value)
    }

    /// Returns how the function failed within its grace period, if it did: it returned `Err`, panicked, or its process
    /// ended, by SIGTERM say.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.late.as_ref().and_then(Late::failure)
    }

    /// Returns the same without the value.
    pub(crate) fn without_value(&self) -> Overrun<()> {
        let late = self.late.as_ref().map(|late| match late {
            Late::Value(_) => Late::Value(()),
            Late::Failure(failure) => Late::Failure(failure.clone()),
        });
        Overrun { limit: self.limit, whose: self.whose, grace: self.grace, late }
    }

    fn and_then<U>(self, turn: impl FnOnce(T) -> Result<U, Failure>) -> Overrun<U> {
        let late = self.late.map(|late| late.and_then(turn));
        Overrun { limit: self.limit, whose: self.whose, grace: self.grace, late }
    }
}

impl<T> fmt::Display for Overrun<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, whose, grace, late } = self;
        let its = if *whose == Whose::Lists { "the whole list's" } else { "its" };
        match late {
            Some(Late::Value(_)) => write!(f, "ended in order, asked to at {its} timeout of {limit:?}"),
            Some(Late::Failure(failure)) => write!(f, "asked to end at {its} timeout of {limit:?}: {failure}"),
            None if grace.is_zero() => write!(f, "stopped at {its} timeout of {limit:?}"),
            None => write!(f, "stopped at {its} timeout of {limit:?}, with a grace period of {grace:?}"),
        }
    }
}

/// How a run ended, in one word.
///
/// Serialised, and displayed, as `ok`, `timeout` or `error`.
///
/// # Examples
///
/// ```
/// use scheduler::Status;
///
/// assert_eq!(Status::Timeout.to_string(), "timeout");
/// assert_eq!(serde_json::to_string(&Status::Ok)?, r#""ok""#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The function returned a value.
    Ok,
    /// The function was still running at its deadline.
    Timeout,
    /// The function gave no value.
    Error,
}

impl Status {
    /// Returns `"ok"`, `"timeout"` or `"error"`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Timeout => "timeout",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
