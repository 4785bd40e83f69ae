//! `SlotPool`: the slots of a scheduler, as its event loops use them.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::engine::Engine;
use super::hub::Hub;
use super::hub_command::{HubCommand, HubSettings};
use super::lease;
use crate::error::Error;
use crate::launcher;
use crate::outcome::Failure;
use crate::process::{self, PerProcess};
use crate::random::random_bytes;
use crate::record::RunReport;
use crate::supervisor::{RemoteCommand, RemoteEvent, RemoteId, RemoteOrder, RemoteSlots, SlotsConfig};
use crate::sync::lock;

/// The slots of one engine. Each fork of the process has its own.
pub(crate) struct SlotPool {
    engine: Arc<dyn Engine>,
    state: PerProcess<Mutex<SlotPoolState>>,
}

#[derive(Debug, Default)]
struct SlotPoolState {
    settings: Option<HubSettings>,
    /// The thread, once a run was ordered.
    hub: Option<Hub>,
    name: Option<String>,
}

impl SlotPool {
    pub(crate) fn new(engine: impl Engine) -> Self {
        Self { engine: Arc::new(engine), state: PerProcess::default() }
    }

    /// Does something with the thread, which is started if need be.
    fn with_hub(&self, with: impl FnOnce(&Hub)) -> Result<(), String> {
        let mut state = lock(self.state.here());
        if state.hub.is_none() {
            let settings = state.settings.clone().ok_or("a fork of the application has no slots")?;
            let hub = Hub::start(Arc::clone(&self.engine), settings);
            state.hub = Some(hub.map_err(|error| format!("the thread for slots could not be started: {error}"))?);
        }
        if let Some(hub) = &state.hub {
            with(hub);
        }
        Ok(())
    }
}

impl SlotPoolState {
    /// Returns the settings of the hub for this configuration.
    fn settings(&mut self, config: &SlotsConfig, lease: Duration) -> HubSettings {
        let name = self.name.get_or_insert_with(|| {
            let [a, b, ..] = random_bytes();
            format!("scheduler-{}-{a:02x}{b:02x}", std::process::id())
        });
        HubSettings {
            limit: config.limit,
            launcher: config.launcher,
            name: name.clone(),
            own_program: launcher::own_path().into_os_string(),
            lease,
            start_method: config.start_method,
            standby: config.standby,
            containment: config.containment,
            start_timeout: config.start_timeout,
        }
    }
}

impl RemoteSlots for SlotPool {
    fn check(&self) -> Result<(), Error> {
        if !process::SLOTS_EXIST {
            let error = std::io::Error::from(std::io::ErrorKind::Unsupported);
            return Err(Error::internal("run jobs at slots, which exist on Unix only", error));
        }
        self.engine.settings().check()?;
        self.engine.problem().map_or(Ok(()), |problem| Err(Error::invalid_setting(problem)))
    }

    fn configure(&self, config: &SlotsConfig) {
        let mut state = lock(self.state.here());
        let settings = state.settings(config, self.engine.settings().lease);
        if state.settings.as_ref() != Some(&settings) {
            state.settings = Some(settings.clone());
            state.hub.iter().for_each(|hub| hub.send(HubCommand::Configure(settings.clone())));
        }
    }

    fn longest_life(&self) -> Duration {
        lease::longest_life(self.engine.settings().lease)
    }

    fn open(&self, config: &SlotsConfig) -> Result<(), Error> {
        self.configure(config);
        let settings = lock(self.state.here()).settings.clone();
        let Some(settings) = settings else { return Ok(()) };
        let opened = self.with_hub(|hub| hub.send(HubCommand::Open(settings)));
        opened.map_err(|problem| Error::internal("open slots", std::io::Error::other(problem)))
    }

    fn submit(&self, order: RemoteOrder) {
        let events = order.events.clone();
        if let Err(reason) = self.with_hub(|hub| hub.submit(Box::new(order))) {
            let report = RunReport::not_begun(Failure::NeverStarted { reason });
            events.send(RemoteEvent::Finished(Box::new(report)));
        }
    }

    fn command(&self, run: RemoteId, command: RemoteCommand) {
        // Without a thread there is no run.
        if let Some(hub) = &lock(self.state.here()).hub {
            hub.send(HubCommand::Pass(run, command));
        }
    }
}

impl fmt::Debug for SlotPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SlotPool").field(&self.engine).finish()
    }
}
