//! What the re-executed binary does in place of its `main`: first it is the warden, then, on the other side of a fork,
//! the job. Where there are no wardens it is the job at once.

mod cancellation;
#[cfg(any(not(target_os = "linux"), scheduler_portable))]
mod direct;
mod environment;
#[cfg(all(target_os = "linux", not(scheduler_portable)))]
mod executed;
mod frame_sender;
mod job;
mod panic_hook;
mod run_context;
mod throttle;
#[cfg(all(target_os = "linux", not(scheduler_portable)))]
mod warden;
#[cfg(any(not(target_os = "linux"), scheduler_portable))]
use direct as entry;
#[cfg(all(target_os = "linux", not(scheduler_portable)))]
use warden as entry;

use std::env;
use std::io::{self, Write};

use crate::launcher::{self, Launcher};
use crate::process::ROLE_VARIABLE;

pub(crate) use run_context::{ProcessKind, RunContext};

/// Lets a copy of this process do what it is there for.
///
/// Call it first thing in `main`, before any thread is started and any argument is read;
/// [`#[scheduler::main]`](macro@crate::main) does so for you. In the application itself it returns at once. In a copy
/// of it that was started to run a job, it runs the job and never returns.
///
/// # Platform
///
/// On Linux a process with threads can't safely fork. If `init` finds some that were started before it, each job costs
/// one execution of the binary more.
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
    // The sooner it is asked, the less may have happened to the file.
    launcher::stamp();
}

/// Does the same in a test that `#[scheduler::test]` or `enable_tests!` has made.
#[doc(hidden)]
pub fn enter_test() {
    if let Ok(launcher) = Launcher::of_this_process() {
        enter(launcher);
    }
}

/// Does the same wherever `launcher` leads a copy.
pub(crate) fn enter(launcher: Launcher) {
    let Some(role) = env::var_os(ROLE_VARIABLE) else {
        refuse_to_be_the_application();
        return;
    };
    remove_marker();
    let role = role.to_str().unwrap_or_default();
    if launcher == Launcher::Main {
        // A job may run jobs itself.
        launcher::note_initialized();
    }
    // Now, and not when a job is run: a fork server stays what it is, whatever becomes of its file.
    launcher::stamp();
    entry::run_role(role, launcher);
    #[cfg(unix)]
    crate::process::discard_saved_stdio();
    // The variable came from somewhere else: this is an ordinary program, but for the jobs that it would run.
    launcher::note_stray_role();
}

/// Ends a copy that can't know any more what it is there for. As the application it would start copies that do the same.
fn refuse_to_be_the_application() {
    #[cfg(unix)]
    if crate::process::has_saved_stdio() {
        give_up(&format!(
            "`main` removed `{ROLE_VARIABLE}` from the environment before `scheduler::init()`; call `init()` first"
        ));
    }
}

/// Returns what stands in the marker of a copy that this process starts: the role, and the id of this process, which the copy
/// watches.
pub(crate) fn role() -> String {
    format!("{}:{}", entry::ROLE, std::process::id())
}

/// Returns whether this is a copy that is there to run a job, or for which.
///
/// Where that can't be told, it must not go on as an ordinary program: it would start copies of itself, and those others.
fn confirmed<T>(told: io::Result<T>) -> T {
    told.unwrap_or_else(|error| give_up(&format!("whether this process is there to run a job can't be told: {error}")))
}

/// Tells why a job can't be run.
fn setup_failure(error: &io::Error) -> String {
    format!("its process could not be made: {error}")
}

/// Ends a copy that can tell its parent why on standard error only, the end of which goes into the record.
#[expect(clippy::disallowed_methods, reason = "this process is a copy, and there is nothing to go on with")]
fn give_up(why: &str) -> ! {
    let _ = writeln!(io::stderr(), "{why}");
    std::process::exit(1)
}

/// Ends a process that nobody waits for.
#[expect(clippy::disallowed_methods, reason = "there is nobody to return to")]
fn exit_silently() -> ! {
    std::process::exit(1)
}

/// Removes the marker, so that user code, and whatever it starts, never sees it.
#[expect(unsafe_code, reason = "the environment may only be changed while no other thread reads it")]
fn remove_marker() {
    // SAFETY: `init` stands first in `main`; under libtest the other thread waits for this one.
    unsafe { env::remove_var(ROLE_VARIABLE) };
}
