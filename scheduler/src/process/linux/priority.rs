//! The priority of a sweep that takes longer: each session of a storm is a group of the kernel's scheduler of its own, so
//! that a warden among four hundred of them gets a four-hundredth of the machine.

#![expect(unsafe_code, reason = "the C library may refuse what the kernel allows, and has no safe API")]

use std::mem::MaybeUninit;

use libc::{c_int, c_long};

/// While it lives this thread goes before all that are scheduled in the ordinary way, if that is permitted: to root, and
/// where `RLIMIT_RTPRIO` allows it.
#[derive(Debug)]
pub(super) struct Urgency {
    /// The policy of before, of a thread that has another one now.
    before: Option<c_int>,
}

impl Urgency {
    pub(super) fn begin() -> Self {
        // SAFETY: The call has no preconditions.
        let before = unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) };
        let is_ordinary = [libc::SCHED_OTHER, libc::SCHED_BATCH, libc::SCHED_IDLE].map(c_long::from).contains(&before);
        let has_begun = is_ordinary && set(libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, 1);
        Self { before: has_begun.then(|| c_int::try_from(before).unwrap_or(libc::SCHED_OTHER)) }
    }
}

impl Drop for Urgency {
    fn drop(&mut self) {
        if let Some(policy) = self.before {
            set(policy, 0);
        }
    }
}

/// Sets the policy of this thread; false if it may not have it. The niceness stays.
fn set(policy: c_int, priority: c_int) -> bool {
    // SAFETY: All-zero is a valid `sched_param`.
    let mut parameters: libc::sched_param = unsafe { MaybeUninit::zeroed().assume_init() };
    parameters.sched_priority = priority;
    // musl refuses to make the call.
    // SAFETY: The call reads no more than the parameters.
    unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const parameters) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_urgent_is_ordinary_again() {
        // SAFETY: The call has no preconditions.
        let policy = || unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) };
        let before = policy();
        let urgency = Urgency::begin();
        let expected =
            if urgency.before.is_some() { c_long::from(libc::SCHED_RR | libc::SCHED_RESET_ON_FORK) } else { before };
        assert_eq!(policy(), expected);
        drop(urgency);
        assert_eq!(policy(), before);
    }
}
