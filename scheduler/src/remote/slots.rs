//! `HubSlots`: the slots of a scheduler and the runs that wait for them, as the thread of the hub has them.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::ending::EndingClients;
use super::engine::{Engine, Slot};
use super::failures::{FailureKind, OpeningFailures, delay};
use super::frame::MessageKind;
use super::hub_command::{HubCommand, HubSettings};
use super::link::{self, Arrival, Link};
use super::message::{Answer, RunRequest, Stop, encode};
use super::passed_on::PassedOn;
use super::place::{Open, SlotRun, State, WaitingRun};
use super::places::Places;
use crate::clock::{Deadline, Stopwatch};
use crate::outcome::Failure;
use crate::process::{ClientStream, StreamPoller};
use crate::record::RunReport;
use crate::supervisor::{RemoteCommand, RemoteEvent, RemoteId, RemoteOrder, StopMode};

/// How long a client whose connection has ended may take to say why.
const LAST_WORDS_LIMIT: std::time::Duration = std::time::Duration::from_secs(1);

/// The streams of a link, in its tokens.
const INPUT: u64 = 0;
pub(super) const OUTPUT: u64 = 1;
pub(super) const ERRORS: u64 = 2;

/// The slots, and what they need.
#[derive(Debug)]
pub(super) struct HubSlots {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) settings: HubSettings,
    pub(super) places: Places,
    /// The number of each place's link: the tokens of its streams are four times that, and one each.
    pub(super) links: HashMap<u64, usize>,
    pub(super) next_link: u64,
    pub(super) idle: BTreeSet<usize>,
    pub(super) runs: HashMap<RemoteId, usize>,
    pub(super) waiting: VecDeque<WaitingRun>,
    /// The thread of the hub has it while it waits: only that thread adds streams and removes them.
    pub(super) poller: StreamPoller,
    /// A slot's client has not taken all of a run that another thread has sent.
    has_unsent: Vec<usize>,
    pub(super) failures: OpeningFailures,
    ending: EndingClients,
    passed_on: PassedOn,
    is_closing: bool,
    buffer: Vec<u8>,
}

/// How much of a run was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Wholly,
    /// The thread of the hub is to send the rest, or to give the slot up.
    Partly,
}

impl HubSlots {
    pub(super) fn new(engine: Arc<dyn Engine>, settings: HubSettings) -> Self {
        Self {
            engine,
            settings,
            places: Places::default(),
            links: HashMap::new(),
            next_link: 0,
            idle: BTreeSet::new(),
            runs: HashMap::new(),
            waiting: VecDeque::new(),
            poller: StreamPoller::new(),
            has_unsent: Vec::new(),
            failures: OpeningFailures::default(),
            ending: EndingClients::default(),
            passed_on: PassedOn::default(),
            is_closing: false,
            buffer: vec![0; 256 << 10],
        }
    }

    /// Returns whether all slots were closed on request.
    pub(super) fn are_closed(&self) -> bool {
        self.is_closing && self.ending.is_empty()
    }

    pub(super) fn handle(&mut self, command: HubCommand) {
        match command {
            HubCommand::Submit(order) => self.waiting.push_back(WaitingRun { order: *order, commands: Vec::new() }),
            HubCommand::Pass(run, command) => self.pass(run, command),
            HubCommand::Open(settings) => {
                self.settings = settings;
                let missing = self.settings.limit.saturating_sub(self.places.connected());
                self.open(missing, Deadline::now());
            }
            HubCommand::Configure(settings) => self.settings = settings,
            HubCommand::Close => self.close(),
        }
    }

    /// Gives the runs that wait to the slots that are idle, and opens as many as are missing and may be opened at this moment.
    pub(super) fn dispatch(&mut self, now: Deadline) {
        for number in std::mem::take(&mut self.has_unsent) {
            self.send(number, Link::flush);
        }
        while let Some(next) = self.waiting.front() {
            let Some(number) = self.idle_for(&next.order) else { break };
            if let Some(next) = self.waiting.pop_front() {
                self.idle.remove(&number);
                self.assign(number, next);
            }
        }
        if self.waiting.is_empty() || self.is_closing {
            return;
        }
        if self.idle.is_empty() || self.waiting.len() > self.idle.len() {
            if let Some(reason) = self.failures.pause().map(str::to_owned).filter(|_| !self.places.may_run_jobs()) {
                return self.refuse_all(&reason);
            }
            let opening = self.places.opening();
            let missing = self.waiting.len().saturating_sub(opening);
            self.open(missing.min(self.settings.limit.saturating_sub(self.places.connected() + opening)), now);
        } else {
            // The only idle slot is the one that the run is to avoid.
            let room = self.settings.limit.saturating_sub(self.places.connected());
            self.open(room.min(1), now);
        }
    }

