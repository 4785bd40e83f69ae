//! Snapshots as text: for each thread what it waits for, and its functions, the innermost first.
//!
//! What a reader doesn't look for is left out: what the standard library does within the function that was called, and
//! everything outside of the job's function or the thread's. `{:#}` leaves nothing out.

mod excerpt;

use std::collections::BTreeMap;
use std::env;
use std::fmt::{self, Write as _};
use std::path::PathBuf;

use excerpt::{FrameLine, crash, interesting, without_repetition};

use super::names::{
    file_name, function_name, hex, is_job_entry, is_library, is_system, source_path, thread_function,
    without_long_arguments,
};
use super::{Incomplete, ProcessSnapshot, StackFrame, SystemCall, ThreadSnapshot, ThreadState};
use crate::escape::OneLine;
use crate::symbols::Symbol;

/// The most characters of a command line that are shown.
const COMMAND_LENGTH: usize = 160;
/// The most threads that are named if several do the same.
const NAMED_THREADS: usize = 4;
/// The most frames without names, one after the other in the same binary, that have a line each.
const NAMELESS_FRAMES: usize = 3;
/// The most of them that are shown on one line.
const NAMELESS_ON_LINE: usize = 12;
/// The least processor time that is worth mentioning, in seconds.
const LEAST_CPU_TIME: f64 = 0.01;

impl ProcessSnapshot {
    /// Returns the processes of a job as text for people, to be displayed: each with its command line, its threads, and the
    /// processes that it started.
    ///
    /// For a thread that is in a system call, the call is named, with the descriptor (`read on fd 7 (pipe)`) or the process that it
    /// waits for. Its functions follow, the innermost first, with lines if they are known: down to the job's function, or to the one
    /// that the thread was started with. Of the standard library, of this crate, and of Tokio, Rayon and `parking_lot`, only the
    /// functions that the program has called are shown, or the outermost one outside of a task. The functions of a recursion are
    /// written once,
    /// long arguments of generic functions as `<…>`. Many functions without names, as in a stripped binary, are on one line, and the
    /// build id of that binary follows. `{:#}` writes all. Threads that do the same share an entry. `~` precedes a frame that is
    /// [guessed](crate::StackFrame::is_guessed).
    ///
    /// Control characters are escaped. Paths in the current directory are relative to it. The layout may change: for other programs,
    /// a record [serializes](crate::Record#json).
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, ProcessSnapshot, Scheduler};
    ///
    /// #[job(timeout = "200ms", stacks = true)]
    /// fn waits() { std::thread::sleep(std::time::Duration::from_secs(60)) }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let records = Scheduler::new().run(jobs![("J1", waits)])?;
    ///     println!("{}", ProcessSnapshot::tree(records[0].stacks()));
    ///     // process 4711: app: job app::waits [J1]
    ///     //   thread 4711, in clock_nanosleep
    ///     //     std::thread::functions::sleep
    ///     //     app::waits at src/main.rs:4
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn tree(processes: &[Self]) -> impl fmt::Display {
        ProcessTree(processes)
    }

    /// Returns the command line, or the name of a process that has none, shortened.
    fn command(&self) -> String {
        if self.command_line.iter().all(String::is_empty) {
            return format!("({})", OneLine(&self.name));
        }
        // A process that has replaced its command line by a title, such as a job's own, has only one argument.
        let is_title = self.command_line.len() == 1;
        let is_plain = |argument: &str| is_title || (!argument.is_empty() && !argument.contains([' ', '\'', '"']));
        let words = self.command_line.iter().map(|argument| {
            if is_plain(argument) {
                OneLine(argument).to_string()
            } else {
                OneLine(&format!("{argument:?}")).to_string()
            }
        });
        let command = words.collect::<Vec<_>>().join(" ");
        match command.char_indices().nth(COMMAND_LENGTH) {
            None => command,
            Some((end, _)) => format!("{}…", &command[..end]),
        }
    }
}

impl fmt::Display for ProcessSnapshot {
    /// Writes the process with its threads, as [`ProcessSnapshot::tree`] does, without the processes that it started.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ProcessTree(std::slice::from_ref(self)).fmt(f)
    }
}

