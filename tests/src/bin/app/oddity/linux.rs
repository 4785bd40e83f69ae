//! What is unusual about the application on Linux.

use std::collections::BTreeMap;
use std::fs;
use std::io;

/// Changes this process before it runs jobs.
pub(crate) fn after_init(mode: &str) -> io::Result<()> {
    match mode.split_once(' ').unwrap_or((mode, "")) {
        ("ignores", "SIGCHLD") => {
            ignore([libc::SIGCHLD]);
            Ok(())
        }
        ("ignores", "all signals") => {
            ignore(1..=libc::SIGRTMAX());
            // SAFETY: `sigfillset` initializes the set that `sigprocmask` then reads.
            unsafe {
                let mut all = std::mem::zeroed();
                libc::sigfillset(&raw mut all);
                libc::sigprocmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
            }
            Ok(())
        }
        ("acts", "as another user") => {
            // SAFETY: It has no preconditions.
            done(unsafe { libc::seteuid(65534) })
        }
        ("is", "deleted") => fs::remove_file(std::env::current_exe()?),
        ("is", "replaced") => {
            let path = std::env::current_exe()?;
            fs::remove_file(&path)?;
            fs::write(&path, "#!/bin/sh\necho replaced\nexit 0\n")
        }
        ("is", "rebuilt") => super::rebuild(),
        ("descriptors", number) => limit(libc::RLIMIT_NOFILE, number),
        ("processes", number) => {
            // The limit means nothing to a superuser.
            become_another_user()?;
            limit(libc::RLIMIT_NPROC, number)
        }
        ("chroot", folder) => {
            std::os::unix::fs::chroot(folder)?;
            std::env::set_current_dir("/")
        }
        ("without", "pidfds") => deny_pidfds(),
        _ => Ok(()),
    }
}

fn ignore(signals: impl IntoIterator<Item = libc::c_int>) {
    for signal in signals {
        // SAFETY: No handler is installed.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = libc::c_int;

fn limit(resource: Resource, number: &str) -> io::Result<()> {
    let number = number.parse().map_err(io::Error::other)?;
    let limit = libc::rlimit { rlim_cur: number, rlim_max: number };
    // SAFETY: `limit` is initialized.
    done(unsafe { libc::setrlimit(resource, &raw const limit) })
}

/// Makes this process the only one of its user, as a limit on processes counts all of a user's.
fn become_another_user() -> io::Result<()> {
    let user = 1_000_000_000 + std::process::id();
    // SAFETY: These calls have no preconditions.
    unsafe {
        done(libc::setresgid(user, user, user))?;
        done(libc::setresuid(user, user, user))
    }
}

/// Makes the kernel answer as one that is too old for pidfds.
fn deny_pidfds() -> io::Result<()> {
    const LOAD_NUMBER: u16 = 0x20;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let number = |number: libc::c_long| u32::try_from(number).unwrap_or_default();
    let mut filter = [
        step(LOAD_NUMBER, 0, 0, 0),
        step(JUMP_IF_EQUAL, 1, 0, number(libc::SYS_pidfd_open)),
        step(JUMP_IF_EQUAL, 0, 1, number(libc::SYS_pidfd_send_signal)),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned()),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: 5, filter: filter.as_mut_ptr() };
    // SAFETY: The program and its length belong together.
    unsafe {
        done(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        done(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program))
    }
}

fn done(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Returns what this process holds.
pub(crate) fn held() -> io::Result<BTreeMap<&'static str, usize>> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    let mut children = 0;
    for task in fs::read_dir("/proc/self/task")? {
        children += fs::read_to_string(task?.path().join("children"))?.split_whitespace().count();
    }
    Ok(BTreeMap::from([
        ("descriptors", fs::read_dir("/proc/self/fd")?.count()),
        ("threads", fs::read_dir("/proc/self/task")?.count()),
        ("children", children),
        ("pages", pages),
    ]))
}

/// Returns how many processes are alive beside this one and the first one.
pub(crate) fn others_alive() -> io::Result<usize> {
    let me = std::process::id();
    let processes = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let is_alive = |id: &u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").and_then(|(_, after)| after.chars().next());
        state.is_some_and(|state| !['Z', 'X'].contains(&state))
    };
    Ok(processes.filter(|id| ![1, me].contains(id)).filter(is_alive).count())
}
