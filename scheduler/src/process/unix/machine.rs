//! The load and the free memory of the machine.

use std::time::Duration;

/// Returns the time since the machine's start. On Linux the time counts in which it slept, and the kernel dates processes by it. It
/// has no meaning on another machine.
pub(crate) fn since_boot() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(clock);
    Duration::new(time.tv_sec.try_into().unwrap_or_default(), time.tv_nsec.try_into().unwrap_or_default())
}

/// Returns the name by which this machine calls itself.
#[cfg(feature = "remote")]
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Returns how many threads run or wait for a processor: the average of the last minute, or those of this moment if they
/// are more. `None` if that can't be read.
#[cfg(target_os = "linux")]
pub(crate) fn machine_load() -> Option<f64> {
    load(&std::fs::read_to_string("/proc/loadavg").ok()?)
}

#[cfg(target_os = "linux")]
fn load(text: &str) -> Option<f64> {
    let mut fields = text.split_ascii_whitespace();
    let average: f64 = fields.next()?.parse().ok()?;
    // "2/345" is 2 of 345 threads, of which this one is one.
    let now: u32 = fields.nth(2)?.split('/').next()?.parse().ok()?;
    Some(average.max(f64::from(now.saturating_sub(1))))
}

/// Returns how many bytes of memory new processes can have without swapping, `None` if that can't be read.
#[cfg(target_os = "linux")]
pub(crate) fn free_memory() -> Option<u64> {
    available(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

#[cfg(target_os = "linux")]
fn available(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Returns the average of the last minute of how many threads run or wait for a processor, `None` if that can't be read.
#[cfg(any(target_vendor = "apple", target_os = "freebsd", target_os = "netbsd", target_os = "openbsd"))]
#[expect(unsafe_code, reason = "the load has no safe API")]
pub(crate) fn machine_load() -> Option<f64> {
    let mut average = 0.0;
    // SAFETY: The pointer is to one `f64`, and one is asked for.
    let count = unsafe { libc::getloadavg(&raw mut average, 1) };
    (count == 1).then_some(average)
}

/// Returns `None`: this system's load is not read.
#[cfg(not(any(
    target_os = "linux",
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd"
)))]
pub(crate) fn machine_load() -> Option<f64> {
    None
}

/// Returns `None`: this system's free memory is not read.
#[cfg(not(target_os = "linux"))]
pub(crate) fn free_memory() -> Option<u64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_the_average_or_what_runs_now() {
        assert_eq!(load("0.20 0.18 0.12 1/80 11206\n"), Some(0.20));
        assert_eq!(load("0.20 0.18 0.12 5/80 11206\n"), Some(4.0));
        assert_eq!(load("7.50 0.18 0.12 5/80 11206\n"), Some(7.5));
        assert_eq!((load(""), load("0.20 0.18"), load("a b c d e")), (None, None, None));
    }

    #[test]
    fn the_free_memory_is_what_is_available() {
        assert_eq!(available("MemTotal: 9 kB\nMemFree: 1 kB\nMemAvailable:       5 kB\n"), Some(5 * 1024));
        assert_eq!((available("MemTotal: 9 kB\n"), available("MemAvailable: many\n")), (None, None));
    }

    #[test]
    fn this_machine_has_both() {
        assert!(machine_load().is_some_and(|load| load >= 0.0));
        assert!(free_memory().is_some_and(|bytes| bytes > 1 << 20));
    }
}
