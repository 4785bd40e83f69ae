//! `Epoll`: descriptors that stay registered between waits, so that a wait for a thousand costs no more than one for ten.
//!
//! A registration is of an open file, not of a number. Closing a descriptor removes it only if no other process has the file
//! open as well. A fork of the application may have it; then the registration stays, and can't be removed any more, as the
//! number is closed here, or another file's. It goes on to report events with its token. The caller, which never uses a
//! token twice, recognizes them by that and opens another `Epoll`.
//!
//! A fork also has this `Epoll`, and shares its registrations: it must not use it.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{PollFlags, Timespec};
use rustix::io::retry_on_intr;

use crate::process::unix::descriptor::above_standard;
use crate::process::unix::poll::Awaited;
use crate::process::unix_worker::KernelQueue;

/// The maximum number of events in one call. The kernel reports the others at the next call, before the same ones again.
const MOST_EVENTS: usize = 128;

/// Registered descriptors, each with a token.
#[derive(Debug)]
pub(crate) struct Epoll {
    queue: OwnedFd,
    /// The token with which each number was registered last.
    tokens: HashMap<RawFd, u64>,
}

impl KernelQueue for Epoll {
    fn open() -> io::Result<Self> {
        let queue = above_standard(epoll::create(CreateFlags::CLOEXEC)?)?;
        Ok(Self { queue, tokens: HashMap::new() })
    }

    fn add(&mut self, token: u64, awaited: Awaited<'_>) -> io::Result<()> {
        let Awaited { descriptor, events } = awaited;
        epoll::add(&self.queue, descriptor, EventData::new_u64(token), event_flags(events))?;
        self.tokens.insert(descriptor.as_raw_fd(), token);
        Ok(())
    }

    fn modify(&mut self, token: u64, awaited: Awaited<'_>) -> io::Result<()> {
        let Awaited { descriptor, events } = awaited;
        Ok(epoll::modify(&self.queue, descriptor, EventData::new_u64(token), event_flags(events))?)
    }

    #[expect(unsafe_code, reason = "a number that is registered may be closed, and a descriptor may not")]
    fn remove(&mut self, token: u64, number: RawFd) {
        if self.tokens.get(&number) != Some(&token) {
            // It was closed, and is another file by now, which is registered with another token.
            return;
        }
        self.tokens.remove(&number);
        // SAFETY: The call looks the number up and closes nothing. It fails if the number is closed, or is another file.
        let _ = epoll::delete(&self.queue, unsafe { BorrowedFd::borrow_raw(number) });
    }

    fn ready(&self) -> io::Result<Vec<u64>> {
        let mut events = Vec::with_capacity(MOST_EVENTS);
        let at_once = Timespec::default();
        retry_on_intr(|| epoll::wait(&self.queue, spare_capacity(&mut events), Some(&at_once)))?;
        Ok(events.iter().map(|event| event.data.u64()).collect())
    }
}

/// Becomes readable when a registered descriptor is ready.
impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

fn event_flags(events: PollFlags) -> EventFlags {
    let mut flags = EventFlags::empty();
    flags.set(EventFlags::IN, events.contains(PollFlags::IN));
    flags.set(EventFlags::OUT, events.contains(PollFlags::OUT));
    flags
}

#[cfg(all(test, not(miri)))]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn readable(socket: &UnixStream) -> Awaited<'_> {
        Awaited::new(socket, PollFlags::IN)
    }

    fn pair() -> (UnixStream, UnixStream) {
        UnixStream::pair().expect("a socket pair")
    }

    #[test]
    fn a_descriptor_is_reported_as_long_as_it_is_ready_and_registered_for_that() {
        let mut epoll = Epoll::open().expect("Linux has it");
        let (one, mut other) = pair();
        epoll.add(7, readable(&one)).expect("there is room");
        assert_eq!(epoll.ready().expect("it is open"), [0; 0]);
        other.write_all(b"x").expect("it is open");
        for _ in 0..2 {
            assert_eq!(epoll.ready().expect("it is open"), [7]);
        }
        epoll.modify(7, Awaited::new(&one, PollFlags::empty())).expect("it is registered");
        assert_eq!(epoll.ready().expect("it is open"), [0; 0]);
        epoll.modify(7, readable(&one)).expect("it is registered");
        epoll.remove(7, one.as_raw_fd());
        assert_eq!(epoll.ready().expect("it is open"), [0; 0]);
    }

    #[test]
    fn a_number_that_another_token_has_by_now_stays_registered() {
        let mut epoll = Epoll::open().expect("Linux has it");
        let mut one = OwnedFd::from(pair().0);
        let number = one.as_raw_fd();
        epoll.add(1, Awaited::new(&one, PollFlags::IN)).expect("there is room");
        // The number becomes another file, as if this one had been closed and that one opened.
        let (next, mut other) = pair();
        rustix::io::dup2(&next, &mut one).expect("both are open");
        epoll.add(2, Awaited::new(&one, PollFlags::IN)).expect("the first file is closed, and its registration gone");
        epoll.remove(1, number);
        other.write_all(b"x").expect("it is open");
        assert_eq!(epoll.ready().expect("it is open"), [2]);
        epoll.remove(2, number);
        assert_eq!(epoll.ready().expect("it is open"), [0; 0]);
    }

    #[test]
    fn a_file_that_another_process_has_open_is_reported_after_it_was_closed_and_removed() {
        let mut epoll = Epoll::open().expect("Linux has it");
        let (one, mut other) = pair();
        // As a fork has it.
        let copy = one.try_clone().expect("there is room");
        let number = one.as_raw_fd();
        epoll.add(1, readable(&one)).expect("there is room");
        drop(one);
        epoll.remove(1, number);
        other.write_all(b"x").expect("the copy is open");
        assert_eq!(epoll.ready().expect("it is open"), [1]);
        drop(copy);
        assert_eq!(epoll.ready().expect("it is open"), [0; 0]);
    }

    #[test]
    fn a_file_that_can_not_be_waited_for_and_one_that_is_registered_already_are_refused() {
        let mut epoll = Epoll::open().expect("Linux has it");
        let file = tempfile::tempfile().expect("a temporary file");
        assert!(epoll.add(1, Awaited::new(&file, PollFlags::OUT)).is_err());
        let (one, _other) = pair();
        epoll.add(1, readable(&one)).expect("there is room");
        assert!(epoll.add(2, readable(&one)).is_err());
    }

    #[test]
    fn more_than_are_reported_at_once_are_reported_in_turn() {
        let mut epoll = Epoll::open().expect("Linux has it");
        let sockets: Vec<_> = (0..=MOST_EVENTS).map(|_| pair()).collect();
        for (token, (one, other)) in (0..).zip(&sockets) {
            epoll.add(token, readable(one)).expect("there is room");
            (&*other).write_all(b"x").expect("it is open");
        }
        let mut reported = epoll.ready().expect("it is open");
        assert_eq!(reported.len(), MOST_EVENTS);
        reported.extend(epoll.ready().expect("it is open"));
        reported.sort_unstable();
        reported.dedup();
        assert_eq!(reported.len(), MOST_EVENTS + 1);
    }
}
