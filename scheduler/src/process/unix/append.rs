//! Opening files to append to them, without waiting for a reader: a FIFO has none until its other end is opened.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::descriptor::above_standard;
use super::poll::poll;
use crate::clock::Deadline;

/// The time that a reader may take to make room for one line.
const ROOM_LIMIT: Duration = Duration::from_secs(1);

/// Opens a file to append to it, and creates it if it doesn't exist.
///
/// # Errors
///
/// Fails as the file system does, and at once for a FIFO without a reader.
pub(crate) fn append_to(path: &Path) -> io::Result<File> {
    let file = open(path)?;
    // Only opening must not block: the code that writes to the file does not expect `EAGAIN`.
    rustix::fs::fcntl_setfl(&file, OFlags::APPEND)?;
    Ok(file.into())
}

/// Appends these bytes to a file, in one write if it takes them all, and waits at most a second for a reader to make room.
///
/// # Errors
///
/// Fails as [`append_to`] does, and if a terminal or a FIFO has no room for that long.
pub(crate) fn append_line(path: &Path, mut line: &[u8]) -> io::Result<()> {
    let mut file = File::from(open(path)?);
    let deadline = Deadline::after(ROOM_LIMIT);
    while !line.is_empty() {
        match file.write(line) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => line = &line[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if deadline.is_past() {
                    let problem = format!("it took nothing within {ROOM_LIMIT:?}; nobody reads it");
                    return Err(io::Error::new(io::ErrorKind::TimedOut, problem));
                }
                poll(&mut [PollFd::new(&file, PollFlags::OUT)], deadline)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::from_raw_mode(0o666)).map_err(|error| {
        let is_fifo = || fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo());
        if error == Errno::NXIO && is_fifo() {
            return io::Error::new(
                io::ErrorKind::BrokenPipe,
                "it is a FIFO that nobody reads; open its other end first",
            );
        }
        error.into()
    });
    opened.and_then(above_standard)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn fifo() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("every Unix has it");
        assert!(made.success());
        (folder, path)
    }

    fn reader(path: &Path) -> File {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty()).expect("it is there").into()
    }

    #[test]
    #[cfg_attr(miri, ignore = "it has no FIFO")]
    fn a_fifo_without_a_reader_is_refused_at_once() {
        let (_folder, path) = fifo();
        for refused in [append_to(&path).map(drop), append_line(&path, b"line\n")] {
            let error = refused.expect_err("it has no reader");
            assert_eq!(error.to_string(), "it is a FIFO that nobody reads; open its other end first");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "it has no FIFO")]
    fn a_fifo_with_a_reader_takes_a_line_and_a_full_one_times_out() {
        let (_folder, path) = fifo();
        let mut reader = reader(&path);
        append_line(&path, b"line\n").expect("there is room");
        let mut read = [0; 16];
        let count = reader.read(&mut read).expect("it was written");
        assert_eq!(&read[..count], b"line\n");
        let error = append_line(&path, &vec![b'x'; 4 << 20]).expect_err("it has no room");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    #[cfg_attr(miri, ignore = "it has no FIFO")]
    fn writing_to_an_opened_file_blocks_as_usual() {
        let (folder, path) = fifo();
        let _reader = reader(&path);
        for path in [path, folder.path().join("a plain file")] {
            let file = append_to(&path).expect("it can be opened");
            let flags = rustix::fs::fcntl_getfl(&file).expect("it is open");
            assert!(flags.contains(OFlags::APPEND) && !flags.contains(OFlags::NONBLOCK), "{flags:?}");
        }
    }
}