    /// Gives a run to an idle slot, from any thread.
    ///
    /// # Errors
    ///
    /// Gives it back if others wait, or no slot is idle that may have it.
    pub(super) fn assign_at_once(&mut self, order: Box<RemoteOrder>) -> Result<Sent, Box<RemoteOrder>> {
        let number = if self.waiting.is_empty() { self.idle_for(&order) } else { None };
        let Some(number) = number.filter(|_| !self.is_closing) else { return Err(order) };
        self.idle.remove(&number);
        let is_open = self.give(number, *order);
        if is_open && self.places[number].state.link().is_some_and(|link| !link.is_full()) {
            return Ok(Sent::Wholly);
        }
        self.has_unsent.push(number);
        Ok(Sent::Partly)
    }

    /// Returns the idle slot that a run is given to.
    fn idle_for(&self, order: &RemoteOrder) -> Option<usize> {
        let avoided = order.spec.avoided_slot.filter(|_| self.settings.limit > 1);
        self.idle.iter().copied().find(|number| Some(*number + 1) != avoided)
    }

    /// Gives a run to an idle slot, with the commands that came meanwhile.
    fn assign(&mut self, number: usize, WaitingRun { order, commands }: WaitingRun) {
        let id = order.id;
        let is_open = self.give(number, order);
        self.send(number, |_| is_open);
        for command in commands {
            self.pass(id, command);
        }
    }

    /// Sends a run to an idle slot. Returns `false` if its client reads no more.
    fn give(&mut self, number: usize, order: RemoteOrder) -> bool {
        self.runs.insert(order.id, number);
        let State::Open(open) = &mut self.places[number].state else { unreachable!("an idle slot is open") };
        let (run, request) = (order.id.0, RunRequest::encoded(&order.spec, order.is_watched));
        open.link.forget_words();
        open.run = Some(SlotRun { order, since: Stopwatch::start(), started: None });
        open.link.send(MessageKind::Run, run, request)
    }

    /// Passes a command on to a run, wherever it is.
    fn pass(&mut self, run: RemoteId, command: RemoteCommand) {
        let is_stop = matches!(command, RemoteCommand::Stop(..));
        if let Some(index) = self.waiting.iter().position(|waiting| waiting.order.id == run) {
            if !is_stop {
                self.waiting[index].commands.push(command);
            } else if let Some(waiting) = self.waiting.remove(index) {
                cancel(&waiting.order);
            }
            return;
        }
        let Some(&number) = self.runs.get(&run) else { return };
        let State::Open(open) = &mut self.places[number].state else { return };
        if is_stop && open.link.withdraw(run.0) {
            self.runs.remove(&run);
            self.idle.insert(number);
            open.run.take().iter().for_each(|current| cancel(&current.order));
            return;
        }
        self.send(number, |link| match command {
            RemoteCommand::Stop(reason, mode) => {
                let is_immediate = mode == StopMode::Immediate;
                link.send(MessageKind::Stop, run.0, encode(&Stop { reason, is_immediate }))
            }
            RemoteCommand::Message(message) => link.send(MessageKind::Message, run.0, message),
            RemoteCommand::Answer(number, answer) => {
                link.send(MessageKind::Answer, run.0, encode(&Answer { number, answer }))
            }
        });
    }

    /// Sends something to a slot's agent, as far as there is room, by a function that returns whether the client reads on. If it
    /// doesn't, the slot is lost.
    pub(super) fn send(&mut self, number: usize, send: impl FnOnce(&mut Link) -> bool) {
        let Some(link) = self.places[number].state.link() else { return };
        if send(link) {
            self.await_room(number);
        } else {
            self.lose(number, "its client reads no more", FailureKind::Left);
        }
    }

    /// Returns the slot with this number.
    pub(super) fn slot(&self, number: usize) -> Slot {
        self.settings.slot(number, self.engine.settings())
    }

    /// Waits for room in the input of a slot's client, if something waits for that.
    fn await_room(&mut self, number: usize) {
        let Some(link) = self.places[number].state.link() else { return };
        let token = link.id * 4 + INPUT;
        match (link.is_full(), link.awaits_room) {
            (true, false) => {
                self.poller.add(token, &link.client, ClientStream::Input);
                link.awaits_room = true;
            }
            (false, true) => {
                self.poller.remove(token);
                link.awaits_room = false;
            }
            _ => {}
        }
    }

    /// Returns when something is due, after a [dispatch](Self::dispatch) at this moment.
    pub(super) fn due(&self, dispatched: Deadline) -> Deadline {
        let due = self.places.due().earlier(self.ending.due());
        if self.waiting.is_empty() { due } else { due.earlier(self.places.next_retry(dispatched)) }
    }

    /// Handles what has happened to the streams with these tokens, and what is due.
    pub(super) fn advance(&mut self, ready: Vec<u64>) {
        for token in ready {
            let Some(&number) = self.links.get(&(token / 4)) else { continue };
            match token % 4 {
                INPUT => self.send(number, Link::flush),
                OUTPUT => self.receive(number),
                ERRORS => self.receive_words(number),
                _ => {}
            }
        }
        self.ending.advance(&mut self.buffer);
        for number in self.places.passed() {
            match &self.places[number].state {
                State::Opening(opening) if opening.ended.is_some() => self.check_opening(number),
                state if state.due().is_past() => self.expire(number),
                _ => {}
            }
            self.places.schedule(number);
        }
    }

