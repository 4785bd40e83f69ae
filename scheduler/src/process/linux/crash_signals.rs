//! Handlers for the signals of a crash, in a job's process: the warden captures the process before it dies.
//!
//! A handler asks the warden for the capture and waits, for a moment, until the warden reports that it is done. Then it restores what was
//! there before, and lets the signal take its course: the fault happens once more, or the signal is sent again. So the process dies
//! as it would have, and the standard library's message about a stack overflow is printed.
//!
//! To trace a job from its start would tell the warden of a crash as well, but stops it at each of its signals, SIGCHLD included, and
//! at each start of a thread, and keeps debuggers away. A handler costs a job that doesn't crash nothing.

#![expect(unsafe_code, reason = "rustix has no stable API for signal handlers")]

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, Ordering};
use std::time::Duration;

use libc::c_int;

use crate::process::fallback_deadlines::CAPTURE_FACTOR;

/// The signals of crashes. What aborts by an instruction of the processor, as `__builtin_trap` in C does, gets SIGILL on x86-64, and
/// SIGTRAP on aarch64.
const SIGNALS: [c_int; 6] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGABRT];

/// How long a crashed process waits for its capture. On a busy machine the warden may have to wait for a processor.
const LONGEST: Duration = Duration::from_millis(500 * CAPTURE_FACTOR);

/// What the signals did before. Handlers may run at any time, so that these are never freed.
static BEFORE: [AtomicPtr<libc::sigaction>; SIGNALS.len()] = [const { AtomicPtr::new(ptr::null_mut()) }; SIGNALS.len()];

/// The process with the handlers: a fork of it has them, too, and has no warden.
static OWNER: AtomicI32 = AtomicI32::new(0);

/// The function that reports the crash to the warden, and the one that waits for the capture.
static FUNCTIONS: OnceLock<Functions> = OnceLock::new();

type Functions = (fn(u32), fn(Duration));

/// The thread that crashed first, and has reported it.
static CRASHED: AtomicU32 = AtomicU32::new(0);

/// Installs the handlers. `report` is called at the first crash with the id of its thread, and then `wait`, which returns once the
/// warden has captured this process, or after a time. Both are called in a handler, and may make only calls that a handler may make.
/// The warden looks for what is reported when it gets a SIGCHLD.
pub(crate) fn capture_crashes(report: fn(u32), wait: fn(Duration)) {
    if FUNCTIONS.set((report, wait)).is_err() {
        // An earlier call in this process has installed them. They are still there: it would not serve another call.
        return;
    }
    OWNER.store(std::process::id().cast_signed(), Ordering::Relaxed);
    for (signal, before) in SIGNALS.into_iter().zip(&BEFORE) {
        // SAFETY: All-zero is a valid `sigaction`.
        let (mut action, mut previous) = unsafe {
            (
                MaybeUninit::<libc::sigaction>::zeroed().assume_init(),
                MaybeUninit::<libc::sigaction>::zeroed().assume_init(),
            )
        };
        action.sa_sigaction = on_crash as *const () as usize;
        // The stack may have overflowed. The kernel is not to restore the default itself (SA_RESETHAND): a second thread that crashes
        // would kill the process before the first crash is captured.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: The call only reads a disposition.
        let is_known = unsafe { libc::sigaction(signal, ptr::null(), &raw mut previous) } == 0;
        // A trap kills a process that ignores its signal. Sent once more, the signal would be ignored.
        let is_lost = signal == libc::SIGTRAP && previous.sa_sigaction == libc::SIG_IGN;
        if is_known && !is_lost {
            before.store(Box::into_raw(Box::new(previous)), Ordering::Release);
            // SAFETY: The handler makes only calls that are allowed in a handler.
            unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
        }
    }
}

extern "C" fn on_crash(signal: c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: All calls are allowed in a handler, the pointers are the kernel's or of this module, and `errno` is restored.
    unsafe {
        let errno = *libc::__errno_location();
        if libc::getpid() == OWNER.load(Ordering::Relaxed)
            && let Some((report, wait)) = FUNCTIONS.get()
        {
            let thread = own_thread();
            match CRASHED.compare_exchange(0, thread, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    report(thread);
                    // Without it the warden doesn't look. A seccomp filter may refuse it.
                    if libc::kill(libc::getppid(), libc::SIGCHLD) == 0 {
                        wait(LONGEST);
                    }
                }
                // Its signal would kill the process before the first crash is captured, or be taken for the cause.
                Err(first) if first != thread => {
                    wait(LONGEST);
                    pause_for(LONGEST);
                }
                // The standard library's own handler ends in another signal.
                Err(_) => {}
            }
        }
        let is_restored = restore(signal);
        // A fault happens once more. A signal that was sent is delivered once more, when this handler returns; and so is that of a
        // trap, after which x86-64 would go on.
        if (*info).si_code <= 0 || signal == libc::SIGTRAP {
            let again = if is_restored { signal } else { libc::SIGKILL };
            libc::syscall(libc::SYS_tgkill, libc::getpid(), own_thread(), again);
        } else if !is_restored {
            // A seccomp filter may refuse that. The kernel kills a process by a fault whose signal is blocked, which this is as soon as
            // the handler returns.
            libc::sigaddset(&raw mut (*context.cast::<libc::ucontext_t>()).uc_sigmask, signal);
        }
        *libc::__errno_location() = errno;
    }
}

/// Returns the id of this thread. Older versions of glibc have no function for it.
fn own_thread() -> u32 {
    // SAFETY: The call has no preconditions, and always succeeds.
    u32::try_from(unsafe { libc::syscall(libc::SYS_gettid) }).unwrap_or_default()
}

/// Waits for this time, unless the process dies.
fn pause_for(time: Duration) {
    let milliseconds = c_int::try_from(time.as_millis()).unwrap_or(c_int::MAX);
    // SAFETY: There are no descriptors to wait for.
    unsafe { libc::poll(ptr::null_mut(), 0, milliseconds) };
}

/// Restores what a signal did before. Returns whether it does that now.
unsafe fn restore(signal: c_int) -> bool {
    SIGNALS.into_iter().zip(&BEFORE).filter(|(known, _)| *known == signal).all(|(_, before)| {
        let before = before.load(Ordering::Acquire);
        // SAFETY: It was made by `Box`, and is never freed.
        before.is_null() || unsafe { libc::sigaction(signal, before, ptr::null_mut()) } == 0
    })
}
