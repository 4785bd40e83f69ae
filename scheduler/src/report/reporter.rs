//! `Reporter`: turns the events that an observer receives into a file, and keeps the first error.

use std::fmt;
use std::io;
use std::mem;
use std::sync::Mutex;

use super::logged::LoggedEvent;
use crate::sync::lock;

/// A format that a run is written in.
pub(super) trait Format: Send {
    /// Writes what the event adds, so that the file is complete afterwards.
    fn write(&mut self, event: &LoggedEvent) -> io::Result<()>;

    /// Notes that the run is not that of this application, before an event of it is written.
    fn replaying(&mut self, _event: &LoggedEvent) -> io::Result<()> {
        Ok(())
    }
}

/// A file in one format.
pub(super) struct Reporter<F> {
    state: Mutex<ReporterState<F>>,
}

struct ReporterState<F> {
    format: F,
    /// The first error that `finish` has not returned yet.
    error: Option<io::Error>,
    has_failed: bool,
}

impl<F> Reporter<F> {
    pub(super) fn new(format: F) -> Self {
        Self { state: Mutex::new(ReporterState { format, error: None, has_failed: false }) }
    }

    /// Changes the format before the first event.
    pub(super) fn configure(&self, configure: impl FnOnce(&mut F)) {
        configure(&mut lock(&self.state).format);
    }

    /// Writes to the file. After a failure nothing more is written, so that the file stays as it was.
    pub(super) fn write_with(&self, write: impl FnOnce(&mut F) -> io::Result<()>) {
        let state = &mut *lock(&self.state);
        if state.has_failed {
            return;
        }
        if let Err(error) = write(&mut state.format) {
            state.has_failed = true;
            state.error = Some(error);
        }
    }

    #[cfg(feature = "cli")]
    pub(super) fn has_failed(&self) -> bool {
        lock(&self.state).has_failed
    }

    pub(super) fn finish(&self) -> io::Result<()> {
        mem::take(&mut lock(&self.state).error).map_or(Ok(()), Err)
    }
}

impl<F: Format> Reporter<F> {
    pub(super) fn write(&self, event: &LoggedEvent) {
        self.write_with(|format| format.write(event));
    }

    pub(super) fn replay(&self, event: &LoggedEvent) {
        self.write_with(|format| {
            format.replaying(event)?;
            format.write(event)
        });
    }
}

impl<F> fmt::Debug for Reporter<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter").finish_non_exhaustive()
    }
}

/// Defines the methods that all reports share, and those of the observer for the events that this one is made of.
macro_rules! report {
    ($report:ident of $($method:ident($event:ident)),*) => {
        impl $report {
            /// Writes an event of a log, one of [`read`](super::read()). The report then has the times of that run, and the name of
            /// its application: the times of the earliest, and the name of the first, if there are several.
            ///
            /// An error is kept for [`finish`](Self::finish).
            pub fn replay(&self, event: &crate::report::LoggedEvent) {
                self.0.replay(event);
            }

            /// Returns the first error that writing has met, if there was one.
            ///
            /// Each event is written at once, so nothing is lost without this call, except the knowledge of such an
            /// error: after it nothing was written.
            ///
            /// # Errors
            ///
            /// Fails if the file could not be written. A second call returns `Ok`.
            pub fn finish(&self) -> std::io::Result<()> {
                self.0.finish()
            }
        }

        impl crate::observer::Observer for $report {
            $(fn $method(&self, event: &crate::observer::$event<'_>) {
                self.0.write(&event.logged());
            })*
        }
    };
}

pub(super) use report;
