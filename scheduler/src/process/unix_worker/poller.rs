//! `InterestPoller`: waits for many workers and their jobs, and keeps what it waits for between waits.
//!
//! A few are polled at each wait, which costs least. Once there are more, they are registered with the kernel, where the
//! system has a [`KernelQueue`]: a `poll` of a thousand jobs would cost more than all else that the parent does for them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use rustix::event::PollFlags;

use super::wait::{Interest, Polled, SOURCES, poll_all};
use crate::clock::Deadline;
use crate::process::unix::LoopWaker;
use crate::process::unix::poll::Awaited;
use crate::process::{Origin, Readiness, WaitKey};

/// The maximum number of interests that are polled if they could be registered. Beyond that, to poll all of them at each
/// wait costs more than to register each of them once and to remove it.
const MOST_POLLED: usize = 16;

/// Descriptors that the kernel keeps registered, each with a token. It becomes readable when one of them is ready.
pub(crate) trait KernelQueue: AsFd + Sized {
    fn open() -> io::Result<Self>;

    /// Registers a descriptor with this token.
    ///
    /// # Errors
    ///
    /// Fails for a file that can't be waited for, one that is registered already, and if the kernel's limit is reached.
    fn add(&mut self, token: u64, awaited: Awaited<'_>) -> io::Result<()>;

    /// Changes the events that a registered descriptor is awaited for.
    fn modify(&mut self, token: u64, awaited: Awaited<'_>) -> io::Result<()>;

    /// Removes the registration of a number with this token. The number may be closed already.
    fn remove(&mut self, token: u64, number: RawFd);

    /// Returns the tokens of descriptors that are ready, without waiting.
    fn ready(&self) -> io::Result<Vec<u64>>;
}

/// The interests of one thread, each with a key.
#[derive(Debug)]
pub(crate) struct InterestPoller<Q> {
    queue: Option<Q>,
    /// The keys whose descriptors are registered.
    registered: HashMap<WaitKey, [Option<Registration>; SOURCES]>,
    /// All other keys.
    polled: BTreeSet<WaitKey>,
    /// The process that opened the queue. A fork of it shares the registrations, and must not change or use them.
    origin: Origin,
}

/// A registered descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Registration {
    number: RawFd,
    events: PollFlags,
}

impl Registration {
    fn new(awaited: Awaited<'_>) -> Self {
        Self { number: awaited.descriptor.as_raw_fd(), events: awaited.events }
    }
}

impl<Q: KernelQueue> InterestPoller<Q> {
    pub(crate) fn new() -> Self {
        Self { queue: None, registered: HashMap::new(), polled: BTreeSet::new(), origin: Origin::here() }
    }

    /// Waits for this interest from now on, in place of the one that the key had before.
    ///
    /// Call it whenever the interest may have changed: it costs a system call for each descriptor that has.
    pub(crate) fn update(&mut self, key: WaitKey, interest: &Interest<'_>) {
        if !self.origin.is_here() {
            return;
        }
        if interest.must_be_polled() || self.register(key, interest).is_err() {
            self.deregister(key);
            self.polled.insert(key);
        } else {
            self.polled.remove(&key);
        }
    }

    /// Stops waiting for this key, which must not be used again. Call it before the descriptors are closed.
    pub(crate) fn remove(&mut self, key: WaitKey) {
        if !self.origin.is_here() {
            return;
        }
        self.deregister(key);
        self.polled.remove(&key);
    }

    /// Waits until something is ready, the waker is set or the deadline has passed. Returns the keys that are ready.
    /// `interest` returns the current interest of a key.
    ///
    /// If `poll` fails, everything is reported as ready after a pause: reading never blocks, and the jobs must not be given
    /// up. A fork of the process that made this poller waits for nothing.
    pub(crate) fn wait<'a>(
        &mut self,
        interest: impl Fn(WaitKey) -> Option<Interest<'a>>,
        waker: Option<&LoopWaker>,
        deadline: Deadline,
    ) -> Vec<(WaitKey, Readiness)> {
        if !self.origin.is_here() {
            return Vec::new();
        }
        if self.queue.is_none() && self.polled.len() > MOST_POLLED {
            self.open_queue(&interest);
        }
        let (keys, interests): (Vec<_>, Vec<_>) =
            self.polled.iter().filter_map(|key| Some((*key, interest(*key)?))).unzip();
        let events = self.queue.as_ref().map(|queue| Awaited::new(queue, PollFlags::IN));
        let (ready, polled) = poll_all(interests.into_iter(), waker, events, deadline);
        let mut ready: Vec<_> = keys.into_iter().zip(ready).filter(|(_, ready)| ready.is_any()).collect();
        match polled {
            Polled::OtherNotReady => {}
            Polled::OtherReady => ready.extend(self.events(&interest)),
            Polled::Failed => ready.extend(
                self.registered
                    .iter()
                    .map(|(key, of)| (*key, Readiness::of_sources(of.map(|source| source.is_some())))),
            ),
        }
        ready
    }

