//! What each system call can really fail with.

use libc::{c_int, c_long};
use scheduler_tests::sabotage::Role;

/// An error, by its name.
pub(super) type Named = (&'static str, c_int);

/// A call and its errors.
type Row = (&'static str, c_long, &'static [Named]);

macro_rules! rows {
    ($($call:ident: $($error:ident)*;)*) => {
        &[$((stringify!($call), libc::$call, &[$((stringify!($error), libc::$error)),*])),*]
    };
}

/// The calls that can fail, each with its most typical error first.
const ROWS: &[Row] = rows! {
    SYS_brk: ENOMEM;
    SYS_chdir: ENOENT EACCES;
    SYS_clone3: EAGAIN ENOMEM ENOSYS EPERM;
    SYS_clone: EAGAIN ENOMEM;
    SYS_dup3: EMFILE EBUSY EINTR;
    SYS_dup: EMFILE;
    SYS_eventfd2: EMFILE ENOMEM;
    SYS_execve: ENOENT ENOMEM EAGAIN EACCES;
    SYS_faccessat2: ENOENT ENOSYS;
    SYS_faccessat: ENOENT EACCES;
    SYS_fcntl: EMFILE EINVAL;
    SYS_fstat: EIO ENOMEM;
    SYS_getdents64: ENOENT EIO;
    SYS_getrandom: ENOSYS EINTR;
    SYS_getsockopt: EPERM ENOBUFS;
    SYS_ioctl: EPERM ENOTTY;
    SYS_kill: EPERM ESRCH;
    SYS_lseek: ESPIPE;
    SYS_madvise: ENOMEM EAGAIN;
    SYS_memfd_create: EMFILE ENOMEM ENOSYS;
    SYS_mprotect: ENOMEM;
    SYS_openat: EMFILE ENOENT EINTR EACCES;
    SYS_pidfd_open: ENOSYS EMFILE;
    SYS_pidfd_send_signal: EPERM ESRCH;
    SYS_pipe2: EMFILE ENFILE;
    SYS_ppoll: ENOMEM EINTR;
    SYS_prctl: EINVAL EPERM;
    SYS_pread64: EIO EINTR;
    SYS_prlimit64: EPERM;
    SYS_read: EIO EINTR ECONNRESET;
    SYS_readlinkat: ENOENT EACCES;
    SYS_recvfrom: ECONNRESET EINTR ENOMEM;
    SYS_recvmsg: ECONNRESET EINTR ENOMEM EAGAIN;
    SYS_sched_getaffinity: EPERM;
    SYS_sendmsg: ENOBUFS EINTR EPIPE EAGAIN ETOOMANYREFS;
    SYS_sendto: ENOBUFS EINTR EPIPE EAGAIN;
    SYS_setpgid: EPERM ESRCH;
    SYS_setsid: EPERM;
    SYS_setpriority: EACCES EPERM;
    SYS_shutdown: ENOTCONN;
    SYS_socketpair: EMFILE ENFILE ENOMEM;
    SYS_statx: ENOENT ENOSYS EACCES;
    SYS_timer_create: EAGAIN EINVAL;
    SYS_timer_settime: EINVAL;
    SYS_wait4: EINTR ECHILD;
    SYS_waitid: EINTR ECHILD;
    SYS_write: EIO EINTR EPIPE EAGAIN ENOSPC;
};

/// Those that only older architectures have.
#[cfg(any(target_arch = "x86_64", target_arch = "x86", target_arch = "arm"))]
const OLDER: &[Row] = rows! {
    SYS_access: ENOENT EACCES;
    SYS_dup2: EMFILE EBUSY EINTR;
    SYS_open: EMFILE ENOENT EINTR EACCES;
    SYS_poll: ENOMEM EINTR;
    SYS_readlink: ENOENT EACCES;
    SYS_vfork: EAGAIN ENOMEM;
};
#[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "arm")))]
const OLDER: &[Row] = &[];

/// Those that have another name where addresses have 32 bits.
#[cfg(target_pointer_width = "64")]
const BY_WIDTH: &[Row] = rows! {
    SYS_mmap: ENOMEM;
    SYS_newfstatat: ENOENT EIO;
};
#[cfg(target_pointer_width = "32")]
const BY_WIDTH: &[Row] = rows! {
    SYS__llseek: ESPIPE;
    SYS_fcntl64: EMFILE EINVAL;
    SYS_fstatat64: ENOENT EIO;
    SYS_mmap2: ENOMEM;
};

/// Those that can't fail, or fail for wrong arguments only, as those of the C library's own never are.
const NEVER: [c_long; 18] = [
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_sigaltstack,
    // They take effect whatever they return. A call that a saboteur refuses does not.
    libc::SYS_close,
    libc::SYS_munmap,
    libc::SYS_futex,
    // The job itself dies of it.
    libc::SYS_tgkill,
];

/// Those of them that have another name where addresses have 32 bits.
#[cfg(target_pointer_width = "64")]
const NEVER_BY_WIDTH: &[c_long] = &[];
#[cfg(target_pointer_width = "32")]
const NEVER_BY_WIDTH: &[c_long] = &[libc::SYS_getegid32, libc::SYS_geteuid32, libc::SYS_getgid32, libc::SYS_getuid32];

/// What any call can fail with: a sandbox may forbid it.
const FORBIDDEN: &[Named] = &[("EPERM", libc::EPERM)];

/// Returns the name of a call, and the errors that it can fail with.
pub(super) fn of(role: Role, call: c_long) -> (String, Vec<Named>) {
    let row = ROWS.iter().chain(OLDER).chain(BY_WIDTH).find(|(_, number, _)| *number == call);
    let name = row.map_or_else(|| format!("call {call}"), |(name, ..)| name.trim_start_matches("SYS_").to_owned());
    if NEVER.contains(&call) || NEVER_BY_WIDTH.contains(&call) {
        return (name, Vec::new());
    }
    let errors = row.map_or(FORBIDDEN, |(.., errors)| errors);
    // To the warden this is no error but the proof that no child is left.
    let is_proof = |error: &Named| role != Role::Parent && call == libc::SYS_wait4 && error.1 == libc::ECHILD;
    (name, errors.iter().filter(|error| !is_proof(error)).copied().collect())
}

/// Returns whether a call may fail with this error permanently, on some machine or in some sandbox.
pub(super) fn can_last(error: Named) -> bool {
    [libc::ENOMEM, libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOSYS, libc::EPERM, libc::EINVAL]
        .contains(&error.1)
}
