//! Jobs whose function returns in time, and whose result takes longer: it is large, or its encoding never ends.

#![expect(
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    clippy::disallowed_methods,
    reason = "these jobs are not called as functions, and their encoding takes its time"
)]

use std::fmt;
use std::thread;
use std::time::Duration;

use scheduler::{job, this_job};
use serde::{Deserialize, Serialize, Serializer};

use crate::jobs::hangs;

/// How a value is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Encoded {
    /// After this number of milliseconds.
    Late(u64),
    /// Never.
    Never,
    /// It aborts the process.
    WithAnAbort,
}

impl Serialize for Encoded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        enum Encoded {
            Late(u64),
        }
        match *self {
            Self::Late(milliseconds) => {
                thread::sleep(Duration::from_millis(milliseconds));
                Encoded::Late(milliseconds).serialize(serializer)
            }
            Self::Never => {
                // What it reports meanwhile is no part of the result.
                loop {
                    this_job::message("still at it");
                    thread::sleep(Duration::from_millis(1));
                }
            }
            Self::WithAnAbort => std::process::abort(),
        }
    }
}

/// Returns a value that takes this number of milliseconds to encode.
#[job]
pub fn is_encoded_late(milliseconds: u64) -> Encoded {
    Encoded::Late(milliseconds)
}

/// Returns such a value once it is cancelled.
#[job]
pub fn is_asked_and_encoded_late(milliseconds: u64) -> Encoded {
    this_job::cancelled().wait();
    Encoded::Late(milliseconds)
}

/// Returns a value whose encoding never ends.
#[job]
pub fn is_never_encoded() -> Encoded {
    Encoded::Never
}

/// Returns a value whose encoding aborts the process.
#[job]
pub fn aborts_as_it_is_encoded() -> Encoded {
    Encoded::WithAnAbort
}

/// An error that is never written.
#[derive(Debug)]
pub struct NeverWritten;

impl fmt::Display for NeverWritten {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        hangs();
        Ok(())
    }
}

/// Fails with an error whose text never ends.
#[job]
pub fn fails_with_what_is_never_written() -> Result<(), NeverWritten> {
    Err(NeverWritten)
}
