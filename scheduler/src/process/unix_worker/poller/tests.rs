//! Tests of `InterestPoller` with sockets in place of workers, a few of them, which are polled, and many, which are registered.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::super::wait::PollWorker;
use super::*;
use crate::process::Poller;

const FEW: u64 = 3;
const MANY: u64 = 3 * MOST_POLLED as u64;

/// A worker whose control socket is the only descriptor, or its standard error, which waits for room in a file.
struct Socket {
    own: UnixStream,
    other: UnixStream,
    events: PollFlags,
    sink: Option<OwnedFd>,
}

impl Socket {
    fn new() -> Self {
        let (own, other) = UnixStream::pair().expect("a socket pair");
        Self { own, other, events: PollFlags::IN, sink: None }
    }

    fn send(&self) {
        (&self.other).write_all(b"x").expect("it is open");
    }

    fn receive(&self) {
        (&self.own).read_exact(&mut [0]).expect("something was sent");
    }
}

impl PollWorker for Socket {
    fn report_interests(&self, events: PollFlags) -> [Option<Awaited<'_>>; 2] {
        [Some(Awaited::new(&self.own, events & self.events)), None]
    }

    fn stderr_interest(&self) -> Option<Awaited<'_>> {
        self.sink.as_ref().map(|sink| Awaited::new(sink, PollFlags::OUT))
    }

    fn exit_interest(&self) -> Option<Awaited<'_>> {
        None
    }

    fn unsignaled(&self) -> Readiness {
        Readiness::default()
    }
}

/// Sockets under the keys from 0, all of which a poller waits for.
struct Sockets {
    poller: Poller,
    sockets: HashMap<WaitKey, Socket>,
}

impl Sockets {
    fn new(count: u64) -> Self {
        let mut all = Self { poller: Poller::new(), sockets: (0..count).map(|key| (key, Socket::new())).collect() };
        (0..count).for_each(|key| all.update(key));
        all
    }

    fn update(&mut self, key: WaitKey) {
        self.poller.update(key, &Interest::report(&self.sockets[&key]));
    }

    /// Returns the keys that are ready, after a short time if none is.
    fn ready(&mut self) -> Vec<WaitKey> {
        let shortly = Deadline::after(Duration::from_millis(20));
        let Self { poller, sockets } = self;
        // An event of a closed file ends one wait early.
        for _ in 0..2 {
            let mut ready = poller.wait(|key| sockets.get(&key).map(Interest::report), None, shortly);
            if !ready.is_empty() || shortly.is_past() {
                ready.sort_by_key(|(key, _)| *key);
                return ready.into_iter().map(|(key, _)| key).collect();
            }
        }
        panic!("it waits until something is ready")
    }
}

#[test]
fn what_is_ready_is_reported_until_it_is_not_however_many_are_waited_for() {
    for count in [FEW, MANY] {
        let mut all = Sockets::new(count);
        assert_eq!(all.ready(), [0; 0]);
        assert_eq!(all.poller.queue.is_some(), count == MANY && HAS_QUEUE);
        all.sockets[&1].send();
        all.sockets[&2].send();
        for _ in 0..2 {
            assert_eq!(all.ready(), [1, 2]);
        }
        all.sockets[&1].receive();
        assert_eq!(all.ready(), [2]);
        // The end of the stream counts without being asked for.
        all.sockets.get_mut(&1).expect("it is there").events = PollFlags::empty();
        all.update(1);
        all.sockets[&1].other.shutdown(std::net::Shutdown::Both).expect("it is open");
        assert_eq!(all.ready(), [1, 2]);
    }
}

#[test]
fn a_changed_interest_counts_from_the_next_wait_on() {
    for count in [FEW, MANY] {
        let mut all = Sockets::new(count);
        assert_eq!(all.ready(), [0; 0]);
        all.sockets[&0].send();
        for (events, expected) in [(PollFlags::empty(), &[][..]), (PollFlags::IN, &[0])] {
            all.sockets.get_mut(&0).expect("it is there").events = events;
            all.update(0);
            assert_eq!(all.ready(), expected);
        }
        all.poller.remove(0);
        assert_eq!(all.ready(), [0; 0]);
    }
}

#[test]
fn a_number_that_was_closed_and_used_again_under_another_key_is_waited_for() {
    for count in [FEW, MANY] {
        let mut all = Sockets::new(count);
        assert_eq!(all.ready(), [0; 0]);
        // The new socket takes the number of the old one, before the old key is removed.
        let (old, new) = (all.sockets.remove(&0).expect("it is there"), Socket::new());
        let own = replaced(old.own, &new.own);
        all.sockets.insert(count, Socket { own, ..new });
        all.update(count);
        all.poller.remove(0);
        all.sockets[&count].send();
        assert_eq!(all.ready(), [count]);
    }
}

/// Returns the socket `with` under the number of `old`, as if that had been closed and the number used again.
fn replaced(old: UnixStream, with: &UnixStream) -> UnixStream {
    let mut number = OwnedFd::from(old);
    rustix::io::dup2(with, &mut number).expect("both are open");
    number.into()
}

#[test]
fn a_file_that_a_fork_still_has_open_neither_keeps_the_poller_awake_nor_hides_others() {
    for count in [FEW, MANY] {
        let mut all = Sockets::new(count);
        assert_eq!(all.ready(), [0; 0]);
        let Socket { own, other, .. } = all.sockets.remove(&0).expect("it is there");
        // As a fork has it. It is closed here before the key is removed, so that its registration stays.
        let forks = own.try_clone().expect("there is room");
        drop(own);
        all.poller.remove(0);
        (&other).write_all(b"x").expect("the fork has the other end");
        all.sockets[&1].send();
        assert_eq!(all.ready(), [1]);
        all.sockets[&1].receive();
        // It waits for its whole time.
        assert_eq!(all.ready(), [0; 0]);
        drop(forks);
    }
}

#[test]
fn a_plain_file_that_output_goes_to_is_always_ready_beside_registered_sockets() {
    let mut all = Sockets::new(MANY);
    assert_eq!(all.ready(), [0; 0]);
    let sink: OwnedFd = tempfile::tempfile().expect("a temporary file").into();
    for key in [4, 5] {
        let sink = sink.try_clone().expect("there is room");
        all.sockets.get_mut(&key).expect("it is there").sink = Some(sink);
        all.update(key);
    }
    assert_eq!(all.ready(), [4, 5]);
    for key in [4, 5] {
        all.sockets.get_mut(&key).expect("it is there").sink = None;
        all.update(key);
    }
    assert_eq!(all.ready(), [0; 0]);
    all.sockets[&4].send();
    assert_eq!(all.ready(), [4]);
}

#[test]
#[expect(unsafe_code, reason = "the number of a descriptor is given to another file")]
fn if_the_queue_was_closed_another_one_is_opened() {
    let mut all = Sockets::new(MANY);
    assert_eq!(all.ready(), [0; 0]);
    let Some(queue) = &all.poller.queue else {
        return;
    };
    // The application has closed a number that isn't its own, and it is another file by now.
    let null = std::fs::File::open("/dev/null").expect("the null device");
    let number = queue.as_fd().as_raw_fd();
    // SAFETY: Both numbers are open. The queue's owner closes its number, which is then the other file.
    assert_eq!(unsafe { libc::dup2(null.as_raw_fd(), number) }, number);
    all.sockets[&7].send();
    assert_eq!(all.ready(), [7]);
}

/// Only Linux has one.
const HAS_QUEUE: bool = crate::process::HAS_FORK_SERVERS;
