//! The thread of an event loop that doesn't run on its caller's.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::mailbox::Mailbox;
use super::token::{CancelToken, subscribed_mailbox};
use crate::error::Error;

/// Starts a thread that runs `body` with a new mailbox, to which the token is subscribed.
pub(super) fn start_loop_thread<T: Send + 'static>(
    token: Option<&CancelToken>,
    body: impl FnOnce(Arc<Mailbox>) -> T + Send + 'static,
) -> Result<(Arc<Mailbox>, JoinHandle<T>), Error> {
    let start = || -> io::Result<_> {
        let mailbox = subscribed_mailbox(token)?;
        let shared = Arc::clone(&mailbox);
        let thread = thread::Builder::new().name("scheduler".to_owned()).spawn(move || body(shared))?;
        Ok((mailbox, thread))
    };
    start().map_err(|error| Error::internal("start the thread that runs the jobs", error))
}
