//! `Output`: the destination of a job's standard output or standard error.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::nul_bytes::has_nul;

/// The destination of a job's standard output or standard error, for [`stdout`](crate::Job::stdout) and
/// [`stderr`](crate::Job::stderr).
///
/// [`#[job]`](macro@crate::job#stdout-and-stderr) describes each in detail.
///
/// # Examples
///
/// ```standalone_crate
/// use scheduler::{job, jobs, Output, Scheduler};
///
/// #[job]
/// fn report() { println!("all is well") }
///
/// #[scheduler::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     # let folder = tempfile::tempdir()?;
///     # let log = folder.path().join("report.log");
///     # /*
///     let log = std::path::PathBuf::from("report.log");
///     # */
///     let to_a_file = report::job().stdout(Output::Append(log.clone()));
///     let into_the_record = report::job().stdout(Output::CaptureUpTo(1024));
///     let records = Scheduler::new().run(jobs![("J1", { to_a_file }), ("J2", { into_the_record })])?;
///     assert_eq!(std::fs::read_to_string(log)?, "all is well\n");
///     assert_eq!(records[1].stdout().as_deref(), Some("all is well\n"));
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Output {
    /// The application's own stream.
    #[default]
    Inherit,
    /// None: the output is discarded.
    Discard,
    /// The record, up to 64 KiB: of a longer output the beginning and the end are kept.
    Capture,
    /// The record, up to this number of bytes: of a longer output the beginning and the end are kept.
    CaptureUpTo(usize),
    /// The end of this file, which is created if it doesn't exist.
    Append(PathBuf),
    /// The application's own stream, line by line, each line prefixed with the job's id.
    Lines,
}

impl Output {
    /// Returns `Append` for the path in an attribute.
    #[doc(hidden)]
    #[must_use]
    pub fn append(path: &str) -> Self {
        Self::Append(path.into())
    }

    pub(super) fn problem(&self, stream: &str) -> Option<String> {
        match self {
            Self::CaptureUpTo(0) => {
                Some(format!("{stream} is to be captured up to 0 bytes; write `Output::Discard` instead"))
            }
            Self::Append(path) if path.as_os_str().is_empty() => {
                Some(format!("{stream} is to be appended to a file with an empty path; give a path"))
            }
            Self::Append(path) if has_nul(path) => {
                Some(format!("{stream} is to be appended to a file whose path contains a NUL character; remove it"))
            }
            _ => None,
        }
    }
}
