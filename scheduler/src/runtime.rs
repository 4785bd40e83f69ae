//! `Runtime`: the Tokio runtime of an `async` job, in the job's process.

use std::io;
use std::pin::{Pin, pin};

use tokio::runtime::Builder;

use crate::invocation::Completion;

/// A runtime on the job's own thread, with all drivers that `tokio` was built with: timers, input and output.
///
/// Dropping it waits for nothing: the tasks that the job spawned are dropped, and blocked threads exit with the process.
#[derive(Debug)]
pub struct Runtime(Option<tokio::runtime::Runtime>);

impl Runtime {
    /// Creates a runtime.
    ///
    /// # Errors
    ///
    /// Fails with the completion to return if no descriptor is left for it.
    pub fn new() -> Result<Self, Completion> {
        let built = Builder::new_current_thread().enable_all().build();
        built.map(|runtime| Self(Some(runtime))).map_err(|error| refusal(&error))
    }

    /// Runs the future to completion, and returns its output.
    #[expect(clippy::missing_panics_doc, reason = "a completed future has stored its output")]
    pub fn block_on<F: Future>(self, future: F) -> F::Output {
        let mut output = None;
        let stored = async { output = Some(future.await) };
        // Behind `dyn`, so that the runtime's own code isn't compiled again for each job.
        self.run(pin!(stored));
        output.expect("the future has completed")
    }

    fn run(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        if let Some(runtime) = &self.0 {
            runtime.block_on(future);
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Also while the job unwinds: a plain drop would wait for every blocking thread.
            runtime.shutdown_background();
        }
    }
}

fn refusal(error: &io::Error) -> Completion {
    Completion::refused(format!("the runtime of its `async fn` can't be created: {error}"))
}
