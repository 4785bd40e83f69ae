//! The names of the system calls in which threads wait, by their numbers.

use std::ffi::c_long;

/// A system call in which a thread may wait.
struct KnownCall {
    number: c_long,
    name: &'static str,
    /// Whether the first argument is a file descriptor.
    has_descriptor: bool,
}

macro_rules! entries {
    ($($(#[$meta:meta])* $constant:ident $name:literal $has_descriptor:literal,)*) => {
        &[$($(#[$meta])* KnownCall { number: libc::$constant, name: $name, has_descriptor: $has_descriptor },)*]
    };
}

const ENTRIES: &[KnownCall] = entries! {
    SYS_read "read" true,
    SYS_write "write" true,
    SYS_readv "readv" true,
    SYS_writev "writev" true,
    SYS_pread64 "pread64" true,
    SYS_pwrite64 "pwrite64" true,
    SYS_preadv "preadv" true,
    SYS_pwritev "pwritev" true,
    SYS_preadv2 "preadv2" true,
    SYS_pwritev2 "pwritev2" true,
    SYS_openat "openat" false,
    SYS_close "close" true,
    SYS_ioctl "ioctl" true,
    SYS_fcntl "fcntl" true,
    SYS_flock "flock" true,
    SYS_fsync "fsync" true,
    SYS_fdatasync "fdatasync" true,
    SYS_sync_file_range "sync_file_range" true,
    SYS_ftruncate "ftruncate" true,
    SYS_fallocate "fallocate" true,
    SYS_getdents64 "getdents64" true,
    SYS_sendfile "sendfile" true,
    SYS_splice "splice" true,
    SYS_tee "tee" true,
    SYS_vmsplice "vmsplice" true,
    SYS_copy_file_range "copy_file_range" true,
    SYS_connect "connect" true,
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    SYS_accept "accept" true,
    SYS_accept4 "accept4" true,
    SYS_recvfrom "recvfrom" true,
    SYS_recvmsg "recvmsg" true,
    SYS_recvmmsg "recvmmsg" true,
    SYS_sendto "sendto" true,
    SYS_sendmsg "sendmsg" true,
    SYS_sendmmsg "sendmmsg" true,
    SYS_epoll_pwait "epoll_pwait" true,
    SYS_epoll_pwait2 "epoll_pwait2" true,
    SYS_ppoll "ppoll" false,
    SYS_pselect6 "pselect6" false,
    SYS_futex "futex" false,
    SYS_futex_waitv "futex_waitv" false,
    SYS_nanosleep "nanosleep" false,
    SYS_clock_nanosleep "clock_nanosleep" false,
    SYS_restart_syscall "restart_syscall" false,
    SYS_wait4 "wait4" false,
    SYS_waitid "waitid" false,
    SYS_rt_sigtimedwait "rt_sigtimedwait" false,
    SYS_rt_sigsuspend "rt_sigsuspend" false,
    SYS_io_getevents "io_getevents" false,
    SYS_io_uring_enter "io_uring_enter" true,
    SYS_mq_timedreceive "mq_timedreceive" true,
    SYS_mq_timedsend "mq_timedsend" true,
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    SYS_msgrcv "msgrcv" false,
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    SYS_msgsnd "msgsnd" false,
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    SYS_semtimedop "semtimedop" false,
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    SYS_semop "semop" false,
    SYS_sched_yield "sched_yield" false,
    SYS_execve "execve" false,
    SYS_execveat "execveat" false,
    SYS_clone "clone" false,
    SYS_clone3 "clone3" false,
    SYS_kill "kill" false,
    SYS_tkill "tkill" false,
    SYS_tgkill "tgkill" false,
    SYS_ptrace "ptrace" false,
    SYS_process_vm_readv "process_vm_readv" false,
    SYS_mmap "mmap" false,
    SYS_munmap "munmap" false,
    SYS_mprotect "mprotect" false,
    SYS_madvise "madvise" false,
    SYS_msync "msync" false,
    SYS_exit "exit" false,
    SYS_exit_group "exit_group" false,
    SYS_unlinkat "unlinkat" false,
    SYS_renameat2 "renameat2" false,
    SYS_openat2 "openat2" false,
    SYS_mount "mount" false,
    SYS_umount2 "umount2" false,
    SYS_statfs "statfs" false,
    SYS_fstatfs "fstatfs" true,
    SYS_fstat "fstat" true,
    SYS_statx "statx" false,
    SYS_getrandom "getrandom" false,
    #[cfg(target_arch = "x86_64")]
    SYS_open "open" false,
    #[cfg(target_arch = "x86_64")]
    SYS_stat "stat" false,
    #[cfg(target_arch = "x86_64")]
    SYS_lstat "lstat" false,
    #[cfg(target_arch = "x86_64")]
    SYS_poll "poll" false,
    #[cfg(target_arch = "x86_64")]
    SYS_select "select" false,
    #[cfg(target_arch = "x86_64")]
    SYS_epoll_wait "epoll_wait" true,
    #[cfg(target_arch = "x86_64")]
    SYS_pause "pause" false,
    #[cfg(target_arch = "x86_64")]
    SYS_vfork "vfork" false,
    #[cfg(target_arch = "x86_64")]
    SYS_fork "fork" false,
};

fn known_call(number: u64) -> Option<&'static KnownCall> {
    ENTRIES.iter().find(|entry| u64::try_from(entry.number) == Ok(number))
}

/// Returns the name of a system call of this architecture.
pub(crate) fn system_call_name(number: u64) -> Option<&'static str> {
    known_call(number).map(|entry| entry.name)
}

/// Returns whether the first argument of a system call is a file descriptor.
pub(crate) fn takes_descriptor(number: u64) -> bool {
    known_call(number).is_some_and(|entry| entry.has_descriptor)
}
