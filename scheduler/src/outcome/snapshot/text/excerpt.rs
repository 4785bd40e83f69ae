//! The lines of a stack that a reader looks for.

use super::super::names::{is_job_entry, is_library, is_runtime, is_start, is_system, is_thread_entry};
use super::super::{AddressKind, StackFrame, ThreadSnapshot};
use crate::symbols::Symbol;

/// The most functions of a recursion that are shown once if they call each other again and again. A parser takes five and more
/// for each level.
const RECURSION_LENGTH: usize = 24;

/// A line of a stack: a frame without symbols, or one of its symbols.
pub(super) struct FrameLine<'a> {
    pub(super) frame: &'a StackFrame,
    pub(super) symbol: Option<&'a Symbol>,
    /// The function that the symbol's was inlined into.
    pub(super) caller: Option<&'a Symbol>,
    /// Whether the frame was guessed, or follows from one that was, and isn't shown.
    pub(super) is_guessed: bool,
}

impl<'a> FrameLine<'a> {
    pub(super) fn of(frame: &'a StackFrame) -> Vec<Self> {
        let (symbols, is_guessed) = (frame.symbols(), frame.is_guessed());
        if symbols.is_empty() {
            return vec![Self { frame, symbol: None, caller: None, is_guessed }];
        }
        let lines = symbols.iter().enumerate();
        let line = |(index, symbol)| Self { frame, symbol: Some(symbol), caller: symbols.get(index + 1), is_guessed };
        lines.map(line).collect()
    }

    pub(super) fn function(&self) -> &str {
        self.symbol.map_or("", |symbol| &symbol.function)
    }

    /// Returns whether anything is known but the address.
    pub(super) fn is_named(&self) -> bool {
        self.symbol.is_some_and(|symbol| !symbol.function.is_empty() || symbol.file.is_some())
    }

    /// Returns whether this may be a function of a C library: it has a name, without a path, and no line.
    fn is_plain(&self) -> bool {
        self.symbol.is_some_and(|symbol| {
            !symbol.function.is_empty() && !symbol.function.contains("::") && symbol.file.is_none()
        })
    }

    /// Returns whether this is certainly a function of the program.
    fn is_of_program(&self) -> bool {
        self.is_named() && !self.is_plain() && !self.is_foreign()
    }

    pub(super) fn is_start(&self) -> bool {
        self.symbol.is_some_and(is_start)
    }

    /// Returns whether this is the function that calls the job's, and no debug information says what was inlined into it.
    fn is_nameless_job(&self) -> bool {
        self.symbol.is_some_and(|symbol| is_job_entry(symbol) && symbol.file.is_none())
    }

    /// Returns whether this is the function that calls a thread's, and no debug information says what was inlined into it.
    pub(super) fn is_nameless_thread(&self) -> bool {
        self.symbol.is_some_and(|symbol| is_thread_entry(symbol) && symbol.file.is_none())
    }

    /// Returns whether this is code of a runtime or a pool, or of its locks.
    fn is_runtime(&self) -> bool {
        self.symbol.is_some_and(is_runtime)
    }

    /// Returns whether this is code that the program uses.
    fn is_foreign(&self) -> bool {
        self.is_library() || self.is_runtime()
    }

    /// Returns whether this may be code of the standard library or of the system's, and is none of this crate.
    fn is_standard(&self) -> bool {
        self.is_plain() || (self.is_library() && !self.function().contains("scheduler::"))
    }

    /// Returns whether this is code of the standard library, of this crate or of the system's.
    pub(super) fn is_library(&self) -> bool {
        !self.is_nameless_thread()
            && (self.symbol.is_some_and(is_library) || self.frame.module().is_some_and(is_system))
    }
}

/// Returns the index of the frame that crashed, if the thread has: the first one, or the one that this crate's handler of the signal
/// has interrupted, in which a thread waits that crashed after another one.
pub(super) fn crash(thread: &ThreadSnapshot) -> Option<usize> {
    if thread.has_crashed {
        return Some(0);
    }
    // The function that crashed may have been called by the handler of another signal.
    let interrupted = thread.frames.iter().skip(1).position(|frame| frame.kind == AddressKind::Exact)? + 1;
    let mut handler = thread.frames[..interrupted].iter().flat_map(StackFrame::symbols);
    handler.any(|symbol| symbol.function.starts_with("scheduler::")).then_some(interrupted)
}

