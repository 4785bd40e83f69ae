//! Observers that write files: logs, a report for CI, a trace, a timeline. Needs the feature `report`.
//!
//! | observer | file | for |
//! |---|---|---|
//! | [`JsonLines`] | each event as a line of JSON | programs, and for every other report afterwards ([`read`](read())) |
//! | [`Joblog`] | a line for each finished job, as GNU parallel writes it | shell tools, and to resume |
//! | [`Junit`] | JUnit XML, as nextest writes it | CI systems |
//! | [`Trace`] | Trace Event JSON | Perfetto, `chrome://tracing` |
//! | [`Timeline`] | one HTML page | a browser |
//!
//! A scheduler may have any number of them. All write as the run goes: each event is in the file before the next one,
//! with one or two system calls, and the file is complete at any moment. If the application is killed, the files have
//! what happened until [ten milliseconds](crate::Observer) before.
//!
//! An error, such as a full disk, stops that report only, and affects no job. [`Timeline::finish`], which all of them
//! have, returns it: keep the report in an `Arc`, since an observer may be one.
//!
//! Ids, messages and output may contain anything; each format escapes it. Reports of the same path must not be written
//! at the same time.
//!
//! # Examples
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use scheduler::{job, jobs, report, Scheduler};
//!
//! #[job]
//! fn square(n: u64) -> u64 { n * n }
//!
//! #[job(timeout = "50ms", retries = 1)]
//! fn hang() { loop { std::thread::park() } }
//!
//! #[scheduler::main]
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     # let folder = tempfile::tempdir()?;
//!     # let folder = folder.path();
//!     let junit = Arc::new(report::Junit::create(folder.join("junit.xml"))?);
//!     let timeline = Arc::new(report::Timeline::create(folder.join("timeline.html"))?);
//!     Scheduler::new()
//!         .concurrency(2)
//!         .timeout(Duration::from_secs(60))
//!         .observer(Arc::clone(&junit))
//!         .observer(Arc::clone(&timeline))
//!         .run(jobs![("a", square(12)), ("b", hang)])?;
//!     junit.finish()?;
//!     timeline.finish()?;
//!     Ok(())
//! }
//! ```

mod closed_file;
mod joblog;
#[cfg(all(feature = "cli", feature = "journal"))]
mod journaled;
mod json_lines;
mod junit;
mod lines_file;
mod logged;
mod program;
mod read;
mod reporter;
mod timeline;
mod trace;
mod xml;

pub use joblog::Joblog;
#[cfg(all(feature = "cli", feature = "journal"))]
pub(crate) use journaled::journaled_events;
pub use json_lines::JsonLines;
pub use junit::Junit;
pub use logged::{LoggedAttempt, LoggedEvent, LoggedKind, LoggedRecord};
pub use read::read;
pub use timeline::Timeline;
pub use trace::Trace;
