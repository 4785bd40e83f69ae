//! The command lines of wardens and jobs, as `ps` shows them.
//!
//! The kernel reads a command line from the memory of the process, and a process may name another place for it
//! (`PR_SET_MM_MAP`, as `lxc` uses it): the arguments that the program itself sees stay what they are. It needs no privilege,
//! but a kernel that was built with `CONFIG_CHECKPOINT_RESTORE`, as those of the distributions are.

#![expect(unsafe_code, reason = "rustix has no `PR_SET_MM_MAP`")]

use std::fs;
use std::sync::{Mutex, OnceLock};

use crate::escape::OneLine;
use crate::sync::lock;

/// The longest command line that is shown, in bytes, with the NUL at its end.
const LONGEST: usize = 255;

/// Where the parts of a process are in its memory: `struct prctl_mm_map` of `linux/prctl.h`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
struct MemoryLayout {
    start_code: u64,
    end_code: u64,
    start_data: u64,
    end_data: u64,
    start_brk: u64,
    brk: u64,
    start_stack: u64,
    arg_start: u64,
    arg_end: u64,
    env_start: u64,
    env_end: u64,
    /// A pointer. With a size of zero it is not read, and the auxiliary vector stays.
    auxv: usize,
    auxv_size: u32,
    /// A descriptor of the executable, or -1 to keep it.
    exe_fd: u32,
}

/// The layout of this process, which its forks have as well.
static LAYOUT: OnceLock<Option<MemoryLayout>> = OnceLock::new();

/// The command line that was set last, from which the kernel reads it.
static LINE: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Sets the command line of this process. Where that can't be done, it stays as it is.
pub(super) fn set_command_line(text: &str) {
    let Some(mut layout) = *LAYOUT.get_or_init(read_layout) else {
        return;
    };
    let line = shown(text);
    layout.arg_start = line.as_ptr().addr() as u64;
    layout.arg_end = layout.arg_start + line.len() as u64;
    // SAFETY: The call moves nothing, and returns where the break is. If another thread moves it before the next call, the
    // kernel only refuses to move it further, and `malloc` takes its memory elsewhere.
    layout.brk = unsafe { libc::sbrk(0) }.addr() as u64;
    // SAFETY: The kernel reads the struct, whose form it defines. All that it contains is this process's own, and for the
    // command line it has memory that stays until there is another one.
    let result =
        unsafe { libc::prctl(libc::PR_SET_MM, libc::PR_SET_MM_MAP, &raw const layout, size_of::<MemoryLayout>(), 0) };
    if result == 0 {
        *lock(&LINE) = line;
    }
}

/// Reads the layout of this process; `None` without `/proc`.
fn read_layout() -> Option<MemoryLayout> {
    layout_of(&String::from_utf8_lossy(&fs::read("/proc/self/stat").ok()?))
}

/// Parses `/proc/PID/stat`. The name of the process, which is the second field, may contain anything.
fn layout_of(stat: &str) -> Option<MemoryLayout> {
    /// The number of the first field after the name.
    const FIRST: usize = 3;
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // By their numbers in `proc_pid_stat(5)`.
    let field = |number: usize| fields.get(number - FIRST)?.parse().ok();
    Some(MemoryLayout {
        start_code: field(26)?,
        end_code: field(27)?,
        start_stack: field(28)?,
        start_data: field(45)?,
        end_data: field(46)?,
        start_brk: field(47)?,
        env_start: field(50)?,
        env_end: field(51)?,
        exe_fd: u32::MAX,
        ..MemoryLayout::default()
    })
}

/// Returns the text on one line, cut where it is too long, and a NUL.
fn shown(text: &str) -> Vec<u8> {
    let mut line = OneLine(text).to_string();
    if line.len() >= LONGEST {
        let most = LONGEST - 1 - '…'.len_utf8();
        line.truncate((0..=most).rfind(|end| line.is_char_boundary(*end)).unwrap_or_default());
        line.push('…');
    }
    line.push('\0');
    line.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_one_line_and_not_too_long() {
        assert_eq!(shown("app: job a [b\nc\0]"), b"app: job a [b\\nc\\u{0}]\0");
        let long = String::from_utf8(shown(&"ü".repeat(200))).expect("it is cut between characters");
        assert!(long.len() <= LONGEST && long.ends_with("ü…\0"), "{long}");
        assert_eq!(shown(&"a".repeat(LONGEST - 1)).len(), LONGEST);
    }

    #[test]
    fn the_layout_is_read_behind_a_name_with_parentheses() {
        let fields: Vec<String> = (4..=52).map(|number| number.to_string()).collect();
        let layout = layout_of(&format!("1 (a) b) S {}\n", fields.join(" "))).expect("all fields are there");
        assert_eq!((layout.start_code, layout.start_stack, layout.env_end), (26, 28, 51));
        assert!(layout_of("1 (a) S 4").is_none() && layout_of("").is_none());
    }
}
