//! `RealtimePriority`: the scheduling policy of a sweep that takes long. The kernel divides the processor among sessions,
//! so a warden among the four hundred sessions of a storm gets a four-hundredth of the machine.

#![expect(unsafe_code, reason = "rustix has no scheduling policies, and musl refuses to set them")]

use std::mem::MaybeUninit;

use libc::{c_int, c_long};

/// While it exists, the thread runs before all that have an ordinary policy, if it may: as root, or within `RLIMIT_RTPRIO`.
#[derive(Debug)]
pub(super) struct RealtimePriority {
    /// The policy to restore, if it was changed.
    before: Option<c_int>,
}

impl RealtimePriority {
    pub(super) fn raise() -> Self {
        // SAFETY: The call has no preconditions.
        let before = unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) };
        let is_ordinary = [libc::SCHED_OTHER, libc::SCHED_BATCH, libc::SCHED_IDLE].map(c_long::from).contains(&before);
        let is_raised = is_ordinary && set(libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, 1);
        Self { before: is_raised.then(|| c_int::try_from(before).unwrap_or(libc::SCHED_OTHER)) }
    }
}

impl Drop for RealtimePriority {
    fn drop(&mut self) {
        if let Some(policy) = self.before {
            set(policy, 0);
        }
    }
}

/// Sets the policy of this thread, and leaves its niceness. Returns whether that is permitted.
fn set(policy: c_int, priority: c_int) -> bool {
    // SAFETY: All-zero is a valid `sched_param`.
    let mut parameters: libc::sched_param = unsafe { MaybeUninit::zeroed().assume_init() };
    parameters.sched_priority = priority;
    // A raw call, as musl's function always fails.
    // SAFETY: The call reads the parameters and nothing else.
    unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const parameters) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_priority_is_restored() {
        // SAFETY: The call has no preconditions.
        let policy = || unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) };
        let before = policy();
        let priority = RealtimePriority::raise();
        let expected =
            if priority.before.is_some() { c_long::from(libc::SCHED_RR | libc::SCHED_RESET_ON_FORK) } else { before };
        assert_eq!(policy(), expected);
        drop(priority);
        assert_eq!(policy(), before);
    }
}
