//! Files that are appended to: to open one waits for nobody here.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Opens a file to append to it, which is made if it isn't there.
pub(crate) fn append_to(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).open(path)
}

/// Appends these bytes to a file, in one write where that takes them.
pub(crate) fn append_line(path: &Path, line: &[u8]) -> io::Result<()> {
    append_to(path)?.write_all(line)
}
