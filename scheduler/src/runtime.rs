//! `Runtime`: what runs the future of an `async` job to its end, in the job's process.

use std::io;
use std::pin::{Pin, pin};

use tokio::runtime::Builder;

use crate::invocation::Completion;

/// A runtime of one thread, the job's own, with all that `tokio` was built with: timers, input and output.
///
/// Dropping it waits for nothing: the tasks that the job spawned are dropped, and what blocks on a thread ends with the
/// process.
#[derive(Debug)]
pub struct Runtime(Option<tokio::runtime::Runtime>);

impl Runtime {
    /// Makes a runtime.
    ///
    /// # Errors
    ///
    /// Fails with the ending to return if there are no descriptors left for it.
    pub fn new() -> Result<Self, Completion> {
        let built = Builder::new_current_thread().enable_all().build();
        built.map(|runtime| Self(Some(runtime))).map_err(|error| refusal(&error))
    }

    /// Runs the future to its end, and returns its output.
    #[expect(clippy::missing_panics_doc, reason = "a future that has ended has left its output")]
    pub fn block_on<F: Future>(self, future: F) -> F::Output {
        let mut output = None;
        let kept = async { output = Some(future.await) };
        // As what it is the runtime's own code would be compiled once more for each job.
        self.run(pin!(kept));
        output.expect("the future has ended")
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
            // Also while the job unwinds: to drop it as it is would be to wait for every thread that blocks.
            runtime.shutdown_background();
        }
    }
}

fn refusal(error: &io::Error) -> Completion {
    Completion::refused(format!("the runtime of its `async fn` could not be made: {error}"))
}
