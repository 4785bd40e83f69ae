//! The files of `/proc` about a process and its threads, none of which it must be stopped for.
//!
//! Their content may be chosen by the process: names and numbers of any kind. So each file is read up to a limit only.

use std::fs::{self, File};
use std::io::{self, Read};
use std::time::Duration;

#[cfg(all(feature = "stacks", any(target_arch = "x86_64", target_arch = "aarch64")))]
use crate::clock::Deadline;
use crate::process::linux::system_calls::takes_descriptor;
use crate::process::unix::ChildPid;
use crate::wire::snapshots_message::SystemCallMessage;

/// The most bytes of a command line that are sent.
const COMMAND_LINE_LIMIT: usize = 1024;
/// The most bytes of a descriptor's target that are sent.
const TARGET_LIMIT: usize = 256;
/// The most bytes that are read of a file of one line.
const LINE_LIMIT: u64 = 1024;
/// The most bytes of a list of children that are read: more than the limit on processes needs.
const LIST_LIMIT: u64 = 64 << 10;
/// The most bytes of a name, of which the kernel has 15, or 63 for its own threads.
const NAME_LIMIT: usize = 64;

/// The fields of `/proc/PID/task/TID/stat` that a snapshot has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ThreadStat {
    pub(super) name: String,
    /// The letter of the state.
    pub(super) state: u8,
    /// The parent of the process.
    pub(super) parent: u32,
    pub(super) cpu_time: Duration,
}

impl ThreadStat {
    /// Reads the file; `None` if the thread has exited and is reaped.
    pub(super) fn read(process: ChildPid, thread: ChildPid) -> Option<Self> {
        let stat = read_up_to(&format!("/proc/{process}/task/{thread}/stat"), LINE_LIMIT).ok()?;
        Self::parse(&stat, rustix::param::clock_ticks_per_second())
    }

    /// Parses the line. The name in parentheses may contain any bytes.
    fn parse(stat: &[u8], ticks_per_second: u64) -> Option<Self> {
        let begin = stat.iter().position(|byte| *byte == b'(')? + 1;
        let end = stat.iter().rposition(|byte| *byte == b')').filter(|end| *end >= begin)?;
        let after_name = str::from_utf8(&stat[end + 1..]).ok()?;
        let field = |index: usize| after_name.split_ascii_whitespace().nth(index);
        let ticks = |index: usize| field(index)?.parse::<u64>().ok();
        let ticks = ticks(11)?.saturating_add(ticks(12)?);
        Some(Self {
            name: text(&stat[begin..end], NAME_LIMIT),
            state: *field(0)?.as_bytes().first()?,
            parent: field(1)?.parse().ok()?,
            cpu_time: Duration::from_millis(ticks.saturating_mul(1000) / ticks_per_second.max(1)),
        })
    }

    /// Returns whether the thread runs no more code: nothing is left but its exit status.
    pub(super) fn has_exited(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }

    /// Returns whether the thread sleeps in a way that no signal interrupts.
    pub(super) fn is_in_disk_sleep(&self) -> bool {
        self.state == b'D'
    }
}

/// Returns the function of the kernel in which the thread sleeps, if that is known.
pub(super) fn wait_channel(process: ChildPid, thread: ChildPid) -> String {
    let channel = read_up_to(&format!("/proc/{process}/task/{thread}/wchan"), LINE_LIMIT).unwrap_or_default();
    if channel == b"0" { String::new() } else { text(&channel, NAME_LIMIT) }
}

/// Returns the system call in which the thread sleeps, if it is in one.
pub(super) fn system_call(process: ChildPid, thread: ChildPid) -> Option<SystemCallMessage> {
    let line = read_up_to(&format!("/proc/{process}/task/{thread}/syscall"), LINE_LIMIT).ok()?;
    let (number, arguments) = parse_system_call(&line)?;
    let target = takes_descriptor(number).then(|| descriptor_target(process, thread, arguments[0]));
    Some(SystemCallMessage { number, arguments, target })
}

/// Parses the line: `running`, or a number, which is -1 outside of system calls, and arguments.
fn parse_system_call(line: &[u8]) -> Option<(u64, [u64; 2])> {
    let mut fields = str::from_utf8(line).ok()?.split_ascii_whitespace();
    let number = fields.next()?.parse().ok()?;
    let mut argument = || u64::from_str_radix(fields.next()?.strip_prefix("0x")?, 16).ok();
    Some((number, [argument()?, argument()?]))
}

/// Returns the target of a descriptor of the thread; an empty text if it can't be read.
fn descriptor_target(process: ChildPid, thread: ChildPid, descriptor: u64) -> String {
    // The kernel uses the lower half of the register.
    let low = descriptor & u64::from(u32::MAX);
    let target = fs::read_link(format!("/proc/{process}/task/{thread}/fd/{low}")).unwrap_or_default();
    text(target.as_os_str().as_encoded_bytes(), TARGET_LIMIT)
}