    /// Handles what a slot's agent has sent.
    fn receive(&mut self, number: usize) {
        let Some(link) = self.places[number].state.link() else { return };
        let arrival = link.receive(&mut self.buffer);
        let (messages, end) = match arrival {
            Arrival::Messages(messages) => (messages, None),
            Arrival::End(messages) => (messages, Some(None)),
            Arrival::Broken(messages, error) => (messages, Some(Some(error))),
        };
        for message in messages {
            // The message before may have had an answer, which the client didn't read.
            if matches!(self.places[number].state, State::Closed(_)) {
                return;
            }
            if let Err((kind, reason)) = self.handle_message(number, message) {
                return self.lose(number, &reason, kind);
            }
        }
        match (end, &mut self.places[number].state) {
            (None, _) | (_, State::Closed(_)) => {}
            (Some(Some(error)), _) => self.lose(number, &error.to_string(), FailureKind::Foreign),
            (Some(None), State::Opening(opening)) => {
                self.poller.remove(opening.link.id * 4 + OUTPUT);
                opening.ended = Some(Deadline::after(LAST_WORDS_LIMIT));
                self.check_opening(number);
            }
            (Some(None), State::Open(open)) => {
                let reason = link::describe_exit(&mut open.link.client);
                // What its client has to say is most likely there by now.
                self.receive_words(number);
                self.lose(number, &reason, FailureKind::Left);
            }
        }
    }

    /// Reads what a slot's client has written to its standard error, and passes it on if an agent is there.
    fn receive_words(&mut self, number: usize) {
        let Self { places, buffer, passed_on, poller, .. } = self;
        let state = &mut places[number].state;
        let is_open = matches!(state, State::Open(_));
        let Some(link) = state.link() else { return };
        let pass_on = |bytes: &[u8]| {
            if is_open {
                passed_on.write(bytes);
            }
        };
        if !link.receive_words(buffer, pass_on) {
            poller.remove(link.id * 4 + ERRORS);
            self.check_opening(number);
        }
    }

    /// Handles that the time of a slot is over.
    fn expire(&mut self, number: usize) {
        match &self.places[number].state {
            State::Closed(_) => {}
            State::Opening(_) => self.lose(number, "no agent has answered in time", FailureKind::Late),
            State::Open(_) => {
                let silence = self.engine.settings().lease;
                self.lose(number, &format!("nothing was heard of it for {silence:?}"), FailureKind::Late);
            }
        }
    }

    /// Gives up the connection of a slot. Its run is lost, unless no part of it was sent.
    pub(super) fn lose(&mut self, number: usize, reason: &str, kind: FailureKind) {
        let from = Deadline::after(delay(self.places[number].failed + 1));
        let state = self.places.replace(number, State::Closed(from));
        self.idle.remove(&number);
        match state {
            State::Closed(_) => {}
            State::Opening(opening) => {
                let mut link = opening.link;
                let reason = link.explained(reason);
                self.release(number, link, None);
                self.fail_opening(number, kind, &reason);
            }
            State::Open(open) => {
                let Open { mut link, site, allocation, run, is_proven } = *open;
                let reason = link.explained(reason);
                if let Some(current) = run {
                    let id = current.order.id;
                    self.runs.remove(&id);
                    if link.withdraw(id.0) {
                        let waiting = WaitingRun { order: current.order, commands: Vec::new() };
                        self.waiting.push_front(waiting);
                    } else {
                        finish(&current.order, current.lost(&site, link.lease.gone_by(), reason.clone()));
                    }
                }
                self.release(number, link, allocation.as_deref());
                if is_proven {
                    self.places[number].failed = 0;
                    self.places.replace(number, State::Closed(Deadline::after(delay(1))));
                } else {
                    self.fail_opening(number, kind, &reason);
                }
            }
        }
    }

    /// Lets the client of a link exit.
    fn release(&mut self, number: usize, link: Link, allocation: Option<&str>) {
        for stream in [INPUT, OUTPUT, ERRORS] {
            self.poller.remove(link.id * 4 + stream);
        }
        self.links.remove(&link.id);
        let clean_up = self.engine.clean_up(&self.slot(number), allocation);
        self.ending.add(link.client, clean_up);
    }

    /// Closes all slots. The jobs that run there are killed.
    fn close(&mut self) {
        self.is_closing = true;
        for waiting in std::mem::take(&mut self.waiting) {
            cancel(&waiting.order);
        }
        for number in 0..self.places.len() {
            match self.places.replace(number, State::Closed(Deadline::NEVER)) {
                State::Closed(_) => {}
                State::Opening(opening) => self.release(number, opening.link, None),
                State::Open(open) => {
                    let Open { mut link, allocation, .. } = *open;
                    link.send(MessageKind::Bye, 0, Vec::new());
                    self.release(number, link, allocation.as_deref());
                }
            }
        }
        self.idle.clear();
    }
}

/// Reports that a run was cancelled before it began.
fn cancel(order: &RemoteOrder) {
    finish(order, RunReport::not_begun(Failure::Cancelled { begun: false }));
}

/// Reports the end of a run.
pub(super) fn finish(order: &RemoteOrder, report: RunReport) {
    order.events.send(RemoteEvent::Finished(Box::new(report)));
}
