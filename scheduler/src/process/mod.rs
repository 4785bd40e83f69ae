//! Processes as the platform knows them: started, waited for, killed, swept. Nothing in here knows what a job is.
//!
//! Each platform's module exports the same names. For the parent: [`Worker`], a re-executed copy of this binary with
//! its three streams, and [`wait`], which waits for any of several. For the warden and the job: the descriptors they
//! begin with, the fork, the reaping and the sweep.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;

#[cfg(not(target_os = "linux"))]
compile_error!("`scheduler` runs on Linux so far; macOS and Windows are to follow");
