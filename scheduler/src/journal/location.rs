//! `locate`: the one path by which every process knows a journal.

use std::fs;
use std::path::{self, Path, PathBuf};

use crate::error::Error;
use crate::process::names_of_file;

/// Returns the absolute path of the file itself, so that two applications that name it differently take the same lock, and that
/// SQLite takes no path for anything else (`:memory:`, `file:…`).
pub(super) fn locate(journal: &Path) -> Result<PathBuf, Error> {
    let name = journal.display();
    if journal.as_os_str().is_empty() {
        return Err(Error::journal("the path of the journal is empty; name a file"));
    }
    let failed = |error| Error::journal(format_args!("the journal `{name}` can't be opened")).caused_by(error);
    let path = path::absolute(journal).map_err(failed)?;
    let Ok(link) = fs::symlink_metadata(&path) else {
        // What is wrong with it shows when it is created.
        return Ok(path);
    };
    let path = if link.is_symlink() { fs::canonicalize(&path).map_err(failed)? } else { path };
    let metadata = fs::metadata(&path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(Error::journal(format_args!("`{name}` is a folder; name a file in it")));
    }
    if !metadata.is_file() {
        return Err(Error::journal(format_args!(
            "`{name}` is not a regular file, as a journal must be; give another path"
        )));
    }
    let names = names_of_file(&metadata);
    if names > 1 {
        return Err(Error::journal(format_args!(
            "the journal `{name}` has {names} names (hard links); its lock and its log stand beside one of them, and are missed by \
             the others: remove the other names, or use a copy"
        )));
    }
    Ok(path)
}
