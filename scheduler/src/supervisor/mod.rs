//! Runs orders, so many at a time, each to its outcome, in one loop that waits for all of them.

mod certificate;
mod crew;
mod order;
mod run;
mod step;
mod warden;
mod watch;

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

pub(crate) use crew::{Crew, Quarters};
pub(crate) use order::{Finished, Order};
pub(crate) use watch::Watch;

use crate::clock::Deadline;
use crate::process::{self, Doorbell};
use run::Run;

/// How long the warden's own process may take to end, told to or killed.
const REAP_LIMIT: Duration = Duration::from_secs(1);

/// Runs `orders` in their order, up to `concurrency` at a time, and tells of each, by its place, once it is over.
///
/// After `finished` has answered `Break`, none is started any more; those that run go on to their ends. Once the doorbell
/// rings none is started either, and the time of those that run is over.
pub(crate) fn supervise(
    orders: Vec<Order>,
    crew: &mut Crew,
    concurrency: NonZeroUsize,
    mut doorbell: Option<&Doorbell>,
    mut finished: impl FnMut(usize, Finished) -> ControlFlow<()>,
) {
    let mut queue = Queue { waiting: orders.into_iter().enumerate().collect(), prepared: VecDeque::new() };
    let mut running: Vec<(usize, Run)> = Vec::new();
    let (mut stopped, mut full) = (false, false);
    loop {
        if doorbell.take_if(|doorbell| doorbell.is_rung()).is_some() {
            stopped = true;
            for (_, run) in &mut running {
                run.cut_short();
            }
        }
        while !stopped && !full && !doorbell.is_some_and(Doorbell::is_rung) && running.len() < concurrency.get() {
            match queue.call_next(crew) {
                Some((index, Ok(run))) => running.push((index, run)),
                Some((index, Err((order, error)))) if !running.is_empty() && process::lacks_room(&error) => {
                    queue.waiting.push_front((index, order));
                    full = true;
                }
                Some((index, Err((_, error)))) => {
                    stopped |= finished(index, Finished::without_a_process(&error)).is_break();
                }
                None => break,
            }
        }
        if running.is_empty() {
            break;
        }
        if !stopped && !full {
            queue.look_ahead(running.iter().filter(|(_, run)| run.is_up()).count(), crew);
        }
        let next = running.iter().map(|(_, run)| run.deadline());
        let interests = running.iter().map(|(_, run)| run.interests());
        let next = next.fold(crew.deadline(), Deadline::earlier);
        let ready = process::wait(interests.chain(crew.interests()), doorbell, next);
        for ((_, run), ready) in running.iter_mut().zip(ready) {
            run.advance(ready);
        }
        crew.see_off();
        for (index, run) in running.extract_if(.., |(_, run)| run.is_done()) {
            full = false;
            if !stopped && run.was_gone_before_the_call() {
                queue.prepared.push_front((index, run));
                continue;
            }
            stopped |= finished(index, run.conclude(crew)).is_break();
        }
    }
    queue.abandon(crew);
    crew.settle();
}

/// Runs one order to its end.
pub(crate) fn supervise_one(order: Order, crew: &mut Crew) -> Finished {
    let mut finished = None;
    supervise(vec![order], crew, NonZeroUsize::MIN, None, |_, over| {
        finished = Some(over);
        ControlFlow::Continue(())
    });
    finished.expect("every order is finished before `supervise` returns")
}

/// A run, or an order for which there is no process, and why not.
type Called = Result<Run, (Order, io::Error)>;

/// The orders that have not been called yet.
struct Queue {
    waiting: VecDeque<(usize, Order)>,
    /// The first of them, whose processes have been made.
    prepared: VecDeque<(usize, Run)>,
}

impl Queue {
    /// Has the next one called, and returns it with its place.
    fn call_next(&mut self, crew: &mut Crew) -> Option<(usize, Called)> {
        let (index, order) = match self.prepared.pop_front() {
            Some((index, mut run)) if run.can_be_called() => {
                run.call(crew);
                return Some((index, Ok(run)));
            }
            // Nothing of the function has run, so that it can be tried once more.
            Some((index, run)) => (index, run.abandon(crew)),
            None => self.waiting.pop_front()?,
        };
        let called = match Run::prepare(order.clone(), crew) {
            Ok(mut run) => {
                run.call(crew);
                Ok(run)
            }
            Err(error) => Err((order, error)),
        };
        Some((index, called))
    }

    /// Makes the processes of up to so many of the next ones, so that their start is hidden behind those that run.
    fn look_ahead(&mut self, runs: usize, crew: &mut Crew) {
        // With one core there is nothing to hide behind.
        let wanted = if *CORES < 2 { 0 } else { runs.min(*CORES) };
        while self.prepared.len() < wanted {
            let Some((index, order)) = self.waiting.front() else {
                return;
            };
            // What fails now may succeed when its turn has come, and if not, that is told then.
            let Ok(mut run) = Run::prepare(order.clone(), crew) else {
                return;
            };
            run.was_prepared = true;
            self.prepared.push_back((*index, run));
            self.waiting.pop_front();
        }
    }

    /// Gives up on those that won't be called any more.
    fn abandon(&mut self, crew: &mut Crew) {
        for (_, run) in self.prepared.drain(..) {
            run.abandon(crew);
        }
    }
}

/// How many cores this process may use: the kernel is asked once, in a dozen calls.
static CORES: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, NonZeroUsize::get));
