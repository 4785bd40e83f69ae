//! The text of an `Overrun`.

use std::fmt;

use super::{Late, Overrun};
use crate::outcome::overrun_kind::OverrunKind;

impl<T> fmt::Display for Overrun<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, kind, grace, late } = self;
        let when = match kind {
            OverrunKind::Timeout => "at its timeout of",
            OverrunKind::TotalTimeout => "at the whole list's timeout of",
            OverrunKind::Stall => "as it had reported nothing for",
            OverrunKind::Silence => "as it had written no output for",
        };
        match late {
            Some(Late::Value(_)) => {
                write!(f, "asked to stop {when} {limit:?}, and returned within its grace period")
            }
            Some(Late::Failure(failure)) => write!(f, "asked to stop {when} {limit:?}: {failure}"),
            None if grace.is_zero() => write!(f, "stopped {when} {limit:?}"),
            None => write!(f, "stopped {when} {limit:?}, with a grace period of {grace:?}"),
        }
    }
}
