//! An application that changes itself between two calls of one scheduler: each job has what the application has by then.

#![expect(unsafe_code, reason = "it does to itself what has no safe API")]

use std::env;
use std::error::Error;
use std::fs;
use std::io;

use scheduler::{AnyJob, Scheduler};
use scheduler_tests::surroundings::{Surroundings, sees_its_surroundings};

/// A change, by its name.
type Change = (&'static str, fn() -> io::Result<()>);

/// The changes that this process makes, one after the other. The later ones restrict it.
const CHANGES: [Change; 22] = [
    ("nothing", || Ok(())),
    ("a variable is set", || {
        set_variable("CHANGED", Some("by the application"));
        Ok(())
    }),
    ("a variable is removed", || {
        set_variable("APP_SERVICE", None);
        Ok(())
    }),
    ("another folder", || {
        let folder = env::temp_dir().join(format!("changing-{}", std::process::id()));
        fs::create_dir_all(folder.join("a"))?;
        env::set_current_dir(folder.join("a"))
    }),
    ("the folder is renamed", || {
        let folder = env::current_dir()?;
        fs::rename(&folder, folder.with_file_name("b"))
    }),
    ("the folder is removed", || {
        let folder = env::current_dir()?;
        fs::remove_dir(&folder)?;
        fs::remove_dir(folder.parent().expect("it is not the root"))
    }),
    ("the root as folder", || env::set_current_dir("/")),
    ("the umask", || {
        // SAFETY: It has no preconditions.
        unsafe { libc::umask(0o137) };
        Ok(())
    }),
    ("a limit", || {
        let limit = libc::rlimit { rlim_cur: 300, rlim_max: 400 };
        // SAFETY: `limit` is initialized.
        done(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })
    }),
    ("the niceness", || {
        // SAFETY: It has no preconditions.
        done(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 5) })
    }),
    ("the scheduling policy", || {
        // SAFETY: All-zero is a valid `sched_param`.
        let parameters: libc::sched_param = unsafe { std::mem::zeroed() };
        // musl's function of this name does nothing.
        // SAFETY: They are initialized.
        done(unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, libc::SCHED_BATCH, &raw const parameters) })
    }),
    ("the affinity", || {
        // SAFETY: All-zero is a valid set, and the calls stay within it.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            done(libc::sched_getaffinity(0, size_of_val(&set), &raw mut set))?;
            let first = (0..1024).find(|cpu| libc::CPU_ISSET(*cpu, &set)).unwrap_or_default();
            libc::CPU_ZERO(&mut set);
            libc::CPU_SET(first, &mut set);
            done(libc::sched_setaffinity(0, size_of_val(&set), &raw const set))
        }
    }),
    ("the priority for the killer", || fs::write("/proc/self/oom_score_adj", "400")),
    ("a namespace", || {
        // SAFETY: It has no preconditions. Not every user may.
        let _ = done(unsafe { libc::unshare(libc::CLONE_NEWUTS | libc::CLONE_NEWIPC) });
        Ok(())
    }),
    // Not every user may.
    ("a cgroup", || {
        let _ = enter_cgroup(&format!("scheduler-test-{}", std::process::id()));
        Ok(())
    }),
    ("the cgroup above it", || {
        let _ = enter_cgroup("");
        Ok(())
    }),
    ("the groups", || {
        // SAFETY: The list has this length.
        let _ = done(unsafe { libc::setgroups(2, [2, 3].as_ptr()) });
        Ok(())
    }),
    ("the group", || {
        // SAFETY: It has no preconditions.
        let _ = done(unsafe { libc::setgid(1) });
        Ok(())
    }),
    ("a capability", || {
        let _ = drop_capability(25);
        Ok(())
    }),
    ("no new privileges", || {
        // SAFETY: It has no preconditions.
        done(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })
    }),
    ("a filter", allow_all),
    ("one more filter", allow_all),
];

/// Moves this process into a cgroup of this name, which it makes, in the hierarchy that counts processes.
fn enter_cgroup(name: &str) -> io::Result<()> {
    let folder = std::path::Path::new("/sys/fs/cgroup/pids").join(name);
    let _ = fs::create_dir(&folder);
    fs::write(folder.join("cgroup.procs"), std::process::id().to_string())
}

/// Gives up a capability, also for the programs that this process executes.
fn drop_capability(number: u32) -> io::Result<()> {
    /// The version of the sets, and this thread.
    const HEADER: [u32; 2] = [0x2008_0522, 0];
    // SAFETY: It has no preconditions.
    done(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number), 0, 0, 0) })?;
    // The lower halves of the effective, the permitted and the inheritable set, and the upper ones.
    let mut sets = [[0_u32; 3]; 2];
    // SAFETY: The pointers are to as much as that version has.
    unsafe { libc::syscall(libc::SYS_capget, HEADER.as_ptr(), sets.as_mut_ptr()) };
    sets[0].iter_mut().for_each(|set| *set &= !(1 << number));
    // SAFETY: As above.
    unsafe { libc::syscall(libc::SYS_capset, HEADER.as_ptr(), sets.as_ptr()) };
    Ok(())
}

/// Installs a filter of system calls that allows all of them.
fn allow_all() -> io::Result<()> {
    let mut filter = [libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW }];
    let program = libc::sock_fprog { len: 1, filter: filter.as_mut_ptr() };
    // SAFETY: The program and its length belong together.
    done(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) })
}

fn set_variable(name: &str, value: Option<&str>) {
    match value {
        // SAFETY: No other thread reads the environment at this moment.
        Some(value) => unsafe { env::set_var(name, value) },
        // SAFETY: As above.
        None => unsafe { env::remove_var(name) },
    }
}

fn done(result: impl Into<i64>) -> io::Result<()> {
    if result.into() == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes one change after the other, and prints where a job's process differs from this one.
pub(crate) fn change(scheduler: &Scheduler) -> Result<(), Box<dyn Error>> {
    for (name, change) in CHANGES {
        change().map_err(|error| format!("{name}: {error}"))?;
        // Two, as the second one is made by a warden that was kept.
        for round in 1..=2 {
            let own = sees_its_surroundings()?;
            let list = [("a", AnyJob::from(sees_its_surroundings::job()))];
            let jobs: Surroundings = scheduler.run(list)?[0].result()?;
            for (what, value) in own {
                if jobs.get(&what) != Some(&value) {
                    println!("{name}, call {round}: {what}: {:?} instead of {value:?}", jobs.get(&what));
                }
            }
        }
    }
    // Once the last process there has exited.
    let _ = fs::remove_dir(format!("/sys/fs/cgroup/pids/scheduler-test-{}", std::process::id()));
    println!("done");
    Ok(())
}