/// Returns the lines of a stack with those of a recursion once.
pub(super) fn without_repetition(lines: &[String]) -> Vec<String> {
    let (mut shown, mut rest) = (Vec::new(), lines);
    while !rest.is_empty() {
        let repetitions = |length: usize| rest.chunks(length).take_while(|chunk| *chunk == &rest[..length]).count();
        let lengths = 1..=RECURSION_LENGTH.min(rest.len());
        let (length, times) =
            lengths.map(|length| (length, repetitions(length))).find(|(_, times)| *times > 2).unwrap_or((1, 1));
        shown.extend_from_slice(&rest[..length]);
        if times > 1 {
            let what = if length == 1 { "line".to_owned() } else { format!("{length} lines") };
            shown.push(format!("(the {what} above {} times more)", times - 1));
        }
        rest = &rest[length * times..];
    }
    shown
}

/// Returns the entries that a reader looks for.
pub(super) fn interesting(mut entries: Vec<FrameLine<'_>>) -> Vec<FrameLine<'_>> {
    // The innermost function may be one of these as well: a thread that starts another one is in `clone3`.
    if let Some(start) = entries.iter().skip(1).position(FrameLine::is_start).map(|start| start + 1) {
        // Without debug information nothing shows that the job's function was inlined into the one that calls it.
        let inner = &entries[..start];
        let is_inlined = match &entries[start] {
            entry if entry.is_nameless_job() => !inner.iter().any(FrameLine::is_of_program),
            // A runtime's own thread, or this crate's, has functions of those.
            entry => entry.is_nameless_thread() && inner.iter().all(FrameLine::is_standard),
        };
        entries.truncate(start + usize::from(is_inlined));
    }
    // Of what a runtime does outside of its tasks, or while it has none to run, its outermost function is enough.
    let outside = entries.iter().rposition(|entry| !entry.is_foreign()).map_or(0, |last| last + 1);
    let runtime = entries[outside..].iter().position(FrameLine::is_runtime).map(|first| outside + first);
    if let (Some(first), Some(last)) = (runtime, entries.iter().rposition(FrameLine::is_runtime)) {
        entries.truncate(last + 1);
        entries.drain(first..last);
    }
    let blocking = blocking_call(&entries);
    // Of what a library does for the program, the function that the program has called is enough. In a static binary the C library's
    // functions, which have no lines, are on its innermost side.
    let innermost = entries.iter().take_while(|entry| entry.is_foreign() || entry.is_plain());
    let innermost = innermost.map(FrameLine::is_foreign).collect::<Vec<_>>();
    let library = innermost.iter().rposition(|is_foreign| *is_foreign).map_or(0, |last| last + 1);
    let is_called = |index: usize| {
        entries[index + 1..].iter().find(|entry| !entry.is_library()).is_none_or(|entry| !entry.is_runtime())
    };
    let is_shown = |index: usize| match &entries[index] {
        _ if library == entries.len() || blocking == Some(index) => true,
        _ if index < library => index + 1 == library,
        entry if entry.is_library() => false,
        entry => !entry.is_runtime() || is_called(index),
    };
    let shown: Vec<_> = (0..entries.len()).map(is_shown).collect();
    let mut hides_guess = false;
    let left = entries.into_iter().zip(shown).filter_map(|(entry, is_shown)| {
        let is_guessed = entry.is_guessed || hides_guess;
        hides_guess = is_guessed && !is_shown;
        is_shown.then_some(FrameLine { is_guessed, ..entry })
    });
    left.collect()
}

/// Returns the index of the function of the standard library that a runtime's innermost function seems to call, if no debug
/// information says what was inlined: it is the job's function that calls it then. One that has no task to run waits in a call of
/// the system's.
fn blocking_call(entries: &[FrameLine<'_>]) -> Option<usize> {
    let is_inlined = entries.last().is_some_and(FrameLine::is_nameless_job);
    let first = entries.iter().position(FrameLine::is_runtime).filter(|first| is_inlined && *first > 0)?;
    let is_called = |entry: &FrameLine<'_>| entry.is_library() && !entry.is_plain() && entry.is_named();
    is_called(&entries[first - 1]).then_some(first - 1)
}
