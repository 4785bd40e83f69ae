//! What benchmarks need from the machine, and every system provides in its own way.

#![allow(dead_code, unused_imports, reason = "each benchmark uses what it needs")]
#![expect(unsafe_code, reason = "the kernel's own clocks and counts have no safe API")]

#[cfg(unix)]
pub(crate) use system::worked_by_children;
pub(crate) use system::{FORK, now, sleeper, unbuffered_stdout, worked};

#[cfg(unix)]
mod system {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsFd;
    use std::process::Command;
    use std::time::Duration;

    /// Returns the monotonic clock's time, which is the same for all processes.
    pub(crate) fn now() -> Duration {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` may be written.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
        Duration::new(
            u64::try_from(time.tv_sec).expect("time does not go backwards"),
            u32::try_from(time.tv_nsec).expect("less than a second"),
        )
    }

    /// Returns the processor time of this process.
    pub(crate) fn worked() -> Duration {
        worked_by(libc::RUSAGE_SELF)
    }

    /// Returns the processor time of the children that were waited for.
    pub(crate) fn worked_by_children() -> Duration {
        worked_by(libc::RUSAGE_CHILDREN)
    }

    fn worked_by(who: i32) -> Duration {
        // SAFETY: All-zero is a valid `rusage`, and the pointer is to a variable of ours.
        let usage = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            assert_eq!(libc::getrusage(who, &raw mut usage), 0);
            usage
        };
        let duration = |time: libc::timeval| {
            let micros = u32::try_from(time.tv_usec).expect("less than a second");
            Duration::new(u64::try_from(time.tv_sec).expect("time does not go backwards"), micros * 1000)
        };
        duration(usage.ru_utime) + duration(usage.ru_stime)
    }

    /// Returns standard output without the standard library's buffer.
    pub(crate) fn unbuffered_stdout() -> io::Result<File> {
        Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
    }

    /// Returns a program that does nothing for a long time.
    pub(crate) fn sleeper() -> Command {
        let mut command = Command::new("sleep");
        command.arg("1000");
        command
    }

    /// Forks a process that exits at once, and waits for it.
    pub(crate) const FORK: Option<fn()> = Some(|| {
        // SAFETY: This process has one thread, and the child only exits.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::_exit(0);
            }
            let mut status = 0;
            assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
            assert_eq!(status, 0);
        }
    });
}

#[cfg(windows)]
mod system {
    use std::fs::File;
    use std::io;
    use std::os::windows::io::AsHandle;
    use std::process::{Command, Stdio};
    use std::time::{Duration, SystemTime};

    use windows_sys::Win32::Foundation::FILETIME;
    use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessTimes};

    /// Returns the time of day, the finest that is the same for all processes.
    pub(crate) fn now() -> Duration {
        SystemTime::UNIX_EPOCH.elapsed().expect("it is later than that")
    }

    /// Returns the processor time of this process.
    pub(crate) fn worked() -> Duration {
        let mut times = [FILETIME::default(); 4];
        let [created, ended, kernel, user] = &mut times;
        // SAFETY: The pointers are to variables of ours.
        let told = unsafe {
            GetProcessTimes(GetCurrentProcess(), &raw mut *created, &raw mut *ended, &raw mut *kernel, &raw mut *user)
        };
        assert_ne!(told, 0);
        // Tenths of a microsecond.
        let duration = |time: &FILETIME| {
            let ticks = u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
            Duration::from_nanos(ticks * 100)
        };
        duration(kernel) + duration(user)
    }

    /// Returns standard output without the standard library's buffer.
    pub(crate) fn unbuffered_stdout() -> io::Result<File> {
        Ok(io::stdout().as_handle().try_clone_to_owned()?.into())
    }

    /// Returns a program that does nothing for a long time.
    pub(crate) fn sleeper() -> Command {
        let mut command = Command::new("ping");
        command.args(["-n", "1000", "127.0.0.1"]).stdout(Stdio::null());
        command
    }

    /// Processes are not forked.
    pub(crate) const FORK: Option<fn()> = None;
}
