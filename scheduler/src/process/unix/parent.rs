//! `ParentWatch`: how a copy of this binary detects that the process which started it has exited.
//!
//! The end of file on its socket is not enough: an application that forks without executing anything (a daemon, a prefork
//! server, a crash handler) leaves every descriptor open in the fork. A descriptor wakes the copy: a pidfd, or on macOS and
//! the BSDs a kqueue. Then `getppid` decides: the kernel gives a process a new parent as soon as the old one has exited.
//! Where there is no such descriptor, the copy calls `getppid` every few milliseconds.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, getppid};

use super::descriptor::above_standard;
use super::poll;
use crate::clock::Deadline;

/// The interval between calls of `getppid` where no descriptor becomes readable at the parent's exit.
const TICK: Duration = Duration::from_millis(20);

/// The process id that the parent has put into a copy's role variable, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AnnouncedParent(Option<u32>);

impl AnnouncedParent {
    /// Parses the role variable's value, `role` or `role:PID`. Returns `None` if the copy has another role.
    pub(crate) fn parse(value: &str, role: &str) -> Option<Self> {
        match value.strip_prefix(role)?.strip_prefix(':') {
            Some(id) => id.parse().ok().map(|id| Self(Some(id))),
            None => (value == role).then_some(Self(None)),
        }
    }
}

/// The reason why [`ParentWatch::wait`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WakeReason {
    /// The control socket is readable.
    ParentSent,
    /// The parent has exited.
    ParentExited,
    Other,
}

/// Watches the process that started this one.
#[derive(Debug)]
pub(crate) struct ParentWatch {
    /// `None` in a process whose parent is outside of its pid namespace: there only the end of file reports the exit.
    pub(in crate::process) parent: Option<Pid>,
    /// Becomes readable when the parent has exited.
    pub(in crate::process) exit: Option<OwnedFd>,
}

impl ParentWatch {
    /// Starts to watch the parent. Returns `None` if it has exited already.
    ///
    /// If the parent did not announce its id, the process that is the parent now is watched.
    pub(crate) fn start(AnnouncedParent(announced): AnnouncedParent) -> Option<Self> {
        let Some(parent) = getppid() else {
            return Some(Self { parent: None, exit: None });
        };
        // If the parent exited before this line, an adoptive parent has taken its place: `init`, or any other process that
        // is a subreaper. Its id differs from the announced one.
        if announced.is_some_and(|announced| parent.as_raw_nonzero().get().cast_unsigned() != announced) {
            return None;
        }
        let exit = exit_of(parent).and_then(|exit| above_standard(exit).ok());
        let watch = Self { parent: Some(parent), exit };
        // If the parent exited after `getppid` and before `exit_of`, its id may have been reused, and `exit` watches
        // another process. The parent's id is the same now only if it had not exited then.
        (!watch.has_exited()).then_some(watch)
    }

    /// Returns whether the parent has exited.
    fn has_exited(&self) -> bool {
        self.parent.is_some() && getppid() != self.parent
    }

    /// Waits until the control socket is readable, the parent has exited, `other` is readable or the deadline has passed.
    pub(crate) fn wait(
        &mut self,
        control: Option<BorrowedFd<'_>>,
        other: Option<BorrowedFd<'_>>,
        deadline: Deadline,
    ) -> WakeReason {
        let next_check = self.next_check();
        let readable = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        let exit = self.exit.as_ref().map(AsFd::as_fd);
        let mut fds: Vec<_> = [control, exit, other].into_iter().flatten().map(readable).collect();
        let failed = poll::poll(&mut fds, deadline.earlier(next_check)).is_err();
        if failed {
            poll::pause();
        }
        let mut polled = fds.iter();
        let mut is_ready =
            |is_polled: bool| is_polled && polled.next().is_some_and(|fd| failed || !fd.revents().is_empty());
        let (has_sent, may_have_exited) = (is_ready(control.is_some()), is_ready(exit.is_some()));
        let has_exited = if may_have_exited { self.confirm_exit() } else { next_check.is_past() && self.has_exited() };
        match (has_exited, has_sent) {
            (true, _) => WakeReason::ParentExited,
            (false, true) => WakeReason::ParentSent,
            (false, false) => WakeReason::Other,
        }
    }

    /// Returns whether the parent has exited, now that the descriptor is readable.
    fn confirm_exit(&mut self) -> bool {
        let has_exited = self.has_exited();
        if !has_exited {
            // Either the job has closed the descriptor and the number is another file of the job, which must stay open. Or
            // the kernel has woken this thread before it changed the parent. In both cases the timer takes over.
            std::mem::forget(self.exit.take());
        }
        has_exited
    }

    /// Returns when to call [`has_exited`](Self::has_exited) next although no descriptor is ready.
    fn next_check(&self) -> Deadline {
        let needs_timer = self.parent.is_some() && self.exit.is_none();
        Deadline::after(if needs_timer { TICK } else { Duration::MAX })
    }
}

/// Returns a pidfd, unless the kernel is too old or a sandbox forbids it.
#[cfg(target_os = "linux")]
fn exit_of(process: Pid) -> Option<OwnedFd> {
    rustix::process::pidfd_open(process, rustix::process::PidfdFlags::empty()).ok()
}

/// Returns a kqueue that has an event once the process has exited.
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

/// No other kernel is known to have such a descriptor.
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
    fn a_parent_that_lives_is_watched_and_a_parent_with_another_id_has_exited() {
        let parent = std::os::unix::process::parent_id();
        let watch = ParentWatch::start(AnnouncedParent(Some(parent))).expect("the test has a parent");
        assert!(!watch.has_exited());
        assert!(ParentWatch::start(AnnouncedParent(None)).is_some());
        assert!(ParentWatch::start(AnnouncedParent(Some(std::process::id()))).is_none());
    }

    #[test]
    fn the_variable_has_the_role_and_may_have_the_parents_id() {
        assert_eq!(AnnouncedParent::parse("warden:17", "warden"), Some(AnnouncedParent(Some(17))));
        assert_eq!(AnnouncedParent::parse("warden", "warden"), Some(AnnouncedParent(None)));
        for other in ["", "job", "job:17", "warden:", "warden:x", "warden:1,2", "wardens"] {
            assert_eq!(AnnouncedParent::parse(other, "warden"), None, "{other}");
        }
    }

    #[test]
    fn without_a_descriptor_the_parents_id_is_polled() {
        let mut watch = ParentWatch::start(AnnouncedParent(None)).expect("the test has a parent");
        let needs_timer = watch.exit.is_none();
        assert_eq!(watch.next_check().remaining().is_some(), needs_timer);
        assert!(!watch.confirm_exit());
        assert!(watch.exit.is_none() && watch.next_check().remaining().is_some());
    }
}
