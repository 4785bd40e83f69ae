//! The names of wardens and jobs, as `ps` and `top` show them.

#![expect(unsafe_code, reason = "rustix names threads only with another feature")]

use std::env;
use std::path::Path;

/// The longest name of a thread, in bytes.
const MOST: usize = 15;

/// Names this process, a warden, after the application: `warden app`.
pub(crate) fn name_warden() {
    let program = env::args_os().next().unwrap_or_default();
    let file = Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
    set_name("warden", &file);
}

/// Names this process after its job: `job daily` for `report::daily`.
pub(crate) fn name_job(job: &str) {
    set_name("job", job.rsplit("::").next().unwrap_or(job));
}

/// Sets the name of the first thread, which is that of the process.
fn set_name(role: &str, whose: &str) {
    let name = shown(role, whose);
    // SAFETY: The call has no preconditions.
    let is_first = unsafe { libc::gettid() } == std::process::id().cast_signed();
    if is_first {
        // SAFETY: The call reads at most 16 bytes, and there is a NUL among them.
        unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    } else {
        // Under libtest. There may be no `/proc`: then the name stays.
        let _ = std::fs::write("/proc/self/comm", &name[..MOST]);
    }
}

/// Returns the name, cut where it is too long, and a NUL.
fn shown(role: &str, whose: &str) -> [u8; MOST + 1] {
    let text = format!("{role} {whose}");
    let fits = (0..=MOST.min(text.len())).rfind(|end| text.is_char_boundary(*end)).unwrap_or_default();
    let mut name = [0; MOST + 1];
    name[..fits].copy_from_slice(&text.as_bytes()[..fits]);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_between_characters() {
        assert_eq!(&shown("job", "daily")[..10], b"job daily\0");
        assert_eq!(&shown("warden", "application"), b"warden applicat\0");
        assert_eq!(&shown("job", "abcdefghij\u{fc}")[..15], b"job abcdefghij\0");
    }
}
