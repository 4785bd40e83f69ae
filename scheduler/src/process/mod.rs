//! Processes as the platform knows them: started, waited for, killed, swept. Nothing in here knows what a job is.
//!
//! Each platform's module exports the same names. For the parent: [`Worker`], a re-executed copy of this binary, what is
//! said to it and told of its job ([`Word`]), its streams ([`Stream`], [`Output`](output::Output)), and [`wait`], which
//! waits for any of several. For what `child` does on that platform: the descriptors that it begins with, the fork, the
//! reaping and the sweep.

mod cookie;
mod manner;
mod output;
mod printer;
mod relay;
mod stream;
mod word;

pub(crate) use cookie::{COOKIE, Cookie};
pub(crate) use manner::Manner;
pub(crate) use output::Outlet;
pub(crate) use stream::Stream;
pub(crate) use word::{Heard, Word};

#[cfg(unix)]
mod unix;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;
