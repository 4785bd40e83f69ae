//! Processes as the platform knows them: started, waited for, killed, swept. Nothing in here knows what a job is.
//!
//! Each platform's module exports the same names. For the parent: [`Worker`], a re-executed copy of this binary, what is
//! said to it and told of its job ([`WorkerEvent`]), its streams ([`Stream`], [`Output`]), and [`wait`], which
//! waits for any of several. For what `child` does on that platform: the descriptors that it begins with, the fork, the
//! reaping and the sweep.
//!
//! `--cfg scheduler_portable` makes Linux do as a Unix does that has no wardens, so that the tests can run there what macOS
//! and the BSDs do: `RUSTFLAGS="--cfg scheduler_portable" cargo test --target-dir target/portable`.
//!
//! Whether a platform has wardens is decided here and in `child`, by the choice of modules, and nowhere else: what only one
//! platform needs is in that platform's module. A `cfg(wardens)` from a build script would cost every user 0.1 s of processor
//! time, over 1% of a build.

mod event;
mod exit_class;
#[cfg_attr(windows, allow(dead_code, reason = "there a job's process keeps no deadline of its own"))]
mod fallback;
mod origin;
mod orphans;
mod output;
mod own_image;
mod readiness;
mod run_marker;
mod stream;

pub(crate) use event::{Received, WorkerEvent};
pub(crate) use exit_class::ExitClass;
pub(crate) use fallback::Milestone;
#[cfg(unix)]
pub(crate) use fallback::{Due, Fallback};
pub(crate) use origin::{Origin, PerProcess};
pub(crate) use orphans::Orphans;
pub(crate) use output::{ChildStdio, DefaultOutput, Output};
pub(crate) use own_image::OwnImage;
pub(crate) use readiness::Ready;
pub(crate) use run_marker::{MARKER, RUN_MARKER, RunMarker};
pub(crate) use stream::Stream;

#[cfg(unix)]
#[cfg_attr(
    any(not(target_os = "linux"), scheduler_portable),
    allow(dead_code, unused_imports, reason = "only wardens use all of it")
)]
mod unix;
#[cfg(all(unix, feature = "ctrlc"))]
pub(crate) use unix::on_ctrl_c;
#[cfg(unix)]
pub(crate) use unix::{append_line, append_to};

#[cfg(all(target_os = "linux", not(scheduler_portable)))]
mod linux;
#[cfg(all(target_os = "linux", not(scheduler_portable)))]
pub(crate) use linux::*;

#[cfg(any(not(target_os = "linux"), scheduler_portable))]
mod no_warden;
#[cfg(any(not(target_os = "linux"), scheduler_portable))]
pub(crate) use no_warden::*;

#[cfg(all(unix, any(not(target_os = "linux"), scheduler_portable)))]
mod portable;
#[cfg(all(unix, any(not(target_os = "linux"), scheduler_portable)))]
pub(crate) use portable::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;
