//! `ParentWatch`: how a copy of this binary notices that the process which started it has exited.
//!
//! The end of file on its socket is not enough: an application that forks without executing anything (a daemon, a prefork
//! server, a crash handler) leaves every descriptor open in the fork. A pidfd wakes the copy, or on macOS and the BSDs a
//! kqueue, and `getppid` decides: the kernel gives a process a new parent as soon as the old one has exited. Where there is
//! neither, the copy asks for its parent every few milliseconds.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, getppid};

use super::descriptor::above_standard;
use super::poll;
use crate::clock::Deadline;

/// How often the parent's id is read where no descriptor becomes ready at its exit.
const TICK: Duration = Duration::from_millis(20);

/// The id that the parent gave itself in the marker of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announced(Option<u32>);

impl Announced {
    /// Reads it from the marker of a copy that has this role; `None` if the copy has another one.
    pub(crate) fn parse(marker: &str, role: &str) -> Option<Self> {
        match marker.strip_prefix(role)?.strip_prefix(':') {
            Some(id) => id.parse().ok().map(|id| Self(Some(id))),
            None => (marker == role).then_some(Self(None)),
        }
    }
}

/// What a copy woke up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// There may be something to read from the parent.
    ByTheParent,
    /// The parent has exited.
    ByItsExit,
    Otherwise,
}

/// Watches the process that started this one.
#[derive(Debug)]
pub(crate) struct ParentWatch {
    /// Unknown to a process whose parent is outside of its namespace: the end of file must do there.
    pub(in crate::process) parent: Option<Pid>,
    /// Is readable once the parent has exited.
    pub(in crate::process) exit: Option<OwnedFd>,
}

impl ParentWatch {
    /// Starts to watch the parent; `None` if it has exited by now.
    ///
    /// If it did not announce its id, the process that is the parent now is watched.
    pub(crate) fn start(Announced(announced): Announced) -> Option<Self> {
        let Some(parent) = getppid() else {
            return Some(Self { parent: None, exit: None });
        };
        // Under a subreaper, or in a container, the next parent is any process.
        if announced.is_some_and(|announced| parent.as_raw_nonzero().get().cast_unsigned() != announced) {
            return None;
        }
        let exit = exit_of(parent).and_then(|exit| above_standard(exit).ok());
        let watch = Self { parent: Some(parent), exit };
        // The number may have become another process's before it was opened, but not while it is still the parent's.
        (!watch.has_exited()).then_some(watch)
    }

    /// Returns whether the parent has exited.
    fn has_exited(&self) -> bool {
        self.parent.is_some() && getppid() != self.parent
    }

    /// Waits until the parent has sent something or has exited, `other` is ready or the deadline has passed.
    pub(crate) fn wait(
        &mut self,
        control: Option<BorrowedFd<'_>>,
        other: Option<BorrowedFd<'_>>,
        deadline: Deadline,
    ) -> Woken {
        let next_look = self.next_look();
        let readable = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        let exit = self.exit.as_ref().map(AsFd::as_fd);
        let mut fds: Vec<_> = [control, exit, other].into_iter().flatten().map(readable).collect();
        let failed = poll::poll(&mut fds, deadline.earlier(next_look)).is_err();
        if failed {
            poll::pause();
        }
        let mut polled = fds.iter();
        let mut is_ready =
            |is_polled: bool| is_polled && polled.next().is_some_and(|fd| failed || !fd.revents().is_empty());
        let (has_sent, was_woken) = (is_ready(control.is_some()), is_ready(exit.is_some()));
        let has_exited = if was_woken { self.woke() } else { next_look.is_past() && self.has_exited() };
        match (has_exited, has_sent) {
            (true, _) => Woken::ByItsExit,
            (false, true) => Woken::ByTheParent,
            (false, false) => Woken::Otherwise,
        }
    }

    /// Takes note that the descriptor was ready, and returns whether the parent has exited.
    fn woke(&mut self) -> bool {
        let has_exited = self.has_exited();
        if !has_exited {
            // Something else of the job's is under its number, which stays open then, or the kernel is not done yet: the
            // ticks will tell.
            std::mem::forget(self.exit.take());
        }
        has_exited
    }

    /// Returns the moment at which to ask [`has_exited`](Self::has_exited) again, though nothing was ready.
    fn next_look(&self) -> Deadline {
        let is_blind = self.parent.is_some() && self.exit.is_none();
        Deadline::after(if is_blind { TICK } else { Duration::MAX })
    }
}

/// Returns a pidfd. An old kernel, or a sandbox, has none.
#[cfg(target_os = "linux")]
fn exit_of(process: Pid) -> Option<OwnedFd> {
    rustix::process::pidfd_open(process, rustix::process::PidfdFlags::empty()).ok()
}

/// Returns a queue that has an event once the process has exited.
#[cfg(any(target_vendor = "apple", target_os = "freebsd", target_os = "netbsd", target_os = "openbsd"))]
#[expect(unsafe_code, reason = "`kevent` may name descriptors, which must stay open")]
fn exit_of(process: Pid) -> Option<OwnedFd> {
    use rustix::event::kqueue::{Event, EventFilter, EventFlags, ProcessEvents, kevent, kqueue};

    let queue = kqueue().ok()?;
    rustix::io::fcntl_setfd(&queue, rustix::io::FdFlags::CLOEXEC).ok()?;
    let filter = EventFilter::Proc { pid: process, flags: ProcessEvents::EXIT };
    let change = [Event::new(filter, EventFlags::ADD, std::ptr::null_mut())];
    let mut none: [std::mem::MaybeUninit<Event>; 0] = [];
    // SAFETY: The change names a process and no descriptor.
    unsafe { kevent(&queue, &change, &mut none, Some(Duration::ZERO)) }.ok()?;
    Some(queue)
}

/// No other kernel is known to have such a thing.
#[cfg(not(any(
    target_os = "linux",
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd"
)))]
fn exit_of(_: Pid) -> Option<OwnedFd> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_that_lives_is_watched_and_one_that_is_another_has_exited() {
        let parent = std::os::unix::process::parent_id();
        let watch = ParentWatch::start(Announced(Some(parent))).expect("the test has a parent");
        assert!(!watch.has_exited());
        assert!(ParentWatch::start(Announced(None)).is_some());
        assert!(ParentWatch::start(Announced(Some(std::process::id()))).is_none());
    }

    #[test]
    fn a_marker_names_the_role_and_may_name_the_parent() {
        assert_eq!(Announced::parse("warden:17", "warden"), Some(Announced(Some(17))));
        assert_eq!(Announced::parse("warden", "warden"), Some(Announced(None)));
        for other in ["", "job", "job:17", "warden:", "warden:x", "warden:1,2", "wardens"] {
            assert_eq!(Announced::parse(other, "warden"), None, "{other}");
        }
    }

    #[test]
    fn without_a_descriptor_the_parent_is_asked_for_every_so_often() {
        let mut watch = ParentWatch::start(Announced(None)).expect("the test has a parent");
        let is_blind = watch.exit.is_none();
        assert_eq!(watch.next_look().remaining().is_some(), is_blind);
        assert!(!watch.woke());
        assert!(watch.exit.is_none() && watch.next_look().remaining().is_some());
    }
}
