//! Whether a debugger is attached to this process.

use std::fs;

/// Returns whether a debugger, or another program that traces system calls, is attached to this process. Where there is no
/// `/proc` as on Linux, it returns `false`.
pub(crate) fn is_traced() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    tracer(&status).is_some()
}

fn tracer(status: &str) -> Option<u32> {
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"))?;
    // A tracer outside of this pid namespace is 0 as well.
    tracer.trim().parse().ok().filter(|tracer| *tracer != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tracer_is_in_the_status() {
        assert_eq!(tracer("Name:\ta\nPid:\t7\nTracerPid:\t42\nUid:\t0\n"), Some(42));
        assert_eq!(tracer("Name:\ta\nTracerPid:\t0\n"), None);
        assert_eq!(tracer(""), None);
    }
}