/// Returns the arguments of the process. The kernel reads them in the memory of the process, for which it may have to wait until
/// one of its threads has finished with the layout of that memory.
pub(super) fn command_line(thread: ChildPid) -> Vec<String> {
    let path = format!("/proc/{thread}/cmdline");
    let bytes = read_up_to(&path, COMMAND_LINE_LIMIT as u64 + 1).unwrap_or_default();
    split_command_line(&bytes)
}

/// Splits a command line at its NUL characters.
fn split_command_line(bytes: &[u8]) -> Vec<String> {
    let is_cut = bytes.len() > COMMAND_LINE_LIMIT;
    let kept = &bytes[..bytes.len().min(COMMAND_LINE_LIMIT)];
    let kept = kept.strip_suffix(b"\0").unwrap_or(kept);
    if kept.is_empty() {
        return Vec::new();
    }
    let mut arguments: Vec<_> =
        kept.split(|byte| *byte == 0).map(|argument| String::from_utf8_lossy(argument).into_owned()).collect();
    if let Some(last) = arguments.last_mut().filter(|_| is_cut) {
        last.push('…');
    }
    arguments
}

/// Returns the threads of a process, the main thread first; none if it has exited and is reaped.
pub(super) fn threads(process: ChildPid) -> Vec<ChildPid> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else {
        return Vec::new();
    };
    let mut threads: Vec<_> = tasks.filter_map(|task| ChildPid::parse(task.ok()?.file_name().to_str()?)).collect();
    threads.sort_by_key(|thread| (*thread != process, thread.get()));
    threads
}

/// Returns the children that this thread has started, or that it has been given.
///
/// # Errors
///
/// Fails if the thread has exited, or if the kernel was built without the lists.
pub(super) fn children(process: ChildPid, thread: ChildPid) -> io::Result<Vec<ChildPid>> {
    let list = read_up_to(&format!("/proc/{process}/task/{thread}/children"), LIST_LIMIT)?;
    Ok(String::from_utf8_lossy(&list).split_ascii_whitespace().filter_map(ChildPid::parse).collect())
}

/// Reads a file, up to this number of bytes.
pub(super) fn read_up_to(path: &str, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a file, up to this number of bytes, or until the time is over.
#[cfg(all(feature = "stacks", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn read_until(path: &str, limit: u64, deadline: Deadline) -> io::Result<Vec<u8>> {
    /// The kernel needs some milliseconds for as many bytes.
    const STEP: u64 = 256 << 10;
    let (mut file, mut bytes) = (File::open(path)?, Vec::new());
    while !deadline.is_past() && (bytes.len() as u64) < limit {
        if Read::by_ref(&mut file).take(STEP).read_to_end(&mut bytes)? == 0 {
            break;
        }
    }
    Ok(bytes)
}

/// Returns the first bytes as text.
fn text(bytes: &[u8], limit: usize) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(limit)]).trim_end_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_s_name_can_not_forge_its_line() {
        let line = b"17 (a) S 1 (b\xff) R 42 17 18 0 -1 4194304 81 0 0 0 150 50 0 0 20 0 1 0 3077735 5742592 229";
        let expected = ThreadStat {
            name: "a) S 1 (b\u{fffd}".to_owned(),
            state: b'R',
            parent: 42,
            cpu_time: Duration::from_secs(2),
        };
        assert_eq!(ThreadStat::parse(line, 100), Some(expected));
        for line in [&b""[..], b"17", b"17 )(", b"17 (a)", b"17 (a) R 42", b"17 (a) R x 1 1 1 1 1 1 1 1 1 1 1"] {
            assert_eq!(ThreadStat::parse(line, 100), None);
        }
    }

    #[test]
    fn a_system_call_has_a_number_and_arguments() {
        let line = b"202 0x7f0a 0x189 0x0 0x0 0x0 0xffffffff 0x7ffe0 0x7f0b\n";
        assert_eq!(parse_system_call(line), Some((202, [0x7f0a, 0x189])));
        for line in [&b"running\n"[..], b"-1 0x7ffe0 0x7f0b\n", b"", b"7", b"7 0xzz 0x1", b"\xff"] {
            assert_eq!(parse_system_call(line), None);
        }
    }

    #[test]
    fn a_long_command_line_is_cut() {
        assert_eq!(split_command_line(b"sleep\x00300\x00"), ["sleep", "300"]);
        assert_eq!(split_command_line(b"a\x00\x00b"), ["a", "", "b"]);
        assert!(split_command_line(b"").is_empty());
        let long = split_command_line(&[b'x'; COMMAND_LINE_LIMIT + 1]);
        assert_eq!((long.len(), long[0].len()), (1, COMMAND_LINE_LIMIT + '…'.len_utf8()));
    }

    #[test]
    #[cfg_attr(miri, ignore = "it reads files")]
    fn this_process_is_there_with_its_threads() {
        let own = ChildPid::parse(&std::process::id().to_string()).expect("a process has an id");
        assert_eq!(threads(own).first(), Some(&own));
        let stat = ThreadStat::read(own, own).expect("it runs");
        assert_eq!(stat.parent, std::os::unix::process::parent_id());
        assert!(!stat.has_exited());
        assert!(!command_line(own).is_empty());
    }
}
