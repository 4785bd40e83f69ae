//! `own_id`: the id of this process (Linux), which the kernel is asked for once, and once in each fork.
//!
//! Every use of what belongs to one process checks first that this is not a fork of it (`Origin`), some thirty times in a
//! run. The id is kept in a page that the kernel clears in a fork (`MADV_WIPEONFORK`), whatever made the fork.

#![expect(unsafe_code, reason = "memory that a fork doesn't inherit has no safe API")]

use std::process;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// The page; null before the first call.
static PAGE: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());

/// Stands for the page where there is none. Its value is never used.
static MISSING: AtomicU32 = AtomicU32::new(0);

/// Returns the id of this process.
pub(super) fn own_id() -> u32 {
    let page = NonNull::new(PAGE.load(Ordering::Acquire)).unwrap_or_else(open);
    if page == missing() {
        return process::id();
    }
    // SAFETY: The page is never unmapped, and holds a number, which is zero at first and in a fork.
    let id = unsafe { page.as_ref() };
    match id.load(Ordering::Relaxed) {
        0 => {
            let own = process::id();
            id.store(own, Ordering::Relaxed);
            own
        }
        own => own,
    }
}

fn missing() -> NonNull<AtomicU32> {
    NonNull::from(&MISSING)
}

/// Maps the page. Of several threads that do so at once, one succeeds.
fn open() -> NonNull<AtomicU32> {
    let mapped = map();
    let page = mapped.unwrap_or(missing());
    match PAGE.compare_exchange(ptr::null_mut(), page.as_ptr(), Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => page,
        Err(others) => {
            if let Some(mapped) = mapped {
                // SAFETY: No other thread has seen this mapping.
                let _ = unsafe { munmap(mapped.as_ptr().cast(), SIZE) };
            }
            NonNull::new(others).expect("the exchange fails only if there is a page")
        }
    }
}

/// Returns a page that a fork doesn't inherit, if the kernel has such.
fn map() -> Option<NonNull<AtomicU32>> {
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: The kernel chooses the address of the new mapping, which is all zeros.
    let mapped = unsafe { mmap_anonymous(ptr::null_mut(), SIZE, protection, MapFlags::PRIVATE) }.ok()?;
    // SAFETY: It is the mapping from above, in which nothing is stored yet.
    let advise = |advice| unsafe { libc::madvise(mapped, SIZE, advice) };
    // Some emulators accept any advice and follow none. They are recognized by one that doesn't exist (as BoringSSL does).
    if advise(-1) == 0 || advise(libc::MADV_WIPEONFORK) != 0 {
        // SAFETY: As above.
        let _ = unsafe { munmap(mapped, SIZE) };
        return None;
    }
    NonNull::new(mapped.cast())
}

const SIZE: usize = size_of::<AtomicU32>();

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn each_process_has_its_own_id() {
        assert_eq!(own_id(), process::id());
        // SAFETY: The fork makes only system calls, and exits.
        let fork = unsafe {
            match libc::fork() {
                0 => libc::_exit(i32::from(own_id() != libc::getpid().cast_unsigned())),
                fork => fork,
            }
        };
        let mut status = 0;
        // SAFETY: The pointer is to a variable of ours.
        assert_eq!(unsafe { libc::waitpid(fork, &raw mut status, 0) }, fork);
        assert_eq!(status, 0);
        assert_eq!(own_id(), process::id());
    }
}
