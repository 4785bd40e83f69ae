//! Has orders carried out, so many at a time, each to its outcome.

mod attempts;
mod certificate;
mod crew;
mod excerpt;
mod inbox;
mod note;
mod order;
mod queue;
mod residence;
mod run;
mod shift;
mod step;
mod token;
mod warden;
mod watch;

use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use crew::{Crew, Quarters};
pub(crate) use inbox::Means;
pub(crate) use note::{Board, Note};
pub(crate) use order::{Finished, Order};
pub(crate) use queue::Ticket;
pub(crate) use residence::Residence;
pub(crate) use step::Why;
pub use token::CancelToken;
pub(crate) use watch::Watch;

use crate::attempt::Attempt;
use crate::error::Error;
use crate::options::OnFailure;
use crate::process::Origin;
use inbox::Inbox;
use shift::{Listener, Shift};

/// How long the warden's own process may take to end, told to or killed.
const REAP_LIMIT: Duration = Duration::from_secs(1);

/// What holds for all orders of a list.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// How many run at a time.
    pub(crate) concurrency: NonZeroUsize,
    /// How many of each group do.
    pub(crate) group_limits: Box<[NonZeroUsize]>,
    pub(crate) on_failure: OnFailure,
    /// How long all of them may take together.
    pub(crate) total_timeout: Duration,
    pub(crate) token: Option<CancelToken>,
    pub(crate) hears: Hears,
}

/// What whoever gave the orders wants to hear of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hears {
    Ends,
    Everything,
}

/// What is told of an order.
#[derive(Debug)]
pub(crate) enum News {
    /// It waits for its turn.
    Queued,
    /// The function was called, in this process, if that is known.
    Started { attempt: u32, process: Option<u32> },
    /// This attempt has something to tell, which is on the board.
    Posted { attempt: u32, board: Board },
    /// An attempt is over; where another one follows, it does after this time.
    Ended { attempt: Attempt, retry_in: Option<Duration> },
    /// It is over. This is told once of every order, and is the last that is told of it.
    Over(Finished),
}

impl Rules {
    /// Returns those for one order.
    pub(crate) fn of_one() -> Self {
        Self {
            concurrency: NonZeroUsize::MIN,
            group_limits: Box::default(),
            on_failure: OnFailure::Continue,
            total_timeout: Duration::MAX,
            token: None,
            hears: Hears::Ends,
        }
    }
}

/// Has `orders` carried out, and tells what becomes of each, by its place.
///
/// After `listener` has answered `Break` none is started any more: those that run go on to their ends, and of the others
/// it is told that they are cancelled.
///
/// # Errors
///
/// Fails, before any is started, if there is no way to be told of a cancelled token; and later, where the listener has forked
/// this process, in the fork.
pub(crate) fn supervise(
    orders: Vec<Order>,
    crew: &mut Crew,
    rules: &Rules,
    mut listener: impl FnMut(usize, News) -> ControlFlow<()>,
) -> Result<(), Error> {
    let origin = Origin::here();
    let inbox = rules.token.as_ref().map(listening_to).transpose();
    let inbox = inbox.map_err(|error| Error::machinery("listen to a token", error))?;
    let mut shift = Shift::new(rules, crew, inbox.as_deref());
    take_all(&mut shift, orders, &mut listener);
    shift.run(&mut listener);
    if origin.is_here() { Ok(()) } else { Err(Error::forked()) }
}

/// Returns a new inbox, into which the token speaks.
fn listening_to(token: &CancelToken) -> io::Result<Arc<Inbox>> {
    let inbox = Arc::new(Inbox::new()?);
    token.tell(&inbox);
    Ok(inbox)
}

fn take_all(shift: &mut Shift<'_>, orders: Vec<Order>, listener: &mut Listener<'_>) {
    for (number, order) in orders.into_iter().enumerate() {
        shift.take(order.ticket(number), order, listener);
    }
}

/// Has one order carried out.
pub(crate) fn supervise_one(order: Order, crew: &mut Crew) -> Finished {
    let mut finished = None;
    let supervised = supervise(vec![order], crew, &Rules::of_one(), |_, news| {
        if let News::Over(over) = news {
            finished = Some(over);
        }
        ControlFlow::Continue(())
    });
    supervised.expect("nothing is needed where there is no token");
    finished.expect("of every order it is told that it is over")
}
