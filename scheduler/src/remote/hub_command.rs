//! `HubCommand`: what the thread of a hub is sent. `HubSettings`: what its slots are like.

use std::ffi::OsString;
use std::time::Duration;

use super::engine::{EngineSettings, Slot};
use crate::launcher::Launcher;
use crate::options::{Containment, StartMethod};
use crate::supervisor::{RemoteCommand, RemoteId, RemoteOrder};

/// What a hub does.
#[derive(Debug)]
pub(super) enum HubCommand {
    Submit(Box<RemoteOrder>),
    Pass(RemoteId, RemoteCommand),
    /// Open all slots.
    Open(HubSettings),
    Configure(HubSettings),
    Close,
}

/// The settings of a scheduler, as far as its slots need them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HubSettings {
    /// The most slots.
    pub(super) limit: usize,
    pub(super) launcher: Launcher,
    /// What the names of the slots begin with.
    pub(super) name: String,
    /// The path of this binary.
    pub(super) own_program: OsString,
    pub(super) lease: Duration,
    pub(super) start_method: StartMethod,
    pub(super) standby: usize,
    pub(super) containment: Containment,
    pub(super) start_timeout: Duration,
}

impl HubSettings {
    /// Returns the slot at this place.
    pub(super) fn slot(&self, index: usize, engine: &EngineSettings) -> Slot {
        let number = index + 1;
        Slot {
            number,
            name: format!("{}-{number}", self.name),
            launcher: self.launcher,
            program: engine.program.clone().unwrap_or_else(|| self.own_program.clone()),
        }
    }
}
