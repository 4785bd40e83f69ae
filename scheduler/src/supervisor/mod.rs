//! Has orders carried out, so many at a time, each to its outcome.

mod attempts;
mod diagnosis;
mod event_loop;
mod excerpt;
mod job_run;
mod job_spec;
mod list_thread;
mod mailbox;
mod queue;
mod spawn_loop;
mod state_machine;
mod token;
mod updates;
mod warden;
mod warden_pool;

use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use job_spec::JobSpec;
pub(crate) use list_thread::ListThread;
pub(crate) use mailbox::StopMode;
pub(crate) use queue::QueueKey;
pub(crate) use spawn_loop::SpawnLoop;
pub(crate) use state_machine::StopReason;
pub use token::CancelToken;
pub(crate) use updates::{JobUpdate, LatestUpdates};
pub(crate) use warden_pool::{SharedPool, WardenPool};

use crate::error::Error;
use crate::options::OnFailure;
use crate::outcome::Attempt;
use crate::process::Origin;
use crate::record::RunReport;
use event_loop::{EventLoop, Listener};
use mailbox::Mailbox;

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
    pub(crate) detail: EventDetail,
}

/// What whoever gave the orders wants to hear of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventDetail {
    FinishedOnly,
    All,
}

/// What is told of an order.
#[derive(Debug)]
pub(crate) enum JobEvent {
    /// It waits for its turn.
    Queued,
    /// The function was called, in this process, if that is known.
    Started { attempt: u32, process: Option<u32> },
    /// This attempt has something to tell, which is on the board.
    Posted { attempt: u32, board: LatestUpdates },
    /// An attempt is over; where another one follows, it does after this time.
    Ended { attempt: Attempt, retry_in: Option<Duration> },
    /// It is over. This is told once of every order, and is the last that is told of it.
    Over(RunReport),
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
            detail: EventDetail::FinishedOnly,
        }
    }
}

/// Has `specs` carried out, and tells what becomes of each, by its place.
///
/// After `listener` has answered `Break` none is started any more: those that run go on to their ends, and of the others
/// it is told that they are cancelled.
///
/// # Errors
///
/// Fails, before any is started, if there is no way to be told of a cancelled token; and later, where the listener has forked
/// this process, in the fork.
pub(crate) fn supervise(
    specs: Vec<JobSpec>,
    pool: &mut WardenPool,
    rules: &Rules,
    mut listener: impl FnMut(usize, JobEvent) -> ControlFlow<()>,
) -> Result<(), Error> {
    let origin = Origin::here();
    let mailbox = rules.token.as_ref().map(listening_to).transpose();
    let mailbox = mailbox.map_err(|error| Error::internal("listen to a token", error))?;
    let mut shift = EventLoop::new(rules, pool, mailbox.as_deref());
    take_all(&mut shift, specs, &mut listener);
    shift.run(&mut listener);
    if origin.is_here() { Ok(()) } else { Err(Error::forked()) }
}

/// Returns a new inbox, into which the token speaks.
fn listening_to(token: &CancelToken) -> io::Result<Arc<Mailbox>> {
    let mailbox = Arc::new(Mailbox::new()?);
    token.tell(&mailbox);
    Ok(mailbox)
}

fn take_all(shift: &mut EventLoop<'_>, specs: Vec<JobSpec>, listener: &mut Listener<'_>) {
    for (number, spec) in specs.into_iter().enumerate() {
        shift.take(spec.key(number), spec, listener);
    }
}

/// Has one order carried out.
pub(crate) fn supervise_one(spec: JobSpec, pool: &mut WardenPool) -> RunReport {
    let mut finished = None;
    let supervised = supervise(vec![spec], pool, &Rules::of_one(), |_, event| {
        if let JobEvent::Over(over) = event {
            finished = Some(over);
        }
        ControlFlow::Continue(())
    });
    supervised.expect("nothing is needed where there is no token");
    finished.expect("of every order it is told that it is over")
}