impl fmt::Display for ThreadSnapshot {
    /// Writes the thread with its functions, as [`ProcessSnapshot::tree`] does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Text { all: &[], is_full: f.alternate(), folder: env::current_dir().ok() };
        write!(f, "thread {}, {}", named(self, ""), text.activity(self))?;
        text.body(self).iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl fmt::Display for Symbol {
    /// Writes one line, such as `my_crate::load at src/load.rs:17`. Control characters are escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let function = if self.function.is_empty() { "an unnamed function" } else { &self.function };
        write!(f, "{}", OneLine(function))?;
        let Some(file) = &self.file else { return Ok(()) };
        write!(f, " at {}", OneLine(file))?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// Processes, each below its parent.
struct ProcessTree<'a>(&'a [ProcessSnapshot]);

impl fmt::Display for ProcessTree<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Text { all: self.0, is_full: f.alternate(), folder: env::current_dir().ok() };
        let mut lines = Vec::new();
        let mut left: Vec<_> = self.0.iter().collect();
        while !left.is_empty() {
            // A process whose parent isn't there is the job's own, or was left behind by its parent.
            let has_parent = |process: &ProcessSnapshot| {
                left.iter().any(|other| other.pid == process.parent && other.pid != process.pid)
            };
            let root = left.iter().position(|process| !has_parent(process));
            let root = left.remove(root.unwrap_or_default());
            text.process(root, 0, &mut left, &mut lines);
        }
        if self.0.first().is_some_and(has_no_lines) {
            lines.push(NO_LINES.to_owned());
        }
        lines.extend(nameless_modules(self.0).map(|(module, build_id)| format!("({module} has build id {build_id})")));
        f.write_str(&lines.join("\n"))
    }
}

/// The last line of the text for a binary without line tables, as the release profile makes them.
const NO_LINES: &str = "(without line numbers: the profile needs `debug = \"line-tables-only\"`)";

/// Returns whether functions of a Rust program are known, but none of their lines.
fn has_no_lines(process: &ProcessSnapshot) -> bool {
    let frames = process.threads.iter().flat_map(|thread| &thread.frames);
    let of_program = |line: &FrameLine<'_>| line.function().contains("::") && !line.is_library();
    let mut lines = frames.flat_map(FrameLine::of).filter(of_program).peekable();
    lines.peek().is_some() && lines.all(|line| line.symbol.is_some_and(|symbol| symbol.file.is_none()))
}

/// Returns the binaries without a name for any of their frames, with their build ids, by which a symbolizer finds their symbols.
fn nameless_modules(processes: &[ProcessSnapshot]) -> impl Iterator<Item = (String, String)> {
    // Other programs are the system's.
    let threads = processes.iter().take(1).flat_map(|process| &process.threads);
    let mut modules: BTreeMap<(String, String), bool> = BTreeMap::new();
    for line in threads.flat_map(|thread| &thread.frames).flat_map(FrameLine::of) {
        if let (Some(module), Some(build_id)) = (line.frame.module(), line.frame.build_id())
            && !is_system(module)
        {
            let module = (OneLine(file_name(module)).to_string(), hex(build_id));
            *modules.entry(module).or_default() |= line.is_named();
        }
    }
    modules.into_iter().filter(|(_, is_named)| !is_named).map(|(module, _)| module)
}

/// Returns whether this thread runs the job's function.
fn runs_job(thread: &ThreadSnapshot) -> bool {
    thread.frames.iter().flat_map(StackFrame::symbols).any(is_job_entry)
}

/// Returns whether this is a thread that this crate has started in the job's process, or the main thread, if it may wait for the one
/// that runs the job's function on a [stack](crate::Job::stack_size) of its own.
fn is_of_this_crate(thread: &ThreadSnapshot, may_wait: bool) -> bool {
    let mut symbols = thread.frames.iter().flat_map(StackFrame::symbols);
    (may_wait || thread.name.starts_with("scheduler"))
        && !thread.has_crashed
        && !runs_job(thread)
        && symbols.any(|symbol| symbol.function.contains("scheduler::"))
}

/// How text is written.
struct Text<'a> {
    all: &'a [ProcessSnapshot],
    is_full: bool,
    /// The current directory.
    folder: Option<PathBuf>,
}

