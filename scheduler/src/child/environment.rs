//! The environment of a job: its streams, variables, working directory and limits, set before its function is called.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::options::Environment;
use crate::outcome::StandardStream;
use crate::process::{self, RUN_VARIABLE};
use crate::wire::message::{Request, StdinSource, StdioTarget, Variables};

/// Applies the environment of a request; an error is the reason why the job can't start.
///
/// Call it when it is the job's turn, not earlier: the job before it may create files that it names.
pub(super) fn apply(request: &Request) -> Result<(), String> {
    // A relative path is relative to the folder in which the process was started.
    redirect_stdin(&request.stdin)?;
    redirect(StandardStream::Stdout, &request.stdout)?;
    redirect(StandardStream::Stderr, &request.stderr)?;
    if let Some(environment) = &request.environment {
        change_variables(environment);
        environment.current_dir.as_ref().map_or(Ok(()), enter)?;
    }
    request.limits.as_ref().map_or(Ok(()), process::apply_limits)
}

/// Redirects a stream to its target; a descriptor that travels with the request is in place already.
fn redirect(stream: StandardStream, target: &StdioTarget) -> Result<(), String> {
    let (path, file) = match target {
        StdioTarget::Unchanged | StdioTarget::Sent(_) => return Ok(()),
        StdioTarget::Null => (OsStr::new(NULL_DEVICE), File::options().write(true).open(NULL_DEVICE)),
        StdioTarget::Append(path) => (path.as_os_str(), process::append_to(path.as_ref())),
    };
    file.and_then(|file| process::redirect(stream, file)).map_err(|error| {
        let name = match stream {
            StandardStream::Stdout => "output",
            StandardStream::Stderr => "error",
        };
        format!("its standard {name} can't be written to `{}`: {error}", path.display())
    })
}

/// Redirects standard input, which is the null device.
fn redirect_stdin(source: &StdinSource) -> Result<(), String> {
    let (name, file) = match source {
        StdinSource::Null => return Ok(()),
        StdinSource::Bytes(bytes) => ("memory".into(), process::anonymous_file(bytes)),
        StdinSource::File(path) => (path.to_string_lossy(), open_input(path.as_ref())),
    };
    file.and_then(process::redirect_stdin)
        .map_err(|error| format!("its standard input can't be read from `{name}`: {error}"))
}

/// Opens a file to read from. A folder can be opened on Unix, and every read of it fails.
fn open_input(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() { Err(ErrorKind::IsADirectory.into()) } else { Ok(file) }
}

const NULL_DEVICE: &str = if cfg!(windows) { "NUL" } else { "/dev/null" };

fn enter(folder: impl AsRef<Path>) -> Result<(), String> {
    let folder = folder.as_ref();
    env::set_current_dir(folder)
        .map_err(|error| format!("its working directory `{}` can't be entered: {error}", folder.display()))
}

/// Replaces the variables of this process, which has no other thread, but for the run marker.
#[allow(dead_code, reason = "only a warden stays, and has older ones")]
pub(super) fn replace_variables(Variables(variables): &Variables) {
    let changes = variables.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
    change_variables(&Environment { is_cleared: true, changes, ..Environment::default() });
}

/// Calls `action` while this process, which has no other thread, has one more variable. Processes that it starts meanwhile
/// have it as well.
///
/// A [`Command`](std::process::Command) with a variable of its own would copy and sort all of them first.
#[allow(dead_code, reason = "only a warden starts processes")]
#[expect(unsafe_code, reason = "the environment may only be changed while no other thread reads it")]
pub(super) fn with_variable<T>(name: &str, value: &str, action: impl FnOnce() -> T) -> T {
    // SAFETY: There is no other thread; under libtest that waits for this one. The thread that sends the rest of a long
    // request reads no variables.
    unsafe { env::set_var(name, value) };
    let done = action();
    // SAFETY: As above.
    unsafe { env::remove_var(name) };
    done
}

/// Changes the variables of this process.
#[expect(unsafe_code, reason = "the environment may only be changed while no other thread reads it")]
fn change_variables(Environment { is_cleared, changes, .. }: &Environment) {
    if *is_cleared {
        // The run marker identifies the job and its descendants if the warden is lost. A name with `=` can't be removed.
        let is_removed = |name: &OsStr| name != RUN_VARIABLE && !name.as_encoded_bytes().contains(&b'=');
        for (name, _) in env::vars_os().filter(|(name, _)| is_removed(name)) {
            // SAFETY: This process was forked and has no other thread, or it was started and reached `init` first thing in
            // `main`; under libtest the other thread waits for this one, and the thread that watches the parent reads no
            // variables. If the warden has threads, it executed this process with the variables already changed.
            unsafe { env::remove_var(name) };
        }
    }
    for (name, value) in changes {
        match value {
            // SAFETY: As above.
            Some(value) => unsafe { env::set_var(name, value) },
            // SAFETY: As above.
            None => unsafe { env::remove_var(name) },
        }
    }
}
