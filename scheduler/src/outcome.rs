//! `Outcome` and `Status`: how a run ended, in full and in one word.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

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
    /// The function was still running at its deadline, and was killed.
    Timeout(Overrun),
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

    /// Turns the value into another one, or into the failure to do so.
    pub(crate) fn and_then<U>(self, turn: impl FnOnce(T) -> Result<U, Failure>) -> Outcome<U> {
        match self {
            Self::Ok(value) => turn(value).map_or_else(Outcome::Error, Outcome::Ok),
            Self::Error(failure) => Outcome::Error(failure),
            Self::Timeout(overrun) => Outcome::Timeout(overrun),
        }
    }
}

/// A run that was stopped at its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overrun {
    limit: Duration,
}

impl Overrun {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit }
    }

    /// Returns the timeout that applied to this run.
    #[must_use]
    pub fn limit(&self) -> Duration {
        self.limit
    }
}

impl fmt::Display for Overrun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped at its timeout of {:?}", self.limit)
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
    /// The function was killed at its deadline.
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
