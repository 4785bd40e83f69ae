//! The numbers of descriptors: above the standard streams, out of user code's way, or exactly as requested.
//!
//! An application may have closed its standard streams. The kernel assigns the lowest free number, so the next descriptor
//! that any thread opens would become its standard output. Every descriptor of this crate therefore goes through
//! [`above_standard`].

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, FdFlags};

use crate::outcome::StandardStream;

/// The lowest number of a private descriptor: a job that expects certain small numbers to be free doesn't collide with it.
const PRIVATE: i32 = 200;

/// The lowest number above the standard streams.
pub(in crate::process) const LOWEST: i32 = 3;

/// What identifies an open file: device and inode. A number whose identity has changed is another file by now.
pub(in crate::process) type FileIdentity = (i128, u64);

/// Returns the identity of an open file.
pub(in crate::process) fn identity(descriptor: BorrowedFd<'_>) -> io::Result<FileIdentity> {
    let stat = rustix::fs::fstat(descriptor)?;
    // The type of a device number differs between systems.
    Ok((i128::from(stat.st_dev), stat.st_ino))
}

/// Moves a descriptor above the numbers of the standard streams. Costs no system call if it is there already.
pub(in crate::process) fn above_standard<T>(descriptor: T) -> io::Result<T>
where
    T: AsRawFd + AsFd + From<OwnedFd>,
{
    if descriptor.as_raw_fd() >= LOWEST {
        return Ok(descriptor);
    }
    Ok(rustix::io::fcntl_dupfd_cloexec(&descriptor, LOWEST)?.into())
}

/// Duplicates a descriptor to a private number, which user code doesn't expect to use.
pub(in crate::process) fn private(descriptor: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let high = rustix::io::fcntl_dupfd_cloexec(descriptor, PRIVATE);
    // The limit on descriptors may be below the private numbers.
    Ok(high.or_else(|_| rustix::io::fcntl_dupfd_cloexec(descriptor, LOWEST))?)
}

/// Moves a descriptor to a number that isn't one of `taken`.
pub(crate) fn clear_of<T: AsRawFd + AsFd + From<OwnedFd>>(descriptor: T, taken: &[i32]) -> io::Result<T> {
    if !taken.contains(&descriptor.as_raw_fd()) {
        return Ok(descriptor);
    }
    // The limit on descriptors may be below the private numbers.
    for mut from in [PRIVATE, LOWEST] {
        while let Ok(moved) = rustix::io::fcntl_dupfd_cloexec(&descriptor, from) {
            if !taken.contains(&moved.as_raw_fd()) {
                return Ok(moved.into());
            }
            from = moved.as_raw_fd() + 1;
        }
    }
    Err(Errno::MFILE.into())
}

/// Duplicates a descriptor to this number, for the job and all processes that it starts.
///
/// # Errors
///
/// Fails if the number is in use.
#[expect(unsafe_code, reason = "rustix's `dup2` takes the new number as a descriptor that is open and owned")]
pub(in crate::process) fn put(descriptor: &OwnedFd, number: i32) -> io::Result<()> {
    // SAFETY: The call only queries the number, which may be closed.
    if rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) }).is_ok() {
        return Err(io::Error::other(format!(
            "descriptor {number}, which it is to inherit, is open there already: `main` opened it before it called \
             `scheduler::init()`; call that first, or give the job another descriptor"
        )));
    }
    // SAFETY: The number is free, so the call closes nothing.
    match unsafe { libc::dup2(descriptor.as_raw_fd(), number) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Opens the null device.
///
/// # Errors
///
/// Fails with the name of the file if that is missing.
pub(in crate::process) fn null() -> io::Result<OwnedFd> {
    let null = rustix::fs::open(NULL_DEVICE, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).map_err(|error| {
        let is_missing = matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::NXIO | Errno::NODEV);
        let error = io::Error::from(error);
        // Any other error may be a lack of descriptors, which passes.
        if !is_missing {
            return error;
        }
        let text = format!("`{NULL_DEVICE}` can't be opened: {error}; give the application a `/dev` that has it");
        io::Error::new(error.kind(), text)
    })?;
    above_standard(null)
}

const NULL_DEVICE: &str = "/dev/null";

/// Returns a standard stream of this process, if it is open and not close-on-exec.
///
/// If the application has closed its stream, the number may belong to any file or socket that was opened since. Those are
/// close-on-exec, and no job writes to them.
pub(in crate::process) fn own(stream: StandardStream) -> Option<BorrowedFd<'static>> {
    let own = match stream {
        StandardStream::Stdout => rustix::stdio::stdout(),
        StandardStream::Stderr => rustix::stdio::stderr(),
    };
    rustix::io::fcntl_getfd(own).is_ok_and(|flags| !flags.contains(FdFlags::CLOEXEC)).then_some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_moves_away_from_taken_numbers() {
        let null = null().expect("the null device");
        let number = null.as_raw_fd();
        let moved = clear_of(null, &[number, PRIVATE, PRIVATE + 1]).expect("more numbers are free").as_raw_fd();
        assert!(moved > PRIVATE + 1, "{moved}");
    }

    #[test]
    fn a_descriptor_above_the_standard_streams_stays_where_it_is() {
        let null = null().expect("the null device");
        let number = null.as_raw_fd();
        assert!(number >= LOWEST);
        assert_eq!(above_standard(null).expect("it stays where it is").as_raw_fd(), number);
    }
}
