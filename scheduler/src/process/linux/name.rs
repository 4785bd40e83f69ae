//! The names of wardens and jobs, as `top` and `ps` show them.

#![expect(unsafe_code, reason = "rustix names threads only with another feature")]

use std::env;
use std::path::Path;

use super::command_line::set_command_line;

/// The longest name of a thread, in bytes.
const MOST: usize = 15;

/// Names this process, a warden, after the application: `warden app`, with the command line `app: warden`.
pub(crate) fn name_warden() {
    let app = application();
    set_name("warden", &app);
    set_command_line(&format!("{app}: warden"));
}

/// Names this process, which waits for the request of a job: `standby app`, with the command line `app: standby`.
pub(crate) fn name_standby() {
    let app = application();
    set_name("standby", &app);
    set_command_line(&format!("{app}: standby"));
}

/// Names this process after its job: `job daily`, with the command line `app: job report::daily [J7]`.
pub(crate) fn name_job(job: &str, id: &str) {
    set_name("job", job.rsplit("::").next().unwrap_or(job));
    let app = application();
    // A job without an id of its own has its name.
    set_command_line(&if id == job { format!("{app}: job {job}") } else { format!("{app}: job {job} [{id}]") });
}

/// Returns the file name of the application's program.
fn application() -> String {
    let program = env::args_os().next().unwrap_or_default();
    Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned()
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