impl Text<'_> {
    /// Adds the lines of a process and of its descendants among those that are `left`.
    fn process(
        &self,
        process: &ProcessSnapshot,
        depth: usize,
        left: &mut Vec<&ProcessSnapshot>,
        lines: &mut Vec<String>,
    ) {
        let indent = "  ".repeat(depth);
        let has_exited = process.threads.iter().all(|thread| thread.state == ThreadState::Zombie);
        if has_exited && process.state == ThreadState::Zombie {
            lines.push(format!("{indent}process {}: {}, exited", process.pid, process.command()));
        } else {
            lines.push(format!("{indent}process {}: {}", process.pid, process.command()));
            for (threads, body) in self.groups(process) {
                lines.push(format!("{indent}  {}", self.heading(process, &threads)));
                lines.extend(body.iter().map(|line| format!("{indent}    {line}")));
            }
        }
        lines.extend(process.incomplete.iter().map(|incomplete| format!("{indent}  ({incomplete})")));
        while let Some(index) = left.iter().position(|other| other.parent == process.pid) {
            let child = left.remove(index);
            self.process(child, depth + 1, left, lines);
        }
    }

    /// Returns the threads of a process that do the same, with the lines below their heading. The thread that runs the job's
    /// function is the first.
    fn groups<'a>(&self, process: &'a ProcessSnapshot) -> Vec<(Vec<&'a ThreadSnapshot>, Vec<String>)> {
        let mut groups: Vec<(Vec<&ThreadSnapshot>, String, Vec<String>)> = Vec::new();
        let has_job = process.threads.iter().any(runs_job);
        let is_shown =
            |thread: &&ThreadSnapshot| self.is_full || !is_of_this_crate(thread, has_job && thread.id == process.pid);
        let mut threads: Vec<_> = process.threads.iter().filter(is_shown).collect();
        threads.sort_by_key(|thread| !runs_job(thread));
        for thread in threads {
            let (activity, body) = (self.activity(thread), self.body(thread));
            match groups.iter_mut().find(|(_, same, lines)| *same == activity && *lines == body) {
                Some((threads, ..)) => threads.push(thread),
                None => groups.push((vec![thread], activity, body)),
            }
        }
        groups.into_iter().map(|(threads, _, body)| (threads, body)).collect()
    }

    fn heading(&self, process: &ProcessSnapshot, threads: &[&ThreadSnapshot]) -> String {
        let names: Vec<_> = threads.iter().take(NAMED_THREADS).map(|thread| named(thread, &process.name)).collect();
        let more = threads.len() - names.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let noun = match threads {
            [thread] if thread.id == process.pid && process.threads.len() > 1 => "main thread",
            [_] => "thread",
            _ => "threads",
        };
        format!("{noun} {}{more}, {}", names.join(", "), self.activity(threads[0]))
    }

    /// Returns what a thread does, such as `in read on fd 7 (pipe)`.
    fn activity(&self, thread: &ThreadSnapshot) -> String {
        match crash(thread) {
            Some(_) if thread.has_crashed => return "crashed".to_owned(),
            // It waits until the one that crashed before it is captured.
            Some(_) => return "also crashed".to_owned(),
            None => {}
        }
        let call = thread.system_call.as_ref().map(|call| self.call(call));
        let call = call.or_else(|| Some(format!("in {}", OneLine(thread.wait_channel()?))));
        let mut activity = match (thread.state, call) {
            (ThreadState::Sleeping, Some(call)) => call,
            (state, Some(call)) => format!("{state}, {call}"),
            (state, None) => state.to_string(),
        };
        let cpu_time = thread.cpu_time.as_secs_f64();
        if cpu_time >= LEAST_CPU_TIME {
            write!(activity, ", {cpu_time:.2} s of CPU time").expect("a string takes all");
        }
        activity
    }

    fn call(&self, call: &SystemCall) -> String {
        let [first, second] = call.arguments;
        match call.name {
            None => format!("in system call {}", call.number),
            Some("futex" | "futex_waitv") => "in futex_wait".to_owned(),
            Some("wait4") => self.wait(first),
            // By a process id (P_PID), not by a group or a descriptor.
            Some("waitid") if first == 1 => self.wait(second),
            Some("waitid") => "waiting for a child".to_owned(),
            Some(name @ ("poll" | "ppoll")) => {
                let noun = if second == 1 { "descriptor" } else { "descriptors" };
                format!("in {name} on {second} {noun}")
            }
            Some(name) => match (call.descriptor(), call.descriptor_target()) {
                (Some(descriptor), Some(target)) => format!("in {name} on fd {descriptor}{}", described(target)),
                _ => format!("in {name}"),
            },
        }
    }

    /// Returns that a thread waits for the process with this id.
    fn wait(&self, argument: u64) -> String {
        // The kernel takes the lower half of the register: -1 is any child, others below 1 are groups.
        let Some(pid) = u32::try_from(argument & 0xffff_ffff).ok().filter(|pid| pid.cast_signed() > 0) else {
            return "waiting for a child".to_owned();
        };
        let command = self.all.iter().find(|process| process.pid == pid).map(ProcessSnapshot::command);
        command.map_or_else(
            || format!("waiting for process {pid}"),
            |command| format!("waiting for process {pid} (`{command}`)"),
        )
    }

    /// Returns the lines below a thread's heading.
    fn body(&self, thread: &ThreadSnapshot) -> Vec<String> {
        let frames = &thread.frames[if self.is_full { 0 } else { crash(thread).unwrap_or_default() }..];
        let entries: Vec<_> = frames.iter().flat_map(FrameLine::of).collect();
        // What is missing behind the first function of a thread or a job isn't looked for.
        let has_start = !self.is_full && entries.iter().any(FrameLine::is_start);
        let is_worth_saying = |incomplete: &Incomplete| match incomplete {
            Incomplete::Unsupported => false,
            Incomplete::NoUnwindInfo | Incomplete::FrameLimit => !has_start,
            _ => true,
        };
        let mut lines = if self.is_full {
            entries.iter().map(|entry| self.line(entry)).collect()
        } else {
            without_repetition(&self.shortened(&interesting(entries)))
        };
        lines.extend(thread.incomplete.filter(is_worth_saying).map(|incomplete| format!("({incomplete})")));
        lines
    }

    /// Returns the lines of a stack, with one for many frames without names in the same binary.
    fn shortened(&self, entries: &[FrameLine<'_>]) -> Vec<String> {
        let (mut lines, mut rest) = (Vec::new(), entries);
        while let [first, ..] = rest {
            let is_like_first = |entry: &&FrameLine<'_>| {
                !entry.is_named() && !first.is_named() && entry.frame.module() == first.frame.module()
            };
            let nameless = rest.iter().take_while(is_like_first).count();
            let (these, others) = rest.split_at(nameless.max(1));
            if nameless > NAMELESS_FRAMES {
                lines.push(self.nameless_line(these));
            } else {
                lines.extend(these.iter().map(|entry| self.line(entry)));
            }
            rest = others;
        }
        lines
    }

    /// Returns one line for frames without names in the same binary: a symbolizer names them where there is a copy with symbols.
    fn nameless_line(&self, entries: &[FrameLine<'_>]) -> String {
        let mut line = self.line(&entries[0]);
        for entry in entries.iter().take(NAMELESS_ON_LINE).skip(1) {
            write!(line, ", +{:#x}", entry.frame.offset()).expect("a string takes all");
        }
        match entries.len().saturating_sub(NAMELESS_ON_LINE) {
            0 => line,
            left_out => format!("{line} and {left_out} more without names"),
        }
    }

    fn line(&self, entry: &FrameLine<'_>) -> String {
        let guess = if entry.is_guessed { "~ " } else { "" };
        let module = entry.frame.module().map(file_name);
        let Some(symbol) = entry.symbol.filter(|_| entry.is_named()) else {
            let module = module.map_or_else(String::new, |module| format!("{}+", OneLine(module)));
            return format!("{guess}{module}{:#x}", entry.frame.offset());
        };
        if !self.is_full && entry.is_nameless_thread() {
            let module = module.map_or_else(String::new, |module| format!("{}+", OneLine(module)));
            return format!("{guess}{} at {module}{:#x}", OneLine(thread_function(symbol)), entry.frame.offset());
        }
        let (mut name, file) = (function_name(symbol, entry.caller), symbol.file());
        if !self.is_full {
            name = without_long_arguments(&name);
        }
        let is_located = self.is_full || !is_library(symbol);
        match (file.filter(|_| is_located), module) {
            (Some(file), _) => {
                let file = Some(source_path(file, self.folder.as_deref()));
                format!("{guess}{}", Symbol { function: name, file, ..symbol.clone() })
            }
            (None, Some(module)) if file.is_none() => format!("{guess}{} in {}", OneLine(&name), OneLine(module)),
            (None, _) => format!("{guess}{}", OneLine(&name)),
        }
    }
}

/// Returns a thread's id, and its name unless it is that of its process, which threads inherit.
fn named(thread: &ThreadSnapshot, inherited: &str) -> String {
    if [inherited, ""].contains(&&*thread.name) {
        return thread.id.to_string();
    }
    // It is between backticks.
    format!("{} `{}`", thread.id, OneLine(&thread.name.replace('`', "'")))
}

/// Returns a description of what a descriptor refers to, in parentheses.
fn described(target: &str) -> String {
    let kind = match (target.strip_prefix("anon_inode:"), target.split_once(":[")) {
        (Some(kind), _) => kind.trim_matches(['[', ']']),
        // The number is the kernel's own.
        (None, Some((kind @ ("pipe" | "socket"), _))) => kind,
        (None, _) => target,
    };
    if kind.is_empty() { String::new() } else { format!(" ({})", OneLine(kind)) }
}

#[cfg(test)]
mod tests;