    /// Returns what is ready of the registered interests.
    fn events<'a>(&mut self, interest: &impl Fn(WaitKey) -> Option<Interest<'a>>) -> BTreeMap<WaitKey, Readiness> {
        let tokens = self.queue.as_ref().map_or(Ok(Vec::new()), Q::ready);
        // It fails if the application has closed the descriptor.
        let mut must_reopen = tokens.is_err();
        let mut ready = BTreeMap::new();
        for (key, source) in tokens.unwrap_or_default().into_iter().map(key_and_source) {
            let registered = self.registered.get(&key).and_then(|sources| *sources.get(source)?);
            if registered.is_none() {
                // A file that was closed here, and that a fork of this process has open.
                must_reopen = true;
                continue;
            }
            let mut sources = [false; SOURCES];
            sources[source] = true;
            let ready: &mut Readiness = ready.entry(key).or_default();
            *ready = ready.or(Readiness::of_sources(sources));
        }
        if must_reopen {
            self.polled.extend(self.registered.drain().map(|(key, _)| key));
            self.open_queue(interest);
        }
        ready
    }

    /// Registers everything with a new queue. If none can be opened, everything is polled.
    fn open_queue<'a>(&mut self, interest: &impl Fn(WaitKey) -> Option<Interest<'a>>) {
        self.queue = Q::open().ok();
        if self.queue.is_some() {
            for key in self.polled.clone() {
                if let Some(interest) = interest(key) {
                    self.update(key, &interest);
                }
            }
        }
    }

    /// Makes the registered descriptors of a key those of this interest.
    fn register(&mut self, key: WaitKey, interest: &Interest<'_>) -> io::Result<()> {
        let queue = self.queue.as_mut().ok_or(io::ErrorKind::Unsupported)?;
        let registered = self.registered.entry(key).or_default();
        for (source, (registered, awaited)) in registered.iter_mut().zip(interest.sources()).enumerate() {
            let token = token(key, source);
            match (*registered, awaited) {
                (Some(before), Some(awaited)) if before == Registration::new(awaited) => continue,
                (Some(before), Some(awaited)) if before.number == awaited.descriptor.as_raw_fd() => {
                    queue.modify(token, awaited)?;
                }
                (before, awaited) => {
                    if let Some(before) = before {
                        queue.remove(token, before.number);
                    }
                    *registered = None;
                    awaited.map_or(Ok(()), |awaited| queue.add(token, awaited))?;
                }
            }
            *registered = awaited.map(Registration::new);
        }
        Ok(())
    }

    fn deregister(&mut self, key: WaitKey) {
        let Some((queue, registered)) = self.queue.as_mut().zip(self.registered.remove(&key)) else {
            return;
        };
        for (source, registered) in registered.iter().enumerate() {
            if let Some(registered) = registered {
                queue.remove(token(key, source), registered.number);
            }
        }
    }
}

/// Returns the token of a descriptor. No two have the same, as no key is used twice.
fn token(key: WaitKey, source: usize) -> u64 {
    (key << SOURCE_BITS) | source as u64
}

fn key_and_source(token: u64) -> (WaitKey, usize) {
    let source = token & ((1 << SOURCE_BITS) - 1);
    (token >> SOURCE_BITS, usize::try_from(source).expect("it has few bits"))
}

const SOURCE_BITS: u32 = SOURCES.next_power_of_two().trailing_zeros();

#[cfg(all(test, not(miri)))]
mod tests;
