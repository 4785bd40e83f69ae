//! `Question`: what a job asks, on its way to the function that answers it.

use std::fmt;
use std::sync::Arc;

use super::mailbox::{Asking, LoopCommand, Mailbox};

/// A question of a running job. If it is dropped, the job gets an error for an answer.
pub(crate) struct Question {
    mailbox: Arc<Mailbox>,
    asking: Option<Asking>,
    /// The encoded value.
    pub(crate) bytes: Vec<u8>,
}

impl Question {
    pub(super) fn new(mailbox: &Arc<Mailbox>, asking: Asking, bytes: Vec<u8>) -> Self {
        Self { mailbox: Arc::clone(mailbox), asking: Some(asking), bytes }
    }

    /// Sends the answer, or why there is none.
    pub(crate) fn answer(mut self, answer: Result<Vec<u8>, String>) {
        self.send(answer);
    }

    fn send(&mut self, answer: Result<Vec<u8>, String>) {
        if let Some(asking) = self.asking.take() {
            // If the loop has exited, so has the job.
            let _ = self.mailbox.send(LoopCommand::Answer(asking, answer));
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.send(Err(UNANSWERED.to_owned()));
    }
}

/// The reason why a question is not answered where nothing answers questions.
pub(super) const UNANSWERED: &str = "nothing answers questions here; set a function by `Scheduler::on_ask`";

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Question of {} bytes", self.bytes.len())
    }
}
