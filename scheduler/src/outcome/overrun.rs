//! `Overrun`: a run that was still going at its timeout.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::Serializer;
use serde::ser::SerializeStruct;

use crate::outcome::Failure;
use crate::seconds::Seconds;

/// A run whose function was still running at its timeout.
///
/// Without a [grace period](macro@crate::job#grace) it was killed then. With one it was asked to stop first, and what the function
/// returned in that time is kept here.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, run_job_with_timeout, this_job, Outcome};
///
/// /// Counts until it is asked to stop.
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
#[doc(alias = "Elapsed")]
#[doc(alias = "TimeoutError")]
pub struct Overrun<T = ()> {
    limit: Duration,
    limited: Limited,
    grace: Duration,
    late: Option<Late<T>>,
}

/// The subject of a timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limited {
    Job,
    List,
}

/// The end of a function in its grace period.
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

    /// Converts the value.
    pub(crate) fn and_then<U>(self, convert: impl FnOnce(T) -> Result<U, Failure>) -> Late<U> {
        match self {
            Self::Value(value) => convert(value).map_or_else(|failure| Late::Failure(Box::new(failure)), Late::Value),
            Self::Failure(failure) => Late::Failure(failure),
        }
    }
}

impl<T> Overrun<T> {
    pub(crate) fn new(limit: Duration, grace: Duration, late: Option<Late<T>>) -> Self {
        Self { limit, limited: Limited::Job, grace, late }
    }

    /// Returns the overrun of a job that was stopped at the timeout of its whole list.
    pub(crate) fn of_list(limit: Duration, grace: Duration, late: Option<Late<T>>) -> Self {
        Self { limit, limited: Limited::List, grace, late }
    }

    /// Returns the timeout that passed: the job's own or that of the [whole list](Self::is_of_list).
    #[must_use]
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Returns `true` if the [timeout of the whole list](crate::Scheduler::total_timeout) passed, not the job's own.
    #[must_use]
    pub fn is_of_list(&self) -> bool {
        self.limited == Limited::List
    }

    /// Returns the grace period that the job had after its timeout, zero if it had none.
    #[must_use]
    pub fn grace(&self) -> Duration {
        self.grace
    }

    /// Returns `true` if the function, asked to stop, returned a value or an `Err` within its grace period.
    #[must_use]
    #[doc(alias = "graceful")]
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

    /// Returns how the function failed within its grace period, if it did: it returned `Err`, it panicked, or its process
    /// exited or was killed by a signal, such as SIGTERM.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.late.as_ref().and_then(Late::failure)
    }

    /// Returns the same without the value.
    pub(crate) fn without_value(&self) -> Overrun {
        let late = self.late.as_ref().map(|late| match late {
            Late::Value(_) => Late::Value(()),
            Late::Failure(failure) => Late::Failure(failure.clone()),
        });
        Overrun { limit: self.limit, limited: self.limited, grace: self.grace, late }
    }

    pub(super) fn and_then<U>(self, convert: impl FnOnce(T) -> Result<U, Failure>) -> Overrun<U> {
        let late = self.late.map(|late| late.and_then(convert));
        Overrun { limit: self.limit, limited: self.limited, grace: self.grace, late }
    }
}

impl<T> fmt::Display for Overrun<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, limited, grace, late } = self;
        let its = if *limited == Limited::List { "the whole list's" } else { "its" };
        match late {
            Some(Late::Value(_)) => {
                write!(f, "asked to stop at {its} timeout of {limit:?}, and returned within its grace period")
            }
            Some(Late::Failure(failure)) => write!(f, "asked to stop at {its} timeout of {limit:?}: {failure}"),
            None if grace.is_zero() => write!(f, "stopped at {its} timeout of {limit:?}"),
            None => write!(f, "stopped at {its} timeout of {limit:?}, with a grace period of {grace:?}"),
        }
    }
}

/// Has no [`source`](Error::source): a [failure](Overrun::failure) in the grace period is a part of the message.
impl<T: fmt::Debug> Error for Overrun<T> {}

/// Serializes a timeout as the fields of a [`Failure`], without its kind and without a value that came late.
pub(super) fn serialize<S: Serializer>(overrun: &Overrun, serializer: S) -> Result<S::Ok, S::Error> {
    let failure = overrun.failure();
    let mut fields = serializer.serialize_struct("Overrun", 4 + usize::from(failure.is_some()))?;
    fields.serialize_field("limit_sec", &Seconds(overrun.limit))?;
    fields.serialize_field("whose", if overrun.is_of_list() { "list" } else { "job" })?;
    fields.serialize_field("grace_sec", &Seconds(overrun.grace))?;
    fields.serialize_field("ended_in_order", &overrun.ended_in_order())?;
    if let Some(failure) = failure {
        fields.serialize_field("late_failure", failure)?;
    }
    fields.end()
}
