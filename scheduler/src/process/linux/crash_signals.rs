//! Handlers for the signals of a crash, in a job's process: the warden captures the process before it dies.
//!
//! A handler asks the warden for the capture and waits, for a moment, until it has been stopped for it. Then it restores what was
//! there before, and lets the signal take its course: the fault happens once more, or the signal is sent again. So the process dies
//! as it would have, and the standard library's message about a stack overflow is printed.
//!
//! To trace a job from its start would tell the warden of a crash as well, but stops it at each of its signals, SIGCHLD included, and
//! at each start of a thread, and keeps debuggers away. A handler costs a job that doesn't crash nothing.

#![expect(unsafe_code, reason = "rustix has no stable API for signal handlers")]

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicUsize, Ordering};

use libc::c_int;

/// The signals of crashes.
const SIGNALS: [c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT];

/// How long a crashed process waits for its capture, in nanoseconds.
const LONGEST: libc::c_long = 150_000_000;

/// What the signals did before. Handlers may run at any time, so that these are never freed.
static BEFORE: [AtomicPtr<libc::sigaction>; SIGNALS.len()] = [const { AtomicPtr::new(ptr::null_mut()) }; SIGNALS.len()];

/// The process with the handlers: a fork of it has them, too, and has no warden.
static OWNER: AtomicI32 = AtomicI32::new(0);

/// The function that tells the warden of the crash.
static REPORT: AtomicUsize = AtomicUsize::new(0);

/// The first crash was reported: the standard library's own handler ends in another one.
static IS_REPORTED: AtomicBool = AtomicBool::new(false);

/// Installs the handlers. `report` is called at the first crash, in a handler: it may make only calls that a handler may make. The
/// warden looks for what it reports when it gets a SIGCHLD.
pub(crate) fn capture_crashes(report: fn()) {
    REPORT.store(report as usize, Ordering::Relaxed);
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
        // The stack may have overflowed. The kernel itself restores the default: a job's seccomp filter may refuse `restore`, and the
        // fault would be handled without end.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESETHAND;
        // SAFETY: The call only reads a disposition.
        if unsafe { libc::sigaction(signal, ptr::null(), &raw mut previous) } == 0 {
            before.store(Box::into_raw(Box::new(previous)), Ordering::Release);
            // SAFETY: The handler makes only calls that are allowed in a handler.
            unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
        }
    }
}

extern "C" fn on_crash(signal: c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: All calls are allowed in a handler, the pointers are the kernel's or of this module, and `errno` is restored.
    unsafe {
        let errno = *libc::__errno_location();
        if libc::getpid() == OWNER.load(Ordering::Relaxed) && !IS_REPORTED.swap(true, Ordering::Relaxed) {
            let report = REPORT.load(Ordering::Relaxed);
            // It was stored before the handler was installed.
            let report: fn() = std::mem::transmute::<usize, fn()>(report);
            report();
            libc::kill(libc::getppid(), libc::SIGCHLD);
            wait_for_capture();
        }
        restore(signal);
        // A fault happens once more. A signal that was sent is delivered once more, when this handler returns.
        if (*info).si_code <= 0 {
            libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::syscall(libc::SYS_gettid), signal);
        }
        *libc::__errno_location() = errno;
    }
}

/// Returns once this thread was stopped and continued, or after a moment.
///
/// The call waits for none of the signals. A stop interrupts it, and it isn't restarted (`signal(7)`).
unsafe fn wait_for_capture() {
    let mut none = MaybeUninit::uninit();
    let time = libc::timespec { tv_sec: 0, tv_nsec: LONGEST };
    // SAFETY: The set is initialized, and the pointers are to variables of this function.
    unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigtimedwait(none.as_ptr(), ptr::null_mut(), &raw const time);
    }
}

/// Restores what a signal did before.
unsafe fn restore(signal: c_int) {
    for (known, before) in SIGNALS.into_iter().zip(&BEFORE) {
        let before = before.load(Ordering::Acquire);
        if known == signal && !before.is_null() {
            // SAFETY: It was made by `Box`, and is never freed.
            unsafe { libc::sigaction(signal, before, ptr::null_mut()) };
        }
    }
}
