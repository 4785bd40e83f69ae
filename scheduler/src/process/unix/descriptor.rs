//! Descriptors that stay clear of the numbers of the standard streams, and which standard streams this process has.
//!
//! An application may have closed its standard streams. The kernel gives out the lowest free number, so that the next
//! descriptor that anyone opens becomes somebody's standard output. Every descriptor of this crate therefore goes through
//! [`above_standard`].

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, FdFlags};

use crate::outcome::StandardStream;

/// Private descriptors are put at or above this number, where a job that counts on small ones doesn't meet them.
pub(super) const PRIVATE: i32 = 200;

/// The lowest number that isn't one of the standard streams'.
const LOWEST: i32 = 3;

/// Returns this descriptor under a number above those of the standard streams. Costs nothing where it has such a number.
pub(in crate::process) fn above_standard<T>(descriptor: T) -> io::Result<T>
where
    T: AsRawFd + AsFd + From<OwnedFd>,
{
    if descriptor.as_raw_fd() >= LOWEST {
        return Ok(descriptor);
    }
    Ok(rustix::io::fcntl_dupfd_cloexec(&descriptor, LOWEST)?.into())
}

/// Returns this descriptor under a number that isn't one of those that are `taken`.
pub(crate) fn clear_of(descriptor: OwnedFd, taken: &[i32]) -> io::Result<OwnedFd> {
    if !taken.contains(&descriptor.as_raw_fd()) {
        return Ok(descriptor);
    }
    // The limit on descriptors may be lower than the private ones.
    for mut from in [PRIVATE, LOWEST] {
        while let Ok(moved) = rustix::io::fcntl_dupfd_cloexec(&descriptor, from) {
            if !taken.contains(&moved.as_raw_fd()) {
                return Ok(moved);
            }
            from = moved.as_raw_fd() + 1;
        }
    }
    Err(Errno::MFILE.into())
}

/// Puts a descriptor under a number for the job and all that it starts.
#[expect(unsafe_code, reason = "a number that may be nobody's has no safe API")]
pub(in crate::process) fn put(descriptor: &OwnedFd, number: i32) -> io::Result<()> {
    // SAFETY: The number is asked about and nothing else; it may be nobody's.
    if rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) }).is_ok() {
        return Err(io::Error::other(format!(
            "descriptor {number}, which it is to inherit, is open there already: `main` opened it before it called \
             `scheduler::init()`; call that first, or give the job another descriptor"
        )));
    }
    // SAFETY: The number is nobody's, so that nothing is closed that somebody uses.
    match unsafe { libc::dup2(descriptor.as_raw_fd(), number) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Opens the null device, or says which file is missing.
pub(in crate::process) fn null() -> io::Result<OwnedFd> {
    let null = rustix::fs::open(NULL_DEVICE, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).map_err(|error| {
        let is_missing = matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::NXIO | Errno::NODEV);
        let error = io::Error::from(error);
        // Anything else may be no more than a lack of descriptors, which passes.
        if !is_missing {
            return error;
        }
        let text = format!("`{NULL_DEVICE}` can't be opened: {error}; give the application a `/dev` that has it");
        io::Error::new(error.kind(), text)
    })?;
    above_standard(null)
}

const NULL_DEVICE: &str = "/dev/null";

/// Returns a standard stream of this process, if it has that one: a descriptor of that number which a program that this
/// process executes inherits.
///
/// Where the application has closed its stream, the number may belong to any file or socket that was opened since. Those are
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
    fn a_descriptor_makes_way_for_those_that_are_given_by_number() {
        let null = null().expect("the null device");
        let number = null.as_raw_fd();
        let moved = clear_of(null, &[number, PRIVATE, PRIVATE + 1]).expect("there are more numbers").as_raw_fd();
        assert!(moved > PRIVATE + 1, "{moved}");
    }

    #[test]
    fn a_descriptor_with_a_number_of_its_own_is_left_alone() {
        let null = null().expect("the null device");
        let number = null.as_raw_fd();
        assert!(number >= LOWEST);
        assert_eq!(above_standard(null).expect("nothing is done").as_raw_fd(), number);
    }
}
