//! `Residence`: a loop that takes orders as they come, on a thread of its own, and ends when there are none.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;

use super::inbox::{Inbox, Instruction, Means};
use super::order::Order;
use super::queue::Ticket;
use super::shift::Shift;
use super::{Crew, News, Rules};
use crate::error::Error;

/// The way to a loop that may have ended.
#[derive(Clone, Debug)]
pub(crate) struct Residence(Arc<Inbox>);

impl Residence {
    /// Starts the thread, which gives its crew to `keep` in the end.
    pub(crate) fn start(
        mut crew: Crew,
        keep: impl FnOnce(Crew) + Send + 'static,
        rules: Rules,
        first: (Ticket, Order),
        mut listener: impl FnMut(usize, News) + Send + 'static,
    ) -> Result<Self, Error> {
        let unwatched = |error| Error::machinery("start a thread that watches over the jobs", error);
        let inbox = Arc::new(Inbox::new().map_err(unwatched)?);
        if let Some(token) = &rules.token {
            token.tell(&inbox);
        }
        let theirs = Arc::clone(&inbox);
        let live = move || {
            // Whatever happens to the thread, nobody may rely on it afterwards.
            let closed = ClosedAtTheEnd(theirs);
            let mut shift = Shift::new(&rules, &mut crew, Some(&closed.0));
            let mut listener = |number, news| {
                listener(number, news);
                ControlFlow::Continue(())
            };
            shift.take(first.0, first.1, &mut listener);
            shift.run_until_closed(&mut listener);
            keep(crew);
        };
        thread::Builder::new().name("scheduler".to_owned()).spawn(live).map_err(unwatched)?;
        Ok(Self(inbox))
    }

    /// Gives it one more order, or gives that back if there is no loop any more.
    pub(crate) fn give(&self, ticket: Ticket, order: Order) -> Result<(), Box<Order>> {
        match self.0.say(Instruction::Take(ticket, Box::new(order))) {
            Err(Instruction::Take(_, order)) => Err(order),
            _ => Ok(()),
        }
    }

    /// Has it give up an order.
    pub(crate) fn end(&self, ticket: Ticket, means: Means) {
        // Where there is no loop any more, it has been carried out.
        let _ = self.0.say(Instruction::End(ticket, means));
    }
}

struct ClosedAtTheEnd(Arc<Inbox>);

impl Drop for ClosedAtTheEnd {
    fn drop(&mut self) {
        self.0.close();
    }
}
