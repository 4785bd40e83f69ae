//! `Origin`: the process in which something was made. `PerProcess`: a value of which each fork of a process has its own.
//!
//! An application may fork without executing anything. The copy finds all that the original has: sockets to wardens, jobs that
//! run, locks that other threads hold; but no thread beside the one that forked. Nothing of that is the copy's to use, to end
//! or to wait for.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The process in which something was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin(u32);

impl Origin {
    /// Returns the one of what is made now.
    pub(crate) fn here() -> Self {
        Self(std::process::id())
    }

    /// Says whether this is the process, and no fork of it.
    pub(crate) fn is_here(self) -> bool {
        self == Self::here()
    }
}

/// A value of which each fork of a process has its own, which begins as the default. That of the original is left as it is,
/// its locks included: the thread that holds one, or that was about to fill a [`OnceLock`], doesn't exist in the fork.
pub(crate) struct PerProcess<T> {
    /// The id of the process that has this value; 0 until one has asked for it.
    owner: AtomicU32,
    value: T,
    /// That of a fork.
    next: OnceLock<Box<Self>>,
}

impl<T> PerProcess<T> {
    /// Returns one that has this value in the first process that asks for it.
    pub(crate) const fn new(value: T) -> Self {
        Self { owner: AtomicU32::new(0), value, next: OnceLock::new() }
    }
}

impl<T: Default> PerProcess<T> {
    /// Returns the value of this process.
    pub(crate) fn here(&self) -> &T {
        self.of(std::process::id())
    }

    fn of(&self, process: u32) -> &T {
        let mut link = self;
        while link.owner.load(Ordering::Acquire) != process {
            let claimed = link.owner.compare_exchange(0, process, Ordering::AcqRel, Ordering::Acquire);
            // Another thread of this process may have claimed it at the same moment.
            if claimed.is_ok() || claimed == Err(process) {
                break;
            }
            link = link.next.get_or_init(Box::default);
        }
        &link.value
    }
}

impl<T: Default> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerProcess").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn what_is_made_here_is_of_this_process_and_of_no_other() {
        assert!(Origin::here().is_here());
        assert!(!Origin(std::process::id() + 1).is_here());
    }

    #[test]
    fn each_process_has_a_value_of_its_own_whoever_holds_the_lock_of_another() {
        let values = PerProcess::new(Mutex::new(1));
        let held = values.of(7).lock().expect("nobody panics with it");
        assert_eq!(*values.of(8).lock().expect("it is another lock"), 0);
        *values.of(8).lock().expect("nobody panics with it") = 2;
        assert_eq!(*values.of(9).lock().expect("it is another lock"), 0);
        assert_eq!((*held, *values.of(8).lock().expect("nobody panics with it")), (1, 2));
    }
}
