//! What a copy of this binary does with the signals that it inherits, and what signals are called.

#![expect(unsafe_code, reason = "signal dispositions and masks have no safe API")]

use std::mem::MaybeUninit;
use std::ptr;

use libc::c_int;

use crate::outcome::Exit;
use crate::process::ExitClass;

/// The standard library's own: its stack-overflow handler, which it doesn't install where these signals are ignored
/// already, and the SIGPIPE that Rust programs ignore.
const KEPT: [c_int; 3] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGPIPE];

/// Undoes what was inherited: signals that the application ignores stay ignored through an `exec`, and with SIGCHLD
/// ignored no exit status could be collected.
pub(in crate::process) fn reset_inherited() {
    for signal in 1..=last() {
        if !KEPT.contains(&signal) || (signal != libc::SIGPIPE && is_ignored(signal)) {
            // SIGKILL, SIGSTOP and those that the C library keeps to itself refuse, and have their default anyway.
            set(signal, libc::SIG_DFL);
        }
    }
}

/// Lets every signal through: what the application blocks stays blocked through an `exec`, and with SIGCHLD blocked the
/// bell would never ring.
pub(in crate::process) fn unblock() {
    let mut none = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` initialises the set that `pthread_sigmask` then reads; the old mask isn't asked for.
    unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
    }
}

/// Calls `action` while the calling thread doesn't receive this signal.
pub(super) fn without<T>(signal: c_int, action: impl FnOnce() -> T) -> T {
    let (mut one, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    // SAFETY: `sigemptyset` initializes the set that the other calls then use.
    let is_blocked = unsafe {
        libc::sigemptyset(one.as_mut_ptr());
        libc::sigaddset(one.as_mut_ptr(), signal);
        libc::pthread_sigmask(libc::SIG_BLOCK, one.as_ptr(), before.as_mut_ptr()) == 0
    };
    let done = action();
    if is_blocked {
        // SAFETY: The call that succeeded has initialized the mask.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    }
    done
}

/// Returns the highest number of a signal.
#[cfg(target_os = "linux")]
fn last() -> c_int {
    libc::SIGRTMAX()
}

/// Returns the highest number of a signal, of those that every Unix has.
#[cfg(not(target_os = "linux"))]
fn last() -> c_int {
    31
}

pub(in crate::process) fn set(signal: c_int, disposition: libc::sighandler_t) {
    // SAFETY: The disposition is one of the two constants, so that no code of ours runs in a handler.
    unsafe { libc::signal(signal, disposition) };
}

pub(super) fn is_ignored(signal: c_int) -> bool {
    // SAFETY: All-zero is a valid `sigaction`, and the call only writes to it.
    let action = unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        libc::sigaction(signal, ptr::null(), &raw mut action);
        action
    };
    action.sa_sigaction == libc::SIG_IGN
}

/// Says what the way in which a process ended tells of the cause.
pub(crate) fn exit_class(exit: Exit) -> ExitClass {
    match exit {
        Exit::Signal { number: libc::SIGKILL, .. } => ExitClass::Killed,
        Exit::Signal { number: libc::SIGABRT, .. } => ExitClass::Aborted,
        Exit::Signal { number: libc::SIGXCPU, .. } => ExitClass::OutOfCpuTime,
        Exit::Signal { number: libc::SIGXFSZ, .. } => ExitClass::OutOfFileSize,
        Exit::Signal { .. } | Exit::Code(_) => ExitClass::Otherwise,
    }
}

/// Returns the name of a signal, such as `SIGSEGV`.
pub(crate) fn signal_name(number: i32) -> &'static str {
    const NAMES: &[(c_int, &str)] = &[
        (libc::SIGHUP, "SIGHUP"),
        (libc::SIGINT, "SIGINT"),
        (libc::SIGQUIT, "SIGQUIT"),
        (libc::SIGILL, "SIGILL"),
        (libc::SIGTRAP, "SIGTRAP"),
        (libc::SIGABRT, "SIGABRT"),
        (libc::SIGBUS, "SIGBUS"),
        (libc::SIGFPE, "SIGFPE"),
        (libc::SIGKILL, "SIGKILL"),
        (libc::SIGUSR1, "SIGUSR1"),
        (libc::SIGSEGV, "SIGSEGV"),
        (libc::SIGUSR2, "SIGUSR2"),
        (libc::SIGPIPE, "SIGPIPE"),
        (libc::SIGALRM, "SIGALRM"),
        (libc::SIGTERM, "SIGTERM"),
        #[cfg(target_os = "linux")]
        (libc::SIGSTKFLT, "SIGSTKFLT"),
        (libc::SIGCHLD, "SIGCHLD"),
        (libc::SIGCONT, "SIGCONT"),
        (libc::SIGSTOP, "SIGSTOP"),
        (libc::SIGTSTP, "SIGTSTP"),
        (libc::SIGTTIN, "SIGTTIN"),
        (libc::SIGTTOU, "SIGTTOU"),
        (libc::SIGURG, "SIGURG"),
        (libc::SIGXCPU, "SIGXCPU"),
        (libc::SIGXFSZ, "SIGXFSZ"),
        (libc::SIGVTALRM, "SIGVTALRM"),
        (libc::SIGPROF, "SIGPROF"),
        (libc::SIGWINCH, "SIGWINCH"),
        (libc::SIGIO, "SIGIO"),
        #[cfg(target_os = "linux")]
        (libc::SIGPWR, "SIGPWR"),
        (libc::SIGSYS, "SIGSYS"),
    ];
    let found = NAMES.iter().find(|(signal, _)| *signal == number);
    found.map_or("a signal without a name", |(_, name)| name)
}
