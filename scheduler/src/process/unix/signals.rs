//! What signals do in the warden and in the job, and what they are called.

#![expect(unsafe_code, reason = "signal dispositions and masks have no safe API")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use libc::c_int;

use crate::evidence::Exit;
use crate::process::Manner;

/// The standard library's own: its stack-overflow handler, which it doesn't install where these signals are ignored
/// already, and the SIGPIPE that Rust programs ignore.
const KEPT: [c_int; 3] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGPIPE];

/// What must not end the warden before it has swept: a service manager sends these to a whole group.
const SHIELDED: [c_int; 9] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGTSTP,
    libc::SIGTTOU,
];

/// Undoes what was inherited: signals that the application ignores stay ignored through an `exec`, and with SIGCHLD
/// ignored no exit status could be collected.
pub(in crate::process) fn reset_inherited() {
    for signal in 1..=libc::SIGRTMAX() {
        if !KEPT.contains(&signal) || (signal != libc::SIGPIPE && is_ignored(signal)) {
            // SIGKILL, SIGSTOP and those that the C library keeps to itself refuse, and have their default anyway.
            set(signal, libc::SIG_DFL);
        }
    }
}

/// Makes the warden deaf to what would end or stop it.
pub(in crate::process) fn shield() {
    for signal in SHIELDED {
        set(signal, libc::SIG_IGN);
    }
}

/// Gives the job, which the warden forked, the dispositions and the mask that a program starts with.
pub(in crate::process) fn unshield() {
    for signal in SHIELDED {
        set(signal, libc::SIG_DFL);
    }
    set(libc::SIGCHLD, libc::SIG_DFL);
    unblock();
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

fn set(signal: c_int, disposition: libc::sighandler_t) {
    // SAFETY: The disposition is one of the two constants, so that no code of ours runs in a handler.
    unsafe { libc::signal(signal, disposition) };
}

fn is_ignored(signal: c_int) -> bool {
    // SAFETY: All-zero is a valid `sigaction`, and the call only writes to it.
    let action = unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        libc::sigaction(signal, ptr::null(), &raw mut action);
        action
    };
    action.sa_sigaction == libc::SIG_IGN
}

/// The descriptor that [`on_child`] writes to.
static BELL: AtomicI32 = AtomicI32::new(-1);

/// Writes to `eventfd` whenever a child has ended.
///
/// A handler, and neither a signalfd nor a blocked signal: under libtest the harness's own thread has the signal
/// unblocked, and with the default disposition the kernel would drop it there.
pub(in crate::process) fn ring_on_child(eventfd: RawFd) -> io::Result<()> {
    BELL.store(eventfd, Ordering::Relaxed);
    // SAFETY: All-zero is a valid `sigaction`: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = on_child as *const () as usize;
    action.sa_flags = libc::SA_RESTART | libc::SA_NOCLDSTOP;
    // SAFETY: `action` is initialised, and `on_child` does only what is allowed in a handler.
    match unsafe { libc::sigaction(libc::SIGCHLD, &raw const action, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

extern "C" fn on_child(_: c_int) {
    let one = 1_u64.to_ne_bytes();
    // SAFETY: `write` and the place of `errno` may be used in a handler; the eventfd doesn't block. What was
    // interrupted must find its `errno` unchanged.
    unsafe {
        let errno = *libc::__errno_location();
        libc::write(BELL.load(Ordering::Relaxed), one.as_ptr().cast(), one.len());
        *libc::__errno_location() = errno;
    }
}

/// Says what the way in which a process ended tells of the cause.
pub(crate) fn manner(exit: Exit) -> Manner {
    match exit {
        Exit::Signal { number: libc::SIGKILL, .. } => Manner::Killed,
        Exit::Signal { number: libc::SIGABRT, .. } => Manner::Aborted,
        Exit::Signal { number: libc::SIGXCPU, .. } => Manner::OutOfCpuTime,
        Exit::Signal { number: libc::SIGXFSZ, .. } => Manner::OutOfFileSize,
        Exit::Signal { .. } | Exit::Code(_) => Manner::Otherwise,
    }
}

/// Returns the name of a signal, such as `SIGSEGV`.
pub(crate) fn signal_name(number: i32) -> &'static str {
    const NAMES: [(c_int, &str); 31] = [
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
        (libc::SIGPWR, "SIGPWR"),
        (libc::SIGSYS, "SIGSYS"),
    ];
    let found = NAMES.into_iter().find(|(signal, _)| *signal == number);
    found.map_or("a signal without a name", |(_, name)| name)
}
