//! `SlotPlace`: one slot, with the connection to its agent and the run that it has.

use std::time::{Duration, SystemTime};

use super::link::Link;
use crate::clock::{self, Deadline, Stopwatch};
use crate::outcome::{Failure, Sweep};
use crate::process::ClientStream;
use crate::record::{RunReport, Site};
use crate::supervisor::{RemoteCommand, RemoteOrder};

/// The time between two looks whether a client has exited.
const EXIT_CHECK: Duration = Duration::from_millis(5);

/// A slot.
#[derive(Debug)]
pub(super) struct SlotPlace {
    pub(super) state: State,
    /// How often in a row it has failed to open, or was lost before it had run anything.
    pub(super) failed: u32,
    /// When it is looked at next.
    pub(super) looked_at: Deadline,
}

#[derive(Debug)]
pub(super) enum State {
    /// It may be opened from then on.
    Closed(Deadline),
    /// Its client was started, and no agent has answered.
    Opening(Box<Opening>),
    /// Its agent is there.
    Open(Box<Open>),
}

#[derive(Debug)]
pub(super) struct Opening {
    pub(super) link: Link,
    pub(super) since: Stopwatch,
    pub(super) until: Deadline,
    /// Its connection has ended; until then its client may say why.
    pub(super) ended: Option<Deadline>,
}

#[derive(Debug)]
pub(super) struct Open {
    pub(super) link: Link,
    pub(super) site: Site,
    pub(super) allocation: Option<String>,
    pub(super) run: Option<SlotRun>,
    /// It has run something.
    pub(super) is_proven: bool,
}

/// The run of an open slot.
#[derive(Debug)]
pub(super) struct SlotRun {
    pub(super) order: RemoteOrder,
    pub(super) since: Stopwatch,
    /// When its function was called, and in which process.
    pub(super) started: Option<(SystemTime, Option<u32>)>,
}

/// A run that waits for a slot, with the commands that came meanwhile.
#[derive(Debug)]
pub(super) struct WaitingRun {
    pub(super) order: RemoteOrder,
    pub(super) commands: Vec<RemoteCommand>,
}

impl State {
    /// Returns the connection, if there is one.
    pub(super) fn link(&mut self) -> Option<&mut Link> {
        match self {
            Self::Closed(_) => None,
            Self::Opening(opening) => Some(&mut opening.link),
            Self::Open(open) => Some(&mut open.link),
        }
    }

    /// Returns when something is to be done about it.
    pub(super) fn due(&self) -> Deadline {
        match self {
            Self::Closed(_) => Deadline::NEVER,
            Self::Opening(opening) => match opening.ended {
                // The exit of its client is the last that is awaited, and nothing reports it.
                Some(ended) if !opening.link.client.has(ClientStream::Errors) => {
                    ended.earlier(Deadline::after(EXIT_CHECK))
                }
                ended => ended.unwrap_or(opening.until),
            },
            Self::Open(open) => open.link.lease.silent_by(),
        }
    }
}

impl SlotRun {
    /// Returns the report of a run whose slot was lost.
    ///
    /// No job of it can be alive when `gone_by` has passed.
    pub(super) fn lost(&self, site: &Site, gone_by: Deadline, reason: String) -> RunReport {
        let end = clock::wall() + gone_by.remaining().unwrap_or_default();
        let Site { host, slot } = site;
        let mut report =
            RunReport::not_begun(Failure::Lost { host: host.to_string(), slot: *slot, begun: true, end, reason });
        report.duration = self.since.elapsed();
        let details = &mut report.details;
        details.started_at = self.started.map(|(at, _)| at);
        details.process = self.started.and_then(|(_, process)| process);
        details.sweep = Sweep::Unproved { killed: 0 };
        details.site = Some(site.clone());
        details.gone_by = Some(gone_by);
        report
    }
}
