//! `Presses`: what Ctrl-C does, each time that it is pressed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{process, thread};

use crate::process::{FatalSignal, die_of, on_ctrl_c};
use crate::supervisor::CancelToken;

/// How often Ctrl-C was pressed.
#[derive(Clone, Default)]
pub(super) struct Presses(Arc<AtomicUsize>);

impl Presses {
    /// Listens to Ctrl-C. Each press does the next of these, and wakes the calling thread, which may wait for something else than the
    /// jobs, such as the reader of its output: the press after the last action ends the process, and its wardens end the jobs.
    pub(super) fn listen<const N: usize>(token: &CancelToken, actions: [fn(&CancelToken); N]) -> io::Result<Self> {
        let presses = Self::default();
        let (count, token, main) = (presses.clone(), token.clone(), thread::current());
        on_ctrl_c(move || {
            if let Some(action) = actions.get(count.0.fetch_add(1, Ordering::AcqRel)) {
                action(&token);
            } else {
                end_process();
            }
            main.unpark();
        })?;
        Ok(presses)
    }

    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }
}

/// Ends the process by the signal of Ctrl-C, or with the code for that where no process ends by a signal.
#[expect(
    clippy::disallowed_methods,
    reason = "the thread of the command, which would return, waits for something else"
)]
fn end_process() {
    die_of(FatalSignal::Interrupt);
    process::exit(128 + i32::from(FatalSignal::Interrupt.number()));
}
