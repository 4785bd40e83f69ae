//! `Origin`: the process that created a value. `PerProcess`: a static of which each fork of a process has its own.
//!
//! An application may fork without executing anything. The fork has a copy of everything: sockets to wardens, running jobs,
//! locks that other threads hold; but only the thread that forked. It must not use, kill or wait for any of that.

use std::fmt;
#[cfg(not(target_os = "linux"))]
use std::process::id as own_id;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(target_os = "linux")]
use super::own_id::own_id;

/// The process that created a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin(u32);

impl Origin {
    /// Returns the current process.
    pub(crate) fn here() -> Self {
        Self(own_id())
    }

    /// Returns whether this is the same process, and not a fork of it.
    pub(crate) fn is_here(self) -> bool {
        self == Self::here()
    }
}

/// A value of which each fork of a process has its own, which starts as the default.
///
/// The fork never touches the value of the original process, and so none of its locks: the thread that holds one, or that
/// was initializing a [`OnceLock`], doesn't exist in the fork.
pub(crate) struct PerProcess<T> {
    /// The id of the process that has this value; 0 until one has claimed it.
    owner: AtomicU32,
    value: T,
    /// The value of a fork.
    next: OnceLock<Box<Self>>,
}

impl<T> PerProcess<T> {
    /// Returns a static that has this value in the first process that uses it.
    pub(crate) const fn new(value: T) -> Self {
        Self { owner: AtomicU32::new(0), value, next: OnceLock::new() }
    }
}

impl<T: Default> PerProcess<T> {
    /// Returns the value of this process.
    pub(crate) fn here(&self) -> &T {
        self.of(own_id())
    }

    fn of(&self, process: u32) -> &T {
        let mut link = self;
        while link.owner.load(Ordering::Acquire) != process {
            let claimed = link.owner.compare_exchange(0, process, Ordering::AcqRel, Ordering::Acquire);
            // `Err(process)`: another thread of this process has claimed it at the same time.
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
    fn a_value_belongs_to_the_process_that_created_it() {
        assert!(Origin::here().is_here());
        assert!(!Origin(std::process::id() + 1).is_here());
    }

    #[test]
    fn each_process_has_its_own_value_although_another_ones_lock_is_held() {
        let values = PerProcess::new(Mutex::new(1));
        let held = values.of(7).lock().expect("no thread panics while it holds it");
        assert_eq!(*values.of(8).lock().expect("it is another lock"), 0);
        *values.of(8).lock().expect("no thread panics while it holds it") = 2;
        assert_eq!(*values.of(9).lock().expect("it is another lock"), 0);
        assert_eq!((*held, *values.of(8).lock().expect("no thread panics while it holds it")), (1, 2));
    }
}
