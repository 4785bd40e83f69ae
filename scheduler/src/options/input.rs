//! `Input`: what a job reads from its standard input.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::nul_bytes::has_nul;

/// The most bytes that the call of a job can hold for its standard input.
const MOST_BYTES: usize = 64 << 20;

/// What a job reads from its standard input, for [`stdin`](crate::Job::stdin).
///
/// Text and bytes convert into it.
///
/// # Examples
///
/// ```
/// use scheduler::{job, jobs, Input, Scheduler};
///
/// #[job]
/// fn count_lines() -> usize { std::io::stdin().lines().count() }
///
/// #[scheduler::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     # let folder = tempfile::tempdir()?;
///     # let file = folder.path().join("lines.txt");
///     # std::fs::write(&file, "a\n".repeat(1000))?;
///     # /*
///     let file = std::path::PathBuf::from("lines.txt");
///     # */
///     let of_text = count_lines::job().stdin("one\ntwo\n");
///     let of_a_file = count_lines::job().stdin(Input::File(file));
///     let records = Scheduler::new().run(jobs![("J1", { of_text }), ("J2", { of_a_file }), ("J3", count_lines)])?;
///     let counts: Result<Vec<_>, _> = records.iter().map(|record| record.result::<usize>()).collect();
///     assert_eq!(counts?, [2, 1000, 0]);
///     Ok(())
/// }
/// ```
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Input {
    /// Nothing: the input is at its end.
    #[default]
    Empty,
    /// These bytes, up to 64 MiB.
    Bytes(Vec<u8>),
    /// This file. The job's process opens it, when it is the job's turn.
    File(PathBuf),
}

impl Input {
    /// Returns `File` for the path in an attribute.
    #[doc(hidden)]
    #[must_use]
    pub fn file(path: &str) -> Self {
        Self::File(path.into())
    }

    pub(super) fn problem(&self) -> Option<String> {
        match self {
            Self::Bytes(bytes) if bytes.len() > MOST_BYTES => Some(format!(
                "a standard input of {} bytes is over the limit of 64 MiB; write it to a file, and give the file",
                bytes.len()
            )),
            Self::File(path) if path.as_os_str().is_empty() => {
                Some("standard input is to be read from a file with an empty path; give a path".to_owned())
            }
            Self::File(path) if has_nul(path) => Some(
                "standard input is to be read from a file whose path contains a NUL character; remove it".to_owned(),
            ),
            _ => None,
        }
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            // It may be long, and secret.
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

impl From<Vec<u8>> for Input {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<&[u8]> for Input {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<String> for Input {
    fn from(text: String) -> Self {
        Self::Bytes(text.into_bytes())
    }
}

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}
