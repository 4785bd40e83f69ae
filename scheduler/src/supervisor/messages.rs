//! `JobMessages`: the messages to a job that it has not received.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::sync::lock;

/// The most messages to one job that wait to be received.
pub(crate) const MOST_MESSAGES: usize = 1024;

/// The most bytes of the messages to one job that wait to be received: 16 MiB.
pub(crate) const MOST_BYTES: usize = 16 << 20;

/// The messages to a job, which its handle adds and its loop sends. A message is kept until the job has received it, so that
/// the next attempt gets it if this one fails before that.
#[derive(Clone, Debug, Default)]
pub(crate) struct JobMessages(Arc<Mutex<Unreceived>>);

#[derive(Debug, Default)]
struct Unreceived {
    messages: VecDeque<Arc<Vec<u8>>>,
    bytes: usize,
    /// How many of them are sent to the current attempt.
    sent: usize,
    /// How many were received in all.
    received: usize,
    is_over: bool,
}

/// Why a message can't be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsendable {
    /// The job has finished.
    Over,
    /// Too many messages, or too many bytes, wait to be received.
    Full,
    /// The message alone has too many bytes.
    TooLong,
}

impl JobMessages {
    /// Adds a message.
    pub(crate) fn push(&self, message: Vec<u8>) -> Result<(), Unsendable> {
        if message.len() > MOST_BYTES {
            return Err(Unsendable::TooLong);
        }
        let mut unreceived = lock(&self.0);
        if unreceived.is_over {
            return Err(Unsendable::Over);
        }
        if unreceived.messages.len() >= MOST_MESSAGES || unreceived.bytes + message.len() > MOST_BYTES {
            return Err(Unsendable::Full);
        }
        unreceived.bytes += message.len();
        unreceived.messages.push_back(Arc::new(message));
        Ok(())
    }

    /// Returns the messages that are to be sent to the current attempt, and counts them as sent.
    pub(super) fn take_unsent(&self) -> Vec<Arc<Vec<u8>>> {
        let mut unreceived = lock(&self.0);
        let unsent = unreceived.messages.range(unreceived.sent..).cloned().collect();
        unreceived.sent = unreceived.messages.len();
        unsent
    }

    /// Removes the first message, which the job has received. Returns `false` if none was sent.
    pub(super) fn received(&self) -> bool {
        let mut unreceived = lock(&self.0);
        let Some(sent) = unreceived.sent.checked_sub(1) else {
            return false;
        };
        unreceived.sent = sent;
        unreceived.received += 1;
        let message = unreceived.messages.pop_front();
        unreceived.bytes -= message.map_or(0, |message| message.len());
        true
    }

    /// Returns how many messages were received.
    #[cfg(feature = "remote")]
    pub(crate) fn received_count(&self) -> usize {
        lock(&self.0).received
    }

    /// Begins another attempt, which gets all messages that were not received.
    pub(super) fn restart(&self) {
        lock(&self.0).sent = 0;
    }

    /// Refuses further messages, and drops those that were not received.
    pub(crate) fn close(&self) {
        let mut unreceived = lock(&self.0);
        *unreceived = Unreceived { is_over: true, received: unreceived.received, ..Unreceived::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unsent(messages: &JobMessages) -> Vec<u8> {
        messages.take_unsent().iter().map(|message| message[0]).collect()
    }

    #[test]
    fn a_message_is_kept_until_it_is_received() {
        let messages = JobMessages::default();
        assert!(!messages.received());
        for number in 1..=3 {
            assert_eq!(messages.push(vec![number]), Ok(()));
        }
        assert_eq!((unsent(&messages), unsent(&messages)), (vec![1, 2, 3], vec![]));
        assert!(messages.received());
        assert_eq!(messages.push(vec![4]), Ok(()));
        assert_eq!(unsent(&messages), [4]);
        messages.restart();
        assert_eq!(unsent(&messages), [2, 3, 4]);
        messages.close();
        assert_eq!((messages.push(vec![5]), unsent(&messages)), (Err(Unsendable::Over), vec![]));
    }

    #[test]
    fn what_waits_to_be_received_is_bounded() {
        let messages = JobMessages::default();
        assert_eq!(messages.push(vec![0; MOST_BYTES + 1]), Err(Unsendable::TooLong));
        let pushed = (0..2000).take_while(|_| messages.push(vec![0]).is_ok()).count();
        assert_eq!((pushed, messages.push(vec![0])), (MOST_MESSAGES, Err(Unsendable::Full)));
        messages.take_unsent();
        assert!(messages.received());
        assert_eq!(messages.push(vec![0; MOST_BYTES]), Err(Unsendable::Full));
        assert_eq!(messages.push(vec![0; MOST_BYTES / 2]), Ok(()));
    }
}
