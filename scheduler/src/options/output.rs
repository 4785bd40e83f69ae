//! `Output`: where what a job writes to its standard output or standard error goes.

use std::path::PathBuf;

/// Where what a job writes to its standard output or standard error goes, for [`stdout`](crate::Job::stdout) and
/// [`stderr`](crate::Job::stderr).
///
/// [`#[job]`](macro@crate::job#stdout-and-stderr) tells more of each.
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Where the application's own goes.
    #[default]
    Inherit,
    /// Nowhere.
    Discard,
    /// Into the record, up to 64 KiB: of more the beginning and the end are kept.
    Capture,
    /// Into the record, up to so many bytes: of more the beginning and the end are kept.
    CaptureUpTo(usize),
    /// To the end of this file, which is made if it isn't there.
    Append(PathBuf),
    /// Where the application's own goes, line by line, each with the job's id in front.
    Lines,
}

impl Output {
    /// Returns what appends to this file: what the attribute calls.
    #[doc(hidden)]
    #[must_use]
    pub fn append(path: &str) -> Self {
        Self::Append(path.into())
    }

    pub(super) fn problem(&self, stream: &str) -> Option<String> {
        match self {
            Self::CaptureUpTo(0) => Some(format!("{stream} is to be captured up to 0 bytes; discard it instead")),
            Self::Append(path) if path.as_os_str().is_empty() => {
                Some(format!("{stream} is to be appended to a file without a name"))
            }
            _ => None,
        }
    }
}
