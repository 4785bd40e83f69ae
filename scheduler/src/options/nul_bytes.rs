//! `has_nul`: whether a path contains a NUL character.

use std::path::Path;

/// Returns whether a path contains a NUL character: no system call takes it.
pub(super) fn has_nul(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().contains(&0)
}
