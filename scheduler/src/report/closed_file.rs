//! `ClosedFile`: a file of a format with an end, such as a closing tag, that is complete after each write.

use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;

/// Creates a file, or empties it, and creates the folders above it that don't exist.
pub(super) fn create_file(path: &Path) -> io::Result<File> {
    create_folder_of(path)?;
    File::create(path)
}

pub(super) fn create_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => fs::create_dir_all(folder),
        _ => Ok(()),
    }
}

/// Appends parts before an end that stays in the file: each write covers the old end and brings a new one. If the
/// application is killed between two writes, the file can be read like one that was finished.
#[derive(Debug)]
pub(super) struct ClosedFile {
    file: File,
    end: String,
    /// The position of the end.
    length: u64,
    /// The length of the beginning.
    beginning: u64,
}

impl ClosedFile {
    pub(super) fn create(path: &Path, beginning: &str, end: &str) -> io::Result<Self> {
        let mut closed = Self { file: create_file(path)?, end: end.to_owned(), length: 0, beginning: 0 };
        closed.append(beginning)?;
        closed.beginning = closed.length;
        Ok(closed)
    }

    /// Writes `part` before the end. After a failure the file is as it was.
    pub(super) fn append(&mut self, part: &str) -> io::Result<()> {
        self.write(part, self.end.clone())
    }

    /// Replaces the end by one that isn't shorter.
    pub(super) fn replace_end(&mut self, end: String) -> io::Result<()> {
        debug_assert!(end.len() >= self.end.len(), "a part of the old end would stay");
        self.write("", end)
    }

    fn write(&mut self, part: &str, end: String) -> io::Result<()> {
        let written = self.file.seek(SeekFrom::Start(self.length));
        let written = written.and_then(|_| self.file.write_all(&[part.as_bytes(), end.as_bytes()].concat()));
        if let Err(error) = written {
            // There is room for what was there, also on a full disk.
            let _ = self.restore_end();
            return Err(error);
        }
        self.length += part.len() as u64;
        self.end = end;
        Ok(())
    }

    fn restore_end(&mut self) -> io::Result<()> {
        if self.file.metadata()?.is_file() {
            self.file.set_len(self.length)?;
            self.file.seek(SeekFrom::Start(self.length))?;
            self.file.write_all(self.end.as_bytes())?;
        }
        Ok(())
    }

    /// Replaces the beginning, of a length of its own, and returns whether it did: not once something stands behind it.
    pub(super) fn begin_again(&mut self, beginning: &str) -> io::Result<bool> {
        if self.length != self.beginning {
            return Ok(false);
        }
        // What is no file keeps nothing that would stay behind a shorter one.
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        self.length = 0;
        self.append(beginning)?;
        self.beginning = self.length;
        Ok(true)
    }

    /// Replaces the beginning by another one of the same length.
    pub(super) fn replace_beginning(&mut self, beginning: &str) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(beginning.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_complete_after_each_write() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("new/file");
        let text = || fs::read_to_string(&path).expect("it is there");
        let mut file = ClosedFile::create(&path, "[0", "]\n").expect("it can be created");
        assert_eq!(text(), "[0]\n");
        for beginning in ["[000", "[0"] {
            assert!(file.begin_again(beginning).expect("it can be written"));
            assert_eq!(text(), format!("{beginning}]\n"));
        }
        file.append(",1").expect("it can be written");
        assert_eq!(text(), "[0,1]\n");
        file.replace_beginning("[9").expect("it can be written");
        assert!(!file.begin_again("[000").expect("it can be read"));
        file.append(",2").expect("it can be written");
        assert_eq!(text(), "[9,1,2]\n");
        file.replace_end(",end]\n".to_owned()).expect("it can be written");
        file.append(",3").expect("it can be written");
        assert_eq!(text(), "[9,1,2,3,end]\n");
    }
}
