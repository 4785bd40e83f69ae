//! `Calls`: the calls that were read, and that the stream of a batch draws.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use super::LINES_AHEAD;
use super::line::LineCall;
use crate::call::AnyJob;
use crate::sync::lock;

/// The numbers of the lines whose jobs are queued, until the job log takes them: ids may repeat.
pub(super) type LineNumbers = Arc<Mutex<VecDeque<u64>>>;

/// An iterator to which calls are added. Its size is certain as long as it is not closed, and when it is empty then.
#[derive(Clone)]
pub(super) struct Calls {
    queue: Rc<RefCell<CallQueue>>,
    /// `None` without a job log.
    numbers: Option<LineNumbers>,
}

#[derive(Default)]
struct CallQueue {
    calls: VecDeque<(u64, LineCall)>,
    is_closed: bool,
    /// The number of the line whose call was drawn last.
    last_number: u64,
}

impl Calls {
    pub(super) fn new(numbers: Option<LineNumbers>) -> Self {
        Self { queue: Rc::default(), numbers }
    }

    /// Returns whether one more call is to be read.
    pub(super) fn has_room(&self) -> bool {
        let queue = self.queue.borrow();
        !queue.is_closed && queue.calls.len() < LINES_AHEAD
    }

    pub(super) fn push(&self, number: u64, call: LineCall) {
        self.queue.borrow_mut().calls.push_back((number, call));
    }

    /// Adds no more.
    pub(super) fn close(&self) {
        self.queue.borrow_mut().is_closed = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.queue.borrow().is_closed
    }

    /// Returns the number of calls that were not drawn.
    pub(super) fn left(&self) -> u64 {
        self.queue.borrow().calls.len() as u64
    }

    pub(super) fn last_number(&self) -> u64 {
        self.queue.borrow().last_number
    }
}

impl Iterator for Calls {
    type Item = (String, AnyJob);

    fn next(&mut self) -> Option<Self::Item> {
        let mut queue = self.queue.borrow_mut();
        let (number, LineCall { id, call }) = queue.calls.pop_front()?;
        queue.last_number = number;
        if let Some(numbers) = &self.numbers {
            lock(numbers).push_back(number);
        }
        Some((id, call))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let queue = self.queue.borrow();
        let count = queue.calls.len();
        (count, queue.is_closed.then_some(count))
    }
}
