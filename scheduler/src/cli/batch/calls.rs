//! `Calls`: the calls that were read, and that the stream of a batch draws.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use super::LINES_AHEAD;
use super::input::NumberedLine;
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
    calls: VecDeque<QueuedCall>,
    /// How many calls were drawn.
    drawn: usize,
    /// The lengths of the lines whose calls were drawn and aren't over, by the order in which they were drawn.
    lengths: HashMap<usize, usize>,
    is_closed: bool,
    /// The number of the line whose call was drawn last.
    last_number: u64,
}

struct QueuedCall {
    number: u64,
    /// The bytes of its line.
    length: usize,
    call: LineCall,
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

    pub(super) fn push(&self, line: &NumberedLine, call: LineCall) {
        let (number, length) = (line.number, line.text.len());
        self.queue.borrow_mut().calls.push_back(QueuedCall { number, length, call });
    }

    /// Returns the length of the line whose call was drawn as the one of this index, once it is over.
    pub(super) fn length_of(&self, index: usize) -> usize {
        self.queue.borrow_mut().lengths.remove(&index).expect("a call has one record")
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
        let QueuedCall { number, length, call: LineCall { id, call } } = queue.calls.pop_front()?;
        queue.last_number = number;
        let index = queue.drawn;
        queue.drawn += 1;
        queue.lengths.insert(index, length);
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
