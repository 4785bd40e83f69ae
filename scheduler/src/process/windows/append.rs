//! Opening files to append to, which never blocks on Windows.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Opens a file to append to, and creates it if it doesn't exist.
pub(crate) fn append_to(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).open(path)
}

/// Appends these bytes to a file, in one write if the file takes them all.
pub(crate) fn append_line(path: &Path, line: &[u8]) -> io::Result<()> {
    append_to(path)?.write_all(line)
}
