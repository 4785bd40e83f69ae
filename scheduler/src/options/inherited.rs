//! `InheritedFds`: the descriptors that a job inherits besides its standard streams, under the same numbers.

#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
#[cfg(unix)]
use std::sync::Arc;

/// The maximum number of inherited descriptors: they are sent in one message.
#[cfg_attr(windows, allow(dead_code, reason = "only Unix has descriptors"))]
pub(crate) const MOST_INHERITED: usize = 32;

/// The inherited descriptors of one job. Always empty on other systems than Unix.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct InheritedFds(#[cfg(unix)] Vec<InheritedFd>);

/// A duplicate of a descriptor, open for as long as a job may inherit it.
#[cfg(unix)]
#[derive(Clone, Debug)]
struct InheritedFd {
    number: i32,
    /// The error, if it could not be duplicated.
    duplicate: Result<Arc<OwnedFd>, Arc<str>>,
}

#[cfg(unix)]
impl PartialEq for InheritedFd {
    fn eq(&self, other: &Self) -> bool {
        let is_same = match (&self.duplicate, &other.duplicate) {
            (Ok(own), Ok(others)) => Arc::ptr_eq(own, others),
            (own, others) => own.is_err() && others.is_err(),
        };
        is_same && self.number == other.number
    }
}

#[cfg(unix)]
impl InheritedFds {
    /// Adds a descriptor; it replaces one of the same number.
    pub(super) fn add(&mut self, descriptor: BorrowedFd<'_>) {
        let number = descriptor.as_raw_fd();
        let duplicate = descriptor.try_clone_to_owned();
        let duplicate = duplicate.map(Arc::new).map_err(|error| error.to_string().into());
        self.0.retain(|inherited| inherited.number != number);
        self.0.push(InheritedFd { number, duplicate });
    }

    /// Returns `true` if there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the numbers, in the order of [`descriptors`](Self::descriptors).
    pub(crate) fn numbers(&self) -> Vec<i32> {
        self.0.iter().map(|inherited| inherited.number).collect()
    }

    /// Returns the duplicates; none is missing if there is no [`problem`](Self::problem).
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.iter().filter_map(|inherited| inherited.duplicate.as_deref().ok()).map(AsFd::as_fd)
    }

    pub(super) fn over(mut self, below: &Self) -> Self {
        let is_other = |inherited: &&InheritedFd| self.0.iter().all(|own| own.number != inherited.number);
        let others: Vec<_> = below.0.iter().filter(is_other).cloned().collect();
        self.0.extend(others);
        self
    }

    pub(super) fn problem(&self) -> Option<String> {
        if self.0.len() > MOST_INHERITED {
            let count = self.0.len();
            return Some(format!("a job can inherit up to {MOST_INHERITED} descriptors, not {count}; pass fewer"));
        }
        self.0.iter().find_map(|InheritedFd { number, duplicate }| match duplicate {
            _ if *number < 3 => {
                let option = ["stdin", "stdout", "stderr"][usize::try_from(*number).unwrap_or(0)];
                Some(format!("descriptor {number} is a standard stream; set `{option}` instead"))
            }
            Err(problem) => {
                Some(format!("descriptor {number} can't be duplicated for a job: {problem}; pass one that is open"))
            }
            Ok(_) => None,
        })
    }
}

#[cfg(not(unix))]
#[expect(clippy::unused_self, reason = "on Unix there are some")]
impl InheritedFds {
    pub(crate) fn is_empty(&self) -> bool {
        true
    }

    pub(crate) fn numbers(&self) -> Vec<i32> {
        Vec::new()
    }

    pub(super) fn over(self, _: &Self) -> Self {
        self
    }

    pub(super) fn problem(&self) -> Option<String> {
        None
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn descriptors_of_a_call_are_added_to_those_of_its_scheduler() {
        let (one, other) = io::pipe().expect("a pipe");
        let (mut above, mut below) = (InheritedFds::default(), InheritedFds::default());
        above.add(one.as_fd());
        below.add(one.as_fd());
        below.add(other.as_fd());
        let both = above.clone().over(&below);
        assert_eq!(both.numbers(), [one.as_raw_fd(), other.as_raw_fd()]);
        assert_eq!((both.0[0] == above.0[0], both.descriptors().count()), (true, 2));
    }

    #[test]
    fn standard_streams_and_too_many_descriptors_are_refused() {
        for (stream, number, option) in [
            (io::stdin().as_fd(), 0, "stdin"),
            (io::stdout().as_fd(), 1, "stdout"),
            (io::stderr().as_fd(), 2, "stderr"),
        ] {
            let mut inherited = InheritedFds::default();
            inherited.add(stream);
            let problem = format!("descriptor {number} is a standard stream; set `{option}` instead");
            assert_eq!(inherited.problem(), Some(problem));
        }
        let pipes: Vec<_> = (0..17).map(|_| io::pipe().expect("a pipe")).collect();
        let mut many = InheritedFds::default();
        for (reader, writer) in &pipes {
            many.add(reader.as_fd());
            many.add(writer.as_fd());
        }
        assert_eq!(many.problem().as_deref(), Some("a job can inherit up to 32 descriptors, not 34; pass fewer"));
    }
}
