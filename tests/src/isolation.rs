//! Jobs that report what is isolated between jobs: their processes, their memory, the time at which they run.

#[cfg(target_os = "linux")]
use std::fs::{self, File};
use std::io;
#[cfg(target_os = "linux")]
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process;
#[cfg(target_os = "linux")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use scheduler::job;

use crate::attempts::note;
#[cfg(target_os = "linux")]
use crate::leftovers::FAMILY;

static CALLS: AtomicU32 = AtomicU32::new(0);

/// Returns its process, its parent process (0 where that isn't to be known), and how many calls this one is that its
/// process has seen.
#[job]
#[must_use]
pub fn introduces_itself() -> (u32, u32, u32) {
    #[cfg(unix)]
    let parent = std::os::unix::process::parent_id();
    #[cfg(not(unix))]
    let parent = 0;
    (process::id(), parent, CALLS.fetch_add(1, Ordering::Relaxed) + 1)
}

/// The command line of this process before [`scheduler::init`], which may name the job in it.
#[cfg(target_os = "linux")]
static STARTED_AS: OnceLock<String> = OnceLock::new();

/// Keeps the command line of this process, as the kernel has it, for [`is_started_as`].
#[cfg(target_os = "linux")]
pub fn keep_command_line() {
    STARTED_AS.get_or_init(|| fs::read_to_string("/proc/self/cmdline").unwrap_or_default());
}

/// Returns the command line that was kept in its process.
#[cfg(target_os = "linux")]
#[job]
pub fn is_started_as() -> Vec<String> {
    let line = STARTED_AS.get().map(String::as_str).unwrap_or_default();
    line.split_terminator('\0').map(str::to_owned).collect()
}

/// Writes a line when it begins and one when it ends.
///
/// # Errors
///
/// If the file can't be written.
#[job]
pub fn notes(file: PathBuf, name: String) -> io::Result<()> {
    note(&file, &format!("{name} begins"))?;
    // Long enough for a job that is started too early to come first.
    for _ in 0..100_000 {
        std::hint::black_box(process::id());
    }
    note(&file, &format!("{name} ends"))?;
    Ok(())
}

/// Keeps a secret for as long as its process lives.
#[job]
#[must_use]
pub fn keeps(secret: String) -> usize {
    Box::leak(secret.repeat(3).into_boxed_str()).len()
}

#[cfg(target_os = "linux")]
/// Returns how often a text, given with each byte incremented, occurs in the writable memory of its process.
///
/// # Errors
///
/// If `/proc` can't be read.
#[job]
pub fn searches(shifted: Vec<u8>) -> io::Result<usize> {
    let memory = File::open("/proc/self/mem")?;
    let maps = fs::read_to_string("/proc/self/maps")?;
    let mut found = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let Some((from, to)) = line.split(' ').next().and_then(|range| range.split_once('-')) else {
            continue;
        };
        let address = |text| u64::from_str_radix(text, 16).map_err(io::Error::other);
        let (mut from, to) = (address(from)?, address(to)?);
        while from < to {
            let mut page = [0; 4096];
            // What is mapped, but can't be read, holds no secret.
            if memory.read_at(&mut page, from).is_ok() {
                found += page.windows(shifted.len()).filter(|window| is(window, &shifted)).count();
            }
            from += 4096;
        }
    }
    Ok(found)
}

#[cfg(target_os = "linux")]
fn is(window: &[u8], shifted: &[u8]) -> bool {
    window.iter().zip(shifted).all(|(byte, shifted)| byte.wrapping_add(1) == *shifted)
}

#[cfg(target_os = "linux")]
/// Kills the prespawned processes of its application, whose variable [`FAMILY`] no other one has, and returns how many those
/// were. It waits until one is there.
///
/// # Errors
///
/// If `/proc` can't be read, or the application has no such variable.
#[job]
pub fn kills_the_next_one() -> io::Result<usize> {
    let family = std::env::var(FAMILY).map_err(io::Error::other)?;
    let parent_of = |process: u32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse::<u32>().ok())
    };
    let text = |process: u32, file: &str| {
        String::from_utf8_lossy(&fs::read(format!("/proc/{process}/{file}")).unwrap_or_default()).into_owned()
    };
    // Only the application has arguments.
    let is_copy = |process: u32| {
        text(process, "environ").contains(&family) && text(process, "cmdline").split_terminator('\0').count() == 1
    };
    let warden = std::os::unix::process::parent_id();
    loop {
        let mut ended = 0;
        for process in fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()) {
            let is_another_job = parent_of(process).is_some_and(|parent| parent != warden && is_copy(parent));
            if is_another_job && is_copy(process) {
                crate::signals::signal(process, crate::signals::Signal::KILL);
                ended += 1;
            }
        }
        if ended > 0 {
            return Ok(ended);
        }
        std::thread::yield_now();
    }
}
