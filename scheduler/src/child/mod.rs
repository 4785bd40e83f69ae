//! What the re-executed binary does instead of its `main`: it is a warden, and then, on the other side of a fork, the job.
//! Without wardens it is the job at once. `README.md` shows the processes, their states and the way of the arguments.
//!
//! A module imports only from lines above its own:
//!
//! ```text
//! exit           exits before a job can run        environment    streams, variables, folder and limits of the job
//! frame_sender   frames to the parent              frame_receiver frames from the parent
//! throttle       progress and messages         setup          what the application and the job do before the call
//! run_context    the run of this process
//! panic_hook     panics, sent and printed
//! job            calls the function
//! reuse          whether a process serves another call
//! exec_job       a job that receives its request   direct         a job without a warden
//! parent_link    the orders of the parent          standby        a job's process that waits for its request
//! job_watch      the exit of a job, and the parent's commands meanwhile
//! warden         starts, watches and sweeps jobs
//! ```

mod backtrace;
#[cfg(any(not(target_os = "linux"), scheduler_portable))]
mod direct;
mod environment;
#[cfg(all(target_os = "linux", not(scheduler_portable)))]
mod exec_job;
mod exit;
mod frame_receiver;
mod frame_sender;
mod job;
#[cfg(all(target_os = "linux", not(scheduler_portable)))]
mod job_watch;
mod panic_hook;
#[cfg(all(target_os = "linux", not(scheduler_portable)))]
mod parent_link;
#[cfg(all(target_os = "linux", not(scheduler_portable)))]
mod reuse;
mod run_context;
mod setup;
#[cfg(all(target_os = "linux", not(scheduler_portable)))]
mod standby;
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
pub use setup::SetupResult;

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

/// [`init`], with a set-up for the processes of jobs.
///
/// In a copy that was started to run a job, `setup` is called before the arguments of the job are decoded, and before the
/// option [`setup`](macro@crate::job#setup) of the job itself: to install a logger or a panic hook, to read the
/// configuration, to restrict what the process may do. The job's environment, working directory and limits are in effect
/// then. Its time doesn't count towards the timeout of the job, but towards the
/// [start timeout](crate::Scheduler::start_timeout). In the application itself `setup` is not called.
///
/// A set-up that returns `Err` or panics keeps the job from starting: its failure is
/// [`NeverStarted`](crate::Failure::NeverStarted), with the message.
///
/// The functions of [`this_job`](crate::this_job) behave in it as outside of a job.
///
/// # Platform
///
/// On Linux `setup` may start threads: the process that it runs in is the job's own, and isn't forked for other jobs.
///
/// # Examples
///
/// ```
/// use std::sync::OnceLock;
/// use std::time::Duration;
/// use scheduler::{job, run_job_with_timeout, Outcome};
///
/// static CONFIGURATION: OnceLock<String> = OnceLock::new();
///
/// #[job]
/// fn greeting() -> String { CONFIGURATION.get().cloned().unwrap_or_default() }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     // A job's process sees none of the globals that the application has set.
///     scheduler::init_with(|| CONFIGURATION.set("hello".to_owned()));
///     let run = run_job_with_timeout(greeting::job(), Duration::from_secs(10))?;
///     assert_eq!(run.outcome, Outcome::Ok("hello".to_owned()));
///     Ok(())
/// }
/// ```
pub fn init_with<R: SetupResult>(setup: impl FnOnce() -> R + Send + 'static) {
    setup::keep(setup);
    init();
    setup::forget();
}

/// [`init`] in a test that `#[scheduler::test]` or `enable_tests!` generated.
#[doc(hidden)]
pub fn enter_test() {
    if let Ok(launcher) = Launcher::of_this_process() {
        enter(launcher);
    }
}

/// What a copy on another machine does instead of `main`.
#[cfg(feature = "remote")]
#[derive(Debug)]
pub(crate) struct AgentEntry(
    /// Returns the code with which the process exits.
    pub(crate) fn() -> i32,
);

#[cfg(feature = "remote")]
inventory::collect!(AgentEntry);

/// Becomes an agent. A role and an argument lead here only where there are agents.
#[cfg(feature = "remote")]
fn become_agent() {
    // With more rights than its caller has, it would lend them to whatever that sends.
    if crate::process::makes_privileged_copies() {
        return;
    }
    if let Some(agent) = inventory::iter::<AgentEntry>.into_iter().next() {
        exit::exit_after((agent.0)());
    }
}

/// [`init`] at the place where `launcher` leads a copy.
pub(crate) fn enter(launcher: Launcher) {
    let Some(role) = env::var_os(ROLE_VARIABLE) else {
        refuse_to_be_the_application();
        #[cfg(feature = "remote")]
        if launcher == Launcher::Main && env::args_os().nth(1).is_some_and(|first| first == launcher::AGENT_ARGUMENT) {
            launcher::note_initialized();
            become_agent();
        }
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
    #[cfg(feature = "remote")]
    if role == launcher::AGENT_ROLE && matches!(launcher, Launcher::Test(_)) {
        become_agent();
    }
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
