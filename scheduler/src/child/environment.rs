//! What a job was told of its surroundings, arranged in its process before its function is called.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;

use crate::options::Environment;
use crate::outcome::StandardStream;
use crate::process::{self, RUN_VARIABLE};
use crate::wire::message::{Request, StdioTarget};

/// Arranges them, or says why that can't be done.
///
/// Call it when it is the job's turn, and no earlier: what the job before it has made may be part of them.
pub(super) fn apply(request: &Request) -> Result<(), String> {
    // A relative path begins where the process was started.
    redirect(StandardStream::Stdout, &request.stdout)?;
    redirect(StandardStream::Stderr, &request.stderr)?;
    if let Some(environment) = &request.environment {
        change_variables(environment);
        environment.current_dir.as_ref().map_or(Ok(()), enter)?;
    }
    request.limits.as_ref().map_or(Ok(()), process::limit)
}

/// Has a stream lead where it is to lead; what came along stands in its place by now.
fn redirect(stream: StandardStream, leads: &StdioTarget) -> Result<(), String> {
    let (path, file) = match leads {
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

/// Where nothing that is written is kept.
const NULL_DEVICE: &str = if cfg!(windows) { "NUL" } else { "/dev/null" };

fn enter(folder: impl AsRef<Path>) -> Result<(), String> {
    let folder = folder.as_ref();
    env::set_current_dir(folder)
        .map_err(|error| format!("its working directory `{}` can't be entered: {error}", folder.display()))
}

/// Changes the variables of this process.
#[expect(unsafe_code, reason = "the environment may only be changed while no other thread reads it")]
fn change_variables(Environment { is_cleared, changes, .. }: &Environment) {
    if *is_cleared {
        // By that one a job is found, and what it has started, should its warden be lost.
        // One whose name begins with `=` is no variable that could be removed.
        let is_changed = |name: &OsStr| name != RUN_VARIABLE && !name.as_encoded_bytes().contains(&b'=');
        for (name, _) in env::vars_os().filter(|(name, _)| is_changed(name)) {
            // SAFETY: This process was forked, and has no thread but this one, or it was started and came by `init`, which
            // stands first in `main`; under libtest the other thread waits for this one, and what watches over the parent
            // reads no variable. Of one that was executed as its warden has threads, that has changed them.
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
