//! Hard timeouts for Rust functions.

mod builder;
mod call;
mod child;
mod clock;
mod enable_tests;
mod error;
mod escape;
mod evidence;
mod failure;
mod follow_up;
mod functions;
mod launcher;
mod outcome;
mod output;
mod process;
mod record;
mod registry;
mod result;
mod returns;

mod stage;
mod supervisor;
mod wire;

#[doc(hidden)]
pub mod __private;

// The expansions of our macros name this crate as its users do.
extern crate self as scheduler;

pub use crate::builder::Scheduler;
pub use crate::call::{AnyJob, Job};
pub use crate::child::init;
pub use crate::error::Error;
pub use crate::evidence::{Sweep, Usage};
pub use crate::failure::{Failure, Location, Panic};
pub use crate::follow_up::{TimedOut, default_follow_up_logger};
pub use crate::functions::{Run, run_job_with_timeout, schedule_jobs};
pub use crate::outcome::{Outcome, Overrun, Status};
pub use crate::output::JobResult;
pub use crate::record::Record;
pub use crate::registry::{Entry, Parameter, registry};

pub use scheduler_macros::{job, main, test};
