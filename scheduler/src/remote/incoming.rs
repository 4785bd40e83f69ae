//! What the messages of agents mean for their slots.

use std::sync::Arc;

use super::failures::FailureKind;
use super::fingerprint;
use super::frame::{Message, MessageKind};
use super::lease;
use super::link;
use super::message::{self, AgentHello, QuestionMessage, StartedMessage, Update, Welcome, decode};
use super::place::{Open, Opening, State};
use super::slots::{HubSlots, finish};
use crate::clock::Deadline;
use crate::record::Site;
use crate::supervisor::{RemoteEvent, RemoteId};

/// Why a connection is given up.
type Refusal = (FailureKind, String);

impl HubSlots {
    /// Handles a message of a slot's agent.
    pub(super) fn handle_message(&mut self, number: usize, message: Message) -> Result<(), Refusal> {
        match (&mut self.places[number].state, message.kind) {
            (State::Opening(_), MessageKind::Hello) => self.welcome(number, &message.payload),
            (State::Open(_), MessageKind::Beat) => {
                // An empty one answers an echo.
                if !message.payload.is_empty() {
                    self.echo(number, message.payload);
                }
                Ok(())
            }
            (State::Open(_), MessageKind::Expired) => Err((
                FailureKind::Left,
                "it has heard nothing of the application for the length of its lease".to_owned(),
            )),
            (State::Open(_), _) => self.handle_run_message(number, message),
            _ => Err(unexpected(message.kind)),
        }
    }

    /// Accepts an agent, unless it is of another build.
    fn welcome(&mut self, number: usize, payload: &[u8]) -> Result<(), Refusal> {
        let hello: AgentHello = decode(payload).ok_or_else(|| unexpected(MessageKind::Hello))?;
        let state = self.places.replace(number, State::Closed(Deadline::NEVER));
        let State::Opening(opening) = state else {
            self.places.replace(number, state);
            return Err(unexpected(MessageKind::Hello));
        };
        let Opening { mut link, since, until, ended } = *opening;
        if hello.build != fingerprint::of_this_build() {
            let reason = format!(
                "the binary on {} is another build than this one; copy this one there, to the path that the engine's `program` sets",
                hello.host
            );
            link.send(MessageKind::Refuse, 0, b"the application is another build".to_vec());
            self.places.replace(number, State::Opening(Box::new(Opening { link, since, until, ended })));
            return Err((FailureKind::OtherBuild, reason));
        }
        let settings = &self.settings;
        let lease = settings.lease;
        let welcome = Welcome {
            session: link::new_session(),
            lease,
            beat: lease::beat(lease),
            echo: hello.now,
            start_method: settings.start_method,
            standby: settings.standby,
            containment: settings.containment,
            start_timeout: settings.start_timeout,
        };
        let site = Site { host: Arc::from(&*hello.host), slot: number + 1 };
        let open = Open { link, site, allocation: hello.allocation, run: None, is_proven: false };
        self.places.replace(number, State::Open(Box::new(open)));
        self.send(number, |link| {
            link.lease.echoes();
            link.begin_session(&welcome)
        });
        if matches!(self.places[number].state, State::Open(_)) {
            self.failures.clear();
            self.idle.insert(number);
        }
        Ok(())
    }

    /// Returns an agent's time to it, by which it renews its lease.
    fn echo(&mut self, number: usize, time: Vec<u8>) {
        self.send(number, |link| {
            link.lease.echoes();
            link.send(MessageKind::Beat, 0, time)
        });
    }

    fn handle_run_message(&mut self, number: usize, Message { kind, run, payload }: Message) -> Result<(), Refusal> {
        let State::Open(open) = &mut self.places[number].state else { return Ok(()) };
        let Some(current) = open.run.as_mut().filter(|current| current.order.id == RemoteId(run)) else {
            return Err((
                FailureKind::Foreign,
                format!("a message of kind {kind:?} is about a run that it doesn't have"),
            ));
        };
        let unreadable = || (FailureKind::Foreign, format!("a message of kind {kind:?} can't be read"));
        let event = match kind {
            MessageKind::Started => {
                let StartedMessage { at, process } = decode(&payload).ok_or_else(unreadable)?;
                current.started = Some((at, process));
                RemoteEvent::Started { at, process, site: open.site.clone() }
            }
            MessageKind::Updates => {
                let updates: Vec<Update> = decode(&payload).ok_or_else(unreadable)?;
                RemoteEvent::Updated(updates.into_iter().map(Into::into).collect())
            }
            MessageKind::Question => {
                let QuestionMessage { number, question } = decode(&payload).ok_or_else(unreadable)?;
                RemoteEvent::Asked(number, question)
            }
            MessageKind::Received => RemoteEvent::Received(decode(&payload).ok_or_else(unreadable)?),
            MessageKind::Outcome => {
                let mut report = message::report_of(&payload)
                    .map_err(|problem| (FailureKind::Foreign, format!("its outcome can't be read: {problem}")))?;
                report.details.site = Some(open.site.clone());
                if let Some(finished) = open.run.take() {
                    finish(&finished.order, report);
                }
                open.is_proven = true;
                self.places[number].failed = 0;
                self.runs.remove(&RemoteId(run));
                self.idle.insert(number);
                return Ok(());
            }
            kind => return Err(unexpected(kind)),
        };
        current.order.events.send(event);
        Ok(())
    }
}

fn unexpected(kind: MessageKind) -> Refusal {
    (FailureKind::Foreign, format!("it has sent a message of kind {kind:?} where none was expected"))
}
