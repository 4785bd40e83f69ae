//! `program`: the name of the application in its reports.

use std::env;
use std::path::Path;

/// Returns the application's executable, as its first argument names it: what the user typed.
pub(super) fn program() -> Option<String> {
    env::args_os().next().map(|program| program.to_string_lossy().into_owned())
}

/// Returns the last part of an executable's path, without the extension that Windows adds.
pub(super) fn short_name(program: Option<&str>) -> String {
    let name = program.and_then(|program| Path::new(program).file_name());
    let name = name.map(|name| name.to_string_lossy().into_owned()).filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| "jobs".to_owned());
    name.strip_suffix(".exe").map_or(name.clone(), str::to_owned)
}
