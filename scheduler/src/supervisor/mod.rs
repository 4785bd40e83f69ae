//! The supervisor: runs jobs, several at a time, each with all of its limits, and reports what happens to them.
//!
//! `README.md` in this folder explains it.

mod active_runs;
mod activity;
#[cfg(feature = "remote")]
mod agent_loop;
mod attempts;
mod capacity;
mod deadlines;
mod diagnosis;
mod event_loop;
mod excerpt;
mod execution;
mod exiting;
mod job_event;
mod job_run;
mod job_spec;
mod list_events;
mod list_thread;
mod load;
mod loop_config;
mod loop_thread;
mod mailbox;
mod messages;
mod place;
mod pool_settings;
mod prespawn;
mod question;
mod queue;
#[cfg(feature = "remote")]
mod remote_event;
#[cfg(feature = "remote")]
mod remote_run;
mod shared_pool;
mod slots;
mod spawn_loop;
mod starting;
mod state_machine;
mod task_waker;
mod token;
mod token_watchers;
mod updates;
mod warden_handle;
mod warden_pool;

use std::ops::ControlFlow;

use crate::error::Error;
use crate::process::Origin;
use crate::record::RunReport;
#[cfg(feature = "remote")]
pub(crate) use agent_loop::AgentLoop;
pub(crate) use capacity::CapacityLimits;
use event_loop::EventLoop;
pub(crate) use job_event::{EventDetail, JobEvent, PartEvent};
pub(crate) use job_spec::{JobSpec, KeptSlots, NextPart, Sequel};
pub(crate) use list_events::{ListEvent, Records};
pub(crate) use list_thread::{ListThread, Submissions};
pub(crate) use loop_config::{LoopConfig, OnSuccess};
pub(crate) use messages::{JobMessages, MOST_BYTES, MOST_MESSAGES, Unsendable};
pub(crate) use pool_settings::PoolSettings;
pub(crate) use question::Question;
pub(crate) use queue::QueueKey;
#[cfg(feature = "remote")]
pub(crate) use remote_event::{RemoteCommand, RemoteEvent, RemoteId};
#[cfg(feature = "remote")]
pub(crate) use remote_run::{LoopSlots, RemoteOrder, RemoteSlots, SlotsConfig};
pub(crate) use shared_pool::SharedPool;
pub(crate) use spawn_loop::SpawnLoop;
pub(crate) use state_machine::{StopMode, StopReason};
pub use token::CancelToken;
use token::subscribed_mailbox;
pub(crate) use updates::JobUpdate;
pub(crate) use warden_pool::WardenPool;

/// Runs `specs` on this thread, and reports their events with their indices.
///
/// After `listener` has returned `Break` no further job starts: the running ones finish, and the others are reported as
/// cancelled.
///
/// # Errors
///
/// Fails before any job starts if the token can't be subscribed to, or if a required fork server can't be made; and later, in a fork of this process, if the listener
/// has forked it.
pub(crate) fn supervise(
    specs: Vec<JobSpec>,
    pool: &mut WardenPool,
    config: &LoopConfig,
    mut listener: impl FnMut(usize, JobEvent) -> ControlFlow<()>,
) -> Result<(), Error> {
    let origin = Origin::here();
    let mailbox = config.token.as_ref().map(|token| subscribed_mailbox(Some(token))).transpose();
    let mailbox = mailbox.map_err(|error| Error::internal("subscribe to a token", error))?;
    let mut event_loop = EventLoop::new(config, pool, mailbox.as_ref());
    event_loop.submit_all(specs, &mut listener);
    event_loop.run(&mut listener)?;
    if origin.is_here() { Ok(()) } else { Err(Error::forked()) }
}

/// Runs a single job on this thread.
pub(crate) fn supervise_one(spec: JobSpec, pool: &mut WardenPool) -> RunReport {
    let mut report = None;
    let supervised = supervise(vec![spec], pool, &LoopConfig::for_one_job(), |_, event| {
        if let JobEvent::Finished(finished) = event {
            report = Some(finished);
        }
        ControlFlow::Continue(())
    });
    supervised.expect("there is no token, no fork server is required, and this listener doesn't fork");
    report.expect("every job finishes once")
}
