//! `Panic`: a panic in a job's process, and its location.

use std::error::Error;
use std::fmt;

use serde::Serialize;

use crate::escape::OneLine;

/// A panic in the job's process.
///
/// `Display` writes one line, with the location and without the thread and the backtrace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Panic {
    /// The panic's message, or a description of a payload that isn't a string.
    pub message: String,
    /// The place of the panic. `None` if the job replaced the panic hook.
    pub location: Option<Location>,
    /// The name of the thread that panicked, if it has one.
    pub thread: Option<String>,
    /// The backtrace, if `RUST_BACKTRACE` enables it: down to the job's function, and with `RUST_BACKTRACE=full` to the beginning of the
    /// process.
    pub backtrace: Option<String>,
}

/// A place in the source code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Location {
    /// The path of the file, as it was passed to the compiler.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("panicked")?;
        if let Some(location) = &self.location {
            write!(f, " at {location}")?;
        }
        write!(f, ": {}", OneLine(&self.message))
    }
}

impl Error for Panic {}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", OneLine(&self.file), self.line, self.column)
    }
}
