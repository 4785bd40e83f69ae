//! `Status`: the kind of an outcome.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::escape::OneLine;

/// The kind of an [`Outcome`](crate::Outcome), without its data.
///
/// Serialized, displayed and parsed as `ok`, `timeout` or `error`.
///
/// There will be no other status, so a `match` needs no wildcard arm: a new way to fail becomes a new
/// [`Failure`](crate::Failure), whose status is `error`.
///
/// # Examples
///
/// ```
/// use scheduler::Status;
///
/// assert_eq!(Status::Timeout.to_string(), "timeout");
/// assert_eq!("timeout".parse(), Ok(Status::Timeout));
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

    /// Returns `true` if the function returned a value in time.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, Scheduler};
    ///
    /// #[job]
    /// fn answer() -> i32 { 42 }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let records = Scheduler::new().run(jobs![("a", answer), ("b", answer)])?;
    ///     assert!(records.iter().all(|record| record.status().is_ok()));
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn is_ok(self) -> bool {
        self == Self::Ok
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Status {
    type Err = ParseStatusError;

    fn from_str(text: &str) -> Result<Self, ParseStatusError> {
        let statuses = [Self::Ok, Self::Timeout, Self::Error];
        statuses.into_iter().find(|status| status.as_str() == text).ok_or_else(|| ParseStatusError(text.to_owned()))
    }
}

/// A text that is not a [`Status`].
///
/// # Examples
///
/// ```
/// use scheduler::Status;
///
/// let error = "failed".parse::<Status>().unwrap_err();
/// assert_eq!(error.to_string(), "unknown status `failed`; expected `ok`, `timeout` or `error`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseStatusError(String);

impl fmt::Display for ParseStatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown status `{}`; expected `ok`, `timeout` or `error`", OneLine(&self.0))
    }
}

impl std::error::Error for ParseStatusError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_parsed_from_its_own_text_only() {
        for status in [Status::Ok, Status::Timeout, Status::Error] {
            assert_eq!(status.to_string().parse(), Ok(status));
            assert_eq!(status.is_ok(), status == Status::Ok);
        }
        for text in ["", "OK", "ok ", "timed out\n"] {
            let error = text.parse::<Status>().expect_err("it is no status");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
}
