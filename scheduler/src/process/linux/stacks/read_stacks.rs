//! The stacks of a process whose threads stand.

use super::proc_files;
use super::ptrace::TraceState;
use super::registers::registers;
use super::traced::TracedThreads;
use super::tree::{CaptureMode, Process, Thread};
pub(super) use super::unwind::Modules;
use super::unwind::{Maps, ProcessMemory, Registers, Stack, Walker};
use crate::clock::Deadline;
use crate::outcome::Incomplete;
use crate::wire::snapshots_message::ProcessMessage;

pub(super) const MODE: CaptureMode = CaptureMode::Stop;

/// The most bytes that are read of a process's maps.
const MAPS_LIMIT: u64 = 12 << 20;

/// Returns the description of a process whose threads stand, or which can't be traced; `None` if it has exited and is reaped.
pub(super) fn describe(
    process: &Process,
    traced: &TracedThreads,
    modules: &mut Modules,
    deadline: Deadline,
) -> Option<ProcessMessage> {
    if let Some(errno) = process.refused {
        return process.describe_without_stacks(Incomplete::Refused { errno });
    }
    let Some(live) = process.live_thread() else { return process.describe_exited() };
    let command_line = proc_files::command_line(live);
    let maps = proc_files::read_until(&format!("/proc/{live}/maps"), MAPS_LIMIT, deadline);
    let memory = ProcessMemory::open(&live.to_string());
    let (maps, memory) = match (maps, memory) {
        (Ok(maps), Ok(memory)) => (Maps::parse_while(&maps, || !deadline.is_past()), memory),
        (Err(error), _) | (_, Err(error)) => {
            let errno = error.raw_os_error().unwrap_or(libc::EPERM);
            return process.describe(command_line, vec![Incomplete::Refused { errno }], |_| (Vec::new(), None));
        }
    };
    let mut walker = Walker::new(&memory, &maps, modules);
    process.describe(command_line, Vec::new(), |thread| {
        let Stack { frames, incomplete } = stack(process, thread, traced, &mut walker, deadline);
        (frames, incomplete)
    })
}

fn stack(
    process: &Process,
    thread: &Thread,
    traced: &TracedThreads,
    walker: &mut Walker<'_, ProcessMemory>,
    deadline: Deadline,
) -> Stack {
    let without = |incomplete| Stack { frames: Vec::new(), incomplete };
    if thread.stat.has_exited() {
        return without(None);
    }
    match traced.state(thread.id) {
        TraceState::Standing { .. } => match registers(thread.id) {
            Ok(registers) => walker.walk(&Registers::of_thread(&registers), deadline),
            // A 32-bit program has other registers.
            Err(error) if error.raw_os_error() == Some(libc::ENOTSUP) => without(Some(Incomplete::Unsupported)),
            Err(_) => without(Some(Incomplete::Exited)),
        },
        // All others stand by now.
        TraceState::Running if !process.has_exited(thread.id) => without(Some(Incomplete::Uninterruptible)),
        TraceState::Running | TraceState::Exited => without(Some(Incomplete::Exited)),
    }
}

/// Walks the stack of a process that is given as bytes. Returns the number of frames.
#[cfg(any(test, fuzzing))]
pub(super) fn walk_fuzzed(input: &[u8]) -> Option<usize> {
    super::unwind::walk_fuzzed(input).map(|stack| stack.frames.len())
}
