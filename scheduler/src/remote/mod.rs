//! Jobs on other machines: slots behind Slurm, `ssh` or any command, and the agents there.
//!
#![doc = include_str!("../docs/remote.md")]

mod agent;
mod agent_link;
mod command;
mod ending;
mod engine;
mod failures;
mod fingerprint;
mod frame;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
mod hub;
mod hub_command;
mod incoming;
mod lease;
mod link;
mod message;
mod opening;
mod outbox;
mod passed_on;
mod place;
mod places;
mod slot_pool;
mod slots;
mod slurm;
mod ssh;

pub use command::Command;
pub use engine::{Engine, Slot};
pub(crate) use slot_pool::SlotPool;
pub use slurm::Slurm;
pub use ssh::Ssh;
