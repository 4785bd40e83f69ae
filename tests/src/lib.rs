//! Jobs that behave in every way that a job can, for the tests in `it/` and the programs in `src/bin/`.
//!
//! The code of the project's README is compiled with the documentation of this crate.

pub mod application;
#[cfg(feature = "tokio")]
pub mod async_jobs;
pub mod attempts;
#[cfg(windows)]
pub mod console;
#[cfg(target_os = "linux")]
pub mod crashing;
pub mod delivery;
#[cfg(all(target_os = "linux", feature = "remote"))]
pub mod distributed;
pub mod ending;
pub mod environment;
pub mod exits;
pub mod followed;
#[cfg(unix)]
pub mod forks;
#[cfg(target_os = "linux")]
pub mod going_on;
#[cfg(windows)]
pub mod inherited_handle;
pub mod isolation;
pub mod jobs;
pub mod leftovers;
#[cfg(target_os = "linux")]
pub mod limited;
pub mod output;
pub mod panics;
pub mod platform;
#[cfg(target_os = "linux")]
pub mod process_state;
pub mod profile;
#[cfg(unix)]
pub mod released;
#[cfg(target_os = "linux")]
pub mod reused;
pub mod sabotage;
#[cfg(unix)]
pub mod signals;
pub mod skips;
#[cfg(target_os = "linux")]
pub mod stacks;
#[cfg(target_os = "linux")]
pub mod storm;
#[cfg(target_os = "linux")]
pub mod stuck;
#[cfg(target_os = "linux")]
pub mod stuck_children;
#[cfg(target_os = "linux")]
pub mod stuck_pools;
#[cfg(target_os = "linux")]
pub mod surroundings;
#[cfg(target_os = "linux")]
pub mod traced;
#[cfg(feature = "cbor")]
pub mod values;
pub mod wait_until;

#[doc = include_str!("../../README.md")]
#[cfg(doctest)]
mod readme {}

#[doc = include_str!("../../docs/reports.md")]
#[cfg(all(doctest, feature = "progress", feature = "report"))]
mod reports {}
