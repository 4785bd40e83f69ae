//! What the re-executed binary does instead of its `main`: it is a warden, and then, on the other side of a fork, the job.
//! Without wardens it is the job at once. `README.md` shows the processes, their states and the way of the arguments.
//!
//! A module imports only from lines above its own:
//!
//! ```text
//! exit           exits before a job can run        environment    streams, variables, folder and limits of the job
//! frame_sender   frames to the parent              cancellation   the stop command of the parent
//! throttle       progress and messages
//! run_context    the run of this process
//! panic_hook     panics, sent and printed
//! job            calls the function
//! exec_job       a job that receives its request   direct         a job without a warden
//! parent_link    the orders of the parent
//! job_watch      the exit of a job, and the parent's commands meanwhile
//! warden         starts, watches and sweeps jobs
//! ```

mod cancellation;
#[cfg(any(not(target_os = "linux"), scheduler_portable))]
mod direct;
mod environment;
#[cfg(all(target_os = "linux", not(scheduler_portable)))]
mod exec_job;
mod exit;
mod frame_sender;
mod job;
#[cfg(all(target_os = "linux", not(scheduler_portable)))]
mod job_watch;
mod panic_hook;
#[cfg(all(target_os = "linux", not(scheduler_portable)))]
mod parent_link;
mod run_context;
mod throttle;
#[cfg(all(target_os = "linux", not(scheduler_portable)))]
mod warden;
#[cfg(any(not(target_os = "linux"), scheduler_portable))]
use direct as entry;
#[cfg(all(target_os = "linux", not(scheduler_portable)))]
use warden as entry;

use std::env;

use crate::launcher::{self, Launcher};
use crate::process::ROLE_VARIABLE;
use crate::wire::message::AfterRun;

pub(crate) use run_context::{ProcessKind, RunContext};

/// Runs the job, in a copy of this process that was started for one.
///
/// Call it first thing in `main`, before any thread is started and any argument is read;
/// [`#[scheduler::main]`](macro@crate::main) does so for you. In the application itself `init` returns at once. In a copy
/// that was started to run a job, it runs the job and never returns.
///
/// # Platform
///
/// On Linux a process with threads can't safely fork. If threads were started before `init`, each job costs one more
/// execution of the binary.
///
/// # Examples
///
/// ```
/// fn main() -> Result<(), std::io::Error> {
///     scheduler::init();
///     // Whatever the application does.
///     Ok(())
/// }
/// ```
pub fn init() {
    enter(Launcher::Main);
    launcher::note_initialized();
    // Taken early: the file may be replaced later.
    launcher::stamp();
}

/// [`init`] in a test that `#[scheduler::test]` or `enable_tests!` generated.
#[doc(hidden)]
pub fn enter_test() {
    if let Ok(launcher) = Launcher::of_this_process() {
        enter(launcher);
    }
}

/// [`init`] at the place where `launcher` leads a copy.
pub(crate) fn enter(launcher: Launcher) {
    let Some(role) = env::var_os(ROLE_VARIABLE) else {
        refuse_to_be_the_application();
        return;
    };
    remove_role_variable();
    let role = role.to_str().unwrap_or_default();
    if launcher == Launcher::Main {
        // A job may run jobs itself.
        launcher::note_initialized();
    }
    // Now, not when a job runs: a fork server keeps its image, even if the file is replaced.
    launcher::stamp();
    entry::run_role(role, launcher);
    #[cfg(unix)]
    crate::process::discard_saved_stdio();
    // The variable came from elsewhere: this is an ordinary program, except that it can't run jobs.
    launcher::note_stray_role();
}

/// Exits a copy whose role variable was removed. As an ordinary program it would start copies that do the same.
fn refuse_to_be_the_application() {
    #[cfg(unix)]
    if crate::process::has_saved_stdio() {
        exit::exit_with(&format!(
            "`main` removed `{ROLE_VARIABLE}` from the environment before `scheduler::init()`; call `init()` first"
        ));
    }
}

/// Returns the role variable's value for a copy that this process starts: the role, and the id of this process, which the
/// copy watches.
pub(crate) fn role(after_run: AfterRun) -> String {
    let role = match after_run {
        AfterRun::Exit => entry::ROLE,
        AfterRun::Stay => entry::STAYING_ROLE,
    };
    format!("{role}:{}", std::process::id())
}

/// Removes the variable, so that user code and its descendants never see it.
#[expect(unsafe_code, reason = "the environment may only be changed while no other thread reads it")]
fn remove_role_variable() {
    // SAFETY: `init` is called first in `main`; under libtest the other thread waits for this one.
    unsafe { env::remove_var(ROLE_VARIABLE) };
}
