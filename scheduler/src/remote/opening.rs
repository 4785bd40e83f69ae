//! How the slots are opened, and what follows if one of them isn't.

use std::time::Duration;

use super::failures::{FailureKind, delay};
use super::lease::SeenLease;
use super::link::{self, Link};
use super::place::{Opening, State};
use super::slots::{ERRORS, HubSlots, OUTPUT, finish};
use crate::clock::{Deadline, Stopwatch};
use crate::escape::OneLine;
use crate::outcome::Failure;
use crate::process::{Client, ClientStream};
use crate::record::RunReport;

impl HubSlots {
    /// Opens this many slots more: those that may be opened at this moment, and have failed least often, with the lowest numbers.
    pub(super) fn open(&mut self, count: usize, now: Deadline) {
        // Not the one where the next run was lost, whose machine may be out of reach.
        let lost = self.waiting.front().and_then(|next| next.order.spec.avoided_slot);
        let avoided = lost.filter(|_| self.settings.limit > 1);
        let closed = self.places.closed_below(self.settings.limit).filter(|number| Some(number + 1) != avoided);
        let mut closed: Vec<_> = closed.filter(|number| self.places.may_open(*number, now)).collect();
        // Another one may be on another machine.
        closed.sort_by_key(|number| self.places.failed(*number));
        for number in closed.into_iter().take(count) {
            while self.places.len() <= number {
                self.places.push();
            }
            self.open_one(number);
        }
    }

    fn open_one(&mut self, number: usize) {
        let slot = self.slot(number);
        let argv = self.engine.client(&slot);
        let Some((program, arguments)) = argv.split_first() else {
            return self.fail_opening(number, FailureKind::Start, "the command for the slot is empty");
        };
        match Client::start(program, arguments) {
            Ok(client) => {
                let engine = self.engine.settings();
                let until = Deadline::after(engine.queue_limit.saturating_add(engine.hello_limit));
                let id = self.next_link;
                self.next_link += 1;
                let link = Link::new(id, client, SeenLease::new(engine.lease));
                self.links.insert(id, number);
                self.poller.add(id * 4 + OUTPUT, &link.client, ClientStream::Output);
                self.poller.add(id * 4 + ERRORS, &link.client, ClientStream::Errors);
                let since = Stopwatch::start();
                self.places.replace(number, State::Opening(Box::new(Opening { link, since, until, ended: None })));
            }
            Err(error) => {
                self.fail_opening(number, FailureKind::Start, &link::describe_start(program, &error));
            }
        }
    }

    /// Gives a slot up whose connection has ended before an agent answered, once its client has said why.
    pub(super) fn check_opening(&mut self, number: usize) {
        let limit = self.engine.settings().queue_limit;
        let State::Opening(opening) = &mut self.places[number].state else { return };
        let Some(until) = opening.ended else { return };
        let has_spoken = !opening.link.client.has(ClientStream::Errors) && opening.link.client.end().is_some();
        if has_spoken || until.is_past() {
            let (reason, kind) = ended_opening(opening, limit);
            self.lose(number, &reason, kind);
        } else {
            self.places.schedule(number);
        }
    }

    /// Notes that a slot has not opened, or was lost before it had run anything.
    pub(super) fn fail_opening(&mut self, number: usize, kind: FailureKind, reason: &str) {
        self.places[number].failed += 1;
        let from = Deadline::after(delay(self.places[number].failed));
        self.places.replace(number, State::Closed(from));
        let slot = self.slot(number);
        let place = self.engine.place(&slot).map(|place| format!(" ({})", OneLine(&place))).unwrap_or_default();
        let reason = format!("slot {}{place}: {reason}", slot.number);
        // One that opens meanwhile may be on another machine.
        if self.failures.add(kind, &reason) && !self.places.may_run_jobs() {
            self.refuse_all(&reason);
        }
    }

    /// Ends all runs that wait: no slot opens.
    pub(super) fn refuse_all(&mut self, reason: &str) {
        let reason = format!("no slot opens on another machine: {reason}");
        for waiting in std::mem::take(&mut self.waiting) {
            finish(&waiting.order, RunReport::not_begun(Failure::NeverStarted { reason: reason.clone() }));
        }
    }
}

/// Returns why a slot hasn't opened whose client has ended, and what kind of a failure that is.
fn ended_opening(opening: &mut Opening, queue_limit: Duration) -> (String, FailureKind) {
    let reason = link::describe_exit(&mut opening.link.client);
    if !queue_limit.is_zero() && opening.since.elapsed() >= queue_limit {
        let reason = format!("it was not granted within its queue limit of {queue_limit:?}: {reason}");
        return (reason, FailureKind::NotGranted);
    }
    (reason, FailureKind::Ended)
}
