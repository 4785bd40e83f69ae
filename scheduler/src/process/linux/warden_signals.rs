//! The signal dispositions of a warden, which signals to its whole process group must not kill before it has swept.

use libc::c_int;

use crate::process::unix::signals::{catch, set, unblock};

/// Signals that a service manager or a terminal sends to a whole group.
const GROUP_SIGNALS: [c_int; 9] = [
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

/// Makes this process, a warden, survive the signals that would kill or stop it. The jobs that it executes have the
/// defaults.
pub(super) fn ignore_group_signals() {
    for signal in GROUP_SIGNALS {
        catch(signal);
    }
}

/// Gives this process, a job that the warden forked, the dispositions and the mask that a program starts with.
pub(super) fn restore_defaults() {
    for signal in GROUP_SIGNALS {
        set(signal, libc::SIG_DFL);
    }
    set(libc::SIGCHLD, libc::SIG_DFL);
    unblock();
}
