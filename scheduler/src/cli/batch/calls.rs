//! `Calls`: the calls that were read, and that the stream of a batch draws.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use super::LINES_AHEAD;
use super::input::NumberedLine;
use super::line::LineCall;
use crate::call::AnyJob;

/// An iterator to which calls are added. Its size is certain as long as it is not closed, and when it is empty then.
#[derive(Clone, Default)]
pub(super) struct Calls {
    queue: Rc<RefCell<CallQueue>>,
}

/// The line of a call that was drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct DrawnLine {
    pub(super) number: u64,
    /// In bytes.
    pub(super) length: usize,
}

#[derive(Default)]
struct CallQueue {
    calls: VecDeque<QueuedCall>,
    /// How many calls were drawn.
    drawn: usize,
    /// The lines whose calls were drawn and aren't over, by the order in which they were drawn.
    lines: HashMap<usize, DrawnLine>,
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
    /// Returns whether one more call is to be read.
    pub(super) fn has_room(&self) -> bool {
        let queue = self.queue.borrow();
        !queue.is_closed && queue.calls.len() < LINES_AHEAD
    }

    pub(super) fn push(&self, line: &NumberedLine, call: LineCall) {
        let (number, length) = (line.number, line.text.len());
        self.queue.borrow_mut().calls.push_back(QueuedCall { number, length, call });
    }

    /// Returns the line whose call was drawn as the one of this index, once it is over.
    pub(super) fn line_of(&self, index: usize) -> DrawnLine {
        self.queue.borrow_mut().lines.remove(&index).expect("a call has one record")
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
        queue.lines.insert(index, DrawnLine { number, length });
        Some((id, call))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let queue = self.queue.borrow();
        let count = queue.calls.len();
        (count, queue.is_closed.then_some(count))
    }
}
