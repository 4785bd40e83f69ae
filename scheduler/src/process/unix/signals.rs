//! Signals: the dispositions and the mask that a copy inherits, and what a signal says about the cause of an exit.

#![expect(unsafe_code, reason = "rustix has no stable API for signal dispositions and masks")]

use std::mem::MaybeUninit;
use std::ptr;

use libc::c_int;
#[cfg(target_os = "linux")]
use rustix::fs::{Mode, OFlags};

use crate::outcome::Exit;
use crate::process::ExitClass;
#[cfg(feature = "cli")]
use crate::process::FatalSignal;

/// The signals that the standard library has set: its stack-overflow handler's two, which it doesn't install where they are
/// ignored already, and SIGPIPE, which Rust programs ignore.
const SET_BY_STD: [c_int; 3] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGPIPE];

/// Restores the default dispositions: the signals that the application ignores stay ignored through an `exec`, and with
/// SIGCHLD ignored the kernel would discard exit statuses.
pub(in crate::process) fn reset_inherited() {
    let changed = changed();
    for signal in (1..=last()).filter(|signal| changed.is_none_or(|changed| changed >> (signal - 1) & 1 == 1)) {
        if !SET_BY_STD.contains(&signal) || (signal != libc::SIGPIPE && is_ignored(signal)) {
            // This fails for SIGKILL, SIGSTOP and the C library's own signals, which have their default anyway.
            set(signal, libc::SIG_DFL);
        }
    }
}

/// Returns a bit for each signal, from the lowest, that is ignored or has a handler. Returns `None` where the kernel doesn't
/// list them. To read that file takes less time than a call for each signal.
#[cfg(target_os = "linux")]
fn changed() -> Option<u128> {
    let status = rustix::fs::open("/proc/self/status", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut text = [0; 4096];
    let length = rustix::io::read(&status, &mut text).ok()?;
    changed_in(&String::from_utf8_lossy(&text[..length]))
}

#[cfg(not(target_os = "linux"))]
fn changed() -> Option<u128> {
    None
}

#[cfg(target_os = "linux")]
fn changed_in(status: &str) -> Option<u128> {
    let mask = |name| {
        let digits = status.lines().find_map(|line| line.strip_prefix(name))?;
        u128::from_str_radix(digits.trim(), 16).ok()
    };
    Some(mask("SigIgn:")? | mask("SigCgt:")?)
}

/// Unblocks all signals: those that the application blocks stay blocked through an `exec`, and with SIGCHLD blocked the
/// warden's handler would never run.
pub(in crate::process) fn unblock() {
    let mut none = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` initializes the set that `pthread_sigmask` then reads; the old mask is not requested.
    unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
    }
}

/// Calls `action` while this signal is blocked in the calling thread.
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

/// Returns the highest signal number.
#[cfg(target_os = "linux")]
fn last() -> c_int {
    libc::SIGRTMAX()
}

/// Returns the highest number of the signals that every Unix has.
#[cfg(not(target_os = "linux"))]
fn last() -> c_int {
    31
}

pub(in crate::process) fn set(signal: c_int, disposition: libc::sighandler_t) {
    // SAFETY: The disposition is one of the two constants, so no handler is installed.
    unsafe { libc::signal(signal, disposition) };
}

/// Makes this process handle a signal by doing nothing. Other than an ignored one, it has its default again in a program
/// that this process executes.
pub(in crate::process) fn catch(signal: c_int) {
    // SAFETY: All-zero is a valid `sigaction`: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = do_nothing as *const () as usize;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: `action` is initialized, and its handler does nothing.
    unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
}

extern "C" fn do_nothing(_: c_int) {}

/// Kills this process by the default action of a signal. Returns only if the signal is blocked.
#[cfg(feature = "cli")]
pub(crate) fn die_of(signal: FatalSignal) {
    let number = c_int::from(signal.number());
    set(number, libc::SIG_DFL);
    // SAFETY: It has no memory to access, and no handler runs.
    unsafe { libc::raise(number) };
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

/// Returns what an exit says about its cause.
pub(crate) fn exit_class(exit: Exit) -> ExitClass {
    match exit {
        Exit::Signal { number: libc::SIGKILL, .. } => ExitClass::Killed,
        Exit::Signal { number: libc::SIGABRT, .. } => ExitClass::Aborted,
        Exit::Signal { number: libc::SIGXCPU, .. } => ExitClass::CpuLimit,
        Exit::Signal { number: libc::SIGXFSZ, .. } => ExitClass::FileSizeLimit,
        Exit::Signal { .. } | Exit::Code(_) => ExitClass::Other,
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

#[cfg(all(test, target_os = "linux", not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn the_signals_that_have_another_disposition_are_those_that_the_kernel_lists() {
        let changed = changed().expect("`/proc` is mounted");
        let is_changed = |signal: c_int| changed >> (signal - 1) & 1 == 1;
        // The standard library ignores the first, and has a handler for the second.
        assert!(is_changed(libc::SIGPIPE) && is_changed(libc::SIGSEGV));
        assert!(!is_changed(libc::SIGTERM) && !is_changed(libc::SIGKILL));
    }

    #[test]
    fn a_list_without_signals_is_none() {
        assert_eq!(
            changed_in("Name:\tSigIgn:\nSigIgn:\t0000000000001002\nSigCgt:\t0000000180000440\n"),
            Some(0x1_8000_1442)
        );
        for status in ["", "Name:\tapp\n", "SigIgn:\t0000000000001000\nSigC", "SigIgn:\tx\nSigCgt:\t0\n"] {
            assert_eq!(changed_in(status), None, "{status}");
        }
    }
}
