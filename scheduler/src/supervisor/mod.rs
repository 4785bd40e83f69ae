//! Runs orders, so many at a time, each to its outcome, in one loop that waits for all of them.

mod certificate;
mod run;
mod step;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::time::Duration;

pub(crate) use run::{Finished, Order};

use crate::clock::Deadline;
use crate::launcher::Launcher;
use crate::process;
use run::Run;

/// Runs `orders` in their order, up to `concurrency` at a time, and tells of each, by its place, once it is over.
///
/// After `finished` has answered `Break`, none is started any more; those that run go on to their ends.
pub(crate) fn supervise(
    orders: impl IntoIterator<Item = Order>,
    launcher: Launcher,
    concurrency: NonZeroUsize,
    mut finished: impl FnMut(usize, Finished) -> ControlFlow<()>,
) {
    let mut waiting = orders.into_iter().enumerate();
    let mut running: Vec<(usize, Run)> = Vec::new();
    let mut stopped = false;
    loop {
        while !stopped && running.len() < concurrency.get() {
            let Some((index, order)) = waiting.next() else {
                break;
            };
            match Run::start(order, launcher) {
                Ok(run) => running.push((index, run)),
                Err(error) => stopped |= finished(index, Finished::without_a_process(&error)).is_break(),
            }
        }
        if running.is_empty() {
            return;
        }
        let never = Deadline::after(Duration::MAX);
        let next = running.iter().map(|(_, run)| run.deadline()).fold(never, Deadline::earlier);
        let ready = process::wait(running.iter().map(|(_, run)| &run.worker), next);
        for ((_, run), ready) in running.iter_mut().zip(ready) {
            run.advance(ready);
        }
        for (index, run) in running.extract_if(.., |(_, run)| run.is_done()) {
            stopped |= finished(index, run.conclude()).is_break();
        }
    }
}
