//! The panic hook of a job: it sends each panic to the parent before anything is printed or resolved, and knows which one
//! ends the process.
//!
//! A panic that can unwind may be caught, and then it is the cause of nothing. The hook can't see that, so that it marks only
//! the panics after which the process is certain to end. Resolving a backtrace takes a tenth of a second and more: it is done
//! for the panic that ends the job alone, once the function's time has ended.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::env;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use super::frame_sender::FrameSender;
use super::run_context::RunContext;
use crate::launcher;
use crate::outcome::{Location, Panic};
use crate::panic_guard::panic_message;
use crate::sync::lock;
use crate::wire::frame::FrameKind;
use crate::wire::message::{PANIC_LIMIT, Raised, TEXT_LIMIT};

thread_local! {
    /// The last two panics of this thread, the later one last: a panic and one that a destructor raised while the first one
    /// unwound are both under way.
    static LAST: RefCell<Vec<CapturedPanic>> = const { RefCell::new(Vec::new()) };
}

/// The panics that were sent, of every thread: the first ones, so that no flood of panics is one of frames.
static FIRST: Mutex<Vec<Panic>> = Mutex::new(Vec::new());

/// What the standard library says in a panic of its own where another one must not unwind any further.
const CANNOT_UNWIND: &str = "panic in a function that cannot unwind";
/// What it says where a destructor panics that runs because of another panic.
const IN_CLEANUP: &str = "panic in a destructor during cleanup";

/// A panic, and the frames of its thread, which have no names yet.
struct CapturedPanic {
    panic: Panic,
    backtrace: Backtrace,
}

/// A panic hook, as the standard library keeps it.
type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

static OUTPUT: OnceLock<PanicOutput> = OnceLock::new();

/// How a panic is printed.
enum PanicOutput {
    /// By the hook that was there before, as in an ordinary program.
    Before { hook: Hook, is_users: bool },
    /// Message and place in the hook, and the backtrace later, if the panic ends the job: the standard library's own hook
    /// would resolve it in the hook.
    InParts,
}

/// Has every panic, of any thread, sent to the parent, and printed as in an ordinary program.
pub(super) fn install(sender: Arc<FrameSender>) {
    let output = OUTPUT.get_or_init(|| PanicOutput::chosen(panic::take_hook()));
    panic::set_hook(Box::new(move |info| on_panic(info, &sender, output)));
}

fn on_panic(info: &PanicHookInfo<'_>, sender: &FrameSender, output: &PanicOutput) {
    let captured = CapturedPanic::of(info);
    send(&captured.panic, sender);
    if ends_the_process(info) {
        return send_the_last(captured, info, sender, output);
    }
    output.print(info, &captured.panic);
    // A thread that is being torn down has no place to keep it.
    let _ = LAST.try_with(|last| {
        let mut last = last.borrow_mut();
        if last.len() > 1 {
            last.remove(0);
        }
        last.push(captured);
    });
}

/// Sends one of the first panics.
fn send(panic: &Panic, sender: &FrameSender) {
    // In a copy that the job forked, a thread that isn't there may have the lock.
    if !sender.is_own_process() {
        return;
    }
    let mut first = lock(&FIRST);
    if first.len() < PANIC_LIMIT {
        let sent = Raised(Panic { message: shortened(&panic.message).to_owned(), ..panic.clone() });
        // If the parent is gone, the panic goes on all the same.
        let _ = sender.send_encoded(FrameKind::Panicking, &sent);
        first.push(panic.clone());
    }
}

fn shortened(message: &str) -> &str {
    let end = (0..=TEXT_LIMIT.min(message.len())).rfind(|end| message.is_char_boundary(*end));
    &message[..end.unwrap_or_default()]
}

/// Sends the cause of the end of this process. The function's time is over, whichever thread it is.
fn send_the_last(captured: CapturedPanic, info: &PanicHookInfo<'_>, sender: &FrameSender, output: &PanicOutput) {
    if sender.is_own_process()
        && let Some(context) = RunContext::current()
    {
        context.mark_returned();
    }
    let own = captured.panic.clone();
    let mut cause = cause(captured);
    let _ = sender.send_encoded(FrameKind::Fatal, &Raised(cause.panic.clone()));
    output.print(info, &own);
    if cause.resolve() {
        let _ = sender.send_encoded(FrameKind::Fatal, &Raised(cause.panic.clone()));
        output.print_rest(&cause.panic);
    }
}

/// Returns the panic that brought this one about, where this one only says that the other must not unwind.
fn cause(captured: CapturedPanic) -> CapturedPanic {
    let back = match captured.panic.message.as_str() {
        CANNOT_UNWIND => 1,
        IN_CLEANUP => 2,
        _ => return captured,
    };
    let taken = LAST.try_with(|last| {
        let mut last = last.borrow_mut();
        last.len().checked_sub(back).map(|index| last.swap_remove(index))
    });
    taken.ok().flatten().unwrap_or(captured)
}

/// Says whether the process ends by this panic, whatever waits to catch it.
fn ends_the_process(info: &PanicHookInfo<'_>) -> bool {
    // `PanicHookInfo::can_unwind` is not stable; what `Debug` writes of it is all that can be had.
    cfg!(panic = "abort") || format!("{info:?}").contains("can_unwind: false")
}

/// Returns the panic of which the job's thread has caught this message, with its backtrace if one is wanted, which is printed,
/// too.
pub(super) fn caught(message: &str) -> Option<Panic> {
    let last = LAST.with(RefCell::take).pop().filter(|captured| captured.panic.message == message);
    let Some(mut captured) = last else {
        // Another thread's panic, raised once more in this one, has passed no hook.
        let first = lock(&FIRST);
        return first.iter().rfind(|panic| panic.message == message).cloned();
    };
    if captured.resolve()
        && let Some(output) = OUTPUT.get()
    {
        output.print_rest(&captured.panic);
    }
    Some(captured.panic)
}

impl PanicOutput {
    /// Returns how panics are printed where this hook was there before.
    fn chosen(before: Hook) -> Self {
        let wants_backtraces = env::var_os("RUST_BACKTRACE").is_some_and(|wanted| wanted != "0");
        let is_users = is_users(&before);
        if wants_backtraces && !is_users { Self::InParts } else { Self::Before { hook: before, is_users } }
    }

    fn print(&self, info: &PanicHookInfo<'_>, panic: &Panic) {
        match self {
            // Of a second panic in a thread the standard library prints a full backtrace, as it may be one during another.
            Self::Before { hook, is_users } if *is_users || !has_panicked() => hook(info),
            Self::Before { .. } | Self::InParts => {
                let thread = panic.thread.as_deref().unwrap_or("<unnamed>");
                let mut text = format!("\nthread '{thread}' panicked");
                if let Some(location) = &panic.location {
                    let _ = write!(text, " at {location}");
                }
                write_error(&format!("{text}:\n{}\n", panic.message));
            }
        }
    }

    /// Prints the backtrace, if that is yet to be done.
    fn print_rest(&self, panic: &Panic) {
        if let (Self::InParts, Some(backtrace)) = (self, &panic.backtrace) {
            write_error(&format!("stack backtrace:\n{backtrace}\n"));
        }
    }
}

fn write_error(text: &str) {
    // Where standard error is closed, nobody misses it.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Says whether this thread has panicked before.
fn has_panicked() -> bool {
    LAST.try_with(|last| !last.borrow().is_empty()).unwrap_or(true)
}

/// Says whether a hook is a user's, and neither the standard library's nor libtest's.
fn is_users(hook: &Hook) -> bool {
    // Nothing stands before the copy's entry under libtest, which sets a hook of its own.
    if !launcher::is_initialized() {
        return false;
    }
    // With no hook set, the standard library hands out its own, which has no state: two of them differ in nothing, also not in
    // their tables of functions, as both are made in one place.
    let default = panic::take_hook();
    !std::ptr::eq(&raw const **hook, &raw const *default)
}

/// Returns a backtrace without its first frames, which are those of this hook.
fn without_own_frames(backtrace: &str) -> &str {
    let Some(own) = backtrace.rfind(concat!(module_path!(), "::")) else {
        return backtrace;
    };
    // What follows is the rest of its line, and where it is in the source, up to the next frame.
    let mut begin = own;
    for (index, _) in backtrace[own..].match_indices('\n') {
        begin = own + index + 1;
        if !backtrace[begin..].trim_start().starts_with("at ") {
            break;
        }
    }
    &backtrace[begin..]
}

impl CapturedPanic {
    fn of(info: &PanicHookInfo<'_>) -> Self {
        let payload = info.payload();
        let message = match payload.downcast_ref::<String>() {
            Some(text) => text,
            None => payload.downcast_ref::<&str>().copied().unwrap_or(panic_message(&())),
        };
        let panic = Panic {
            message: message.to_owned(),
            location: info.location().map(|location| Location {
                file: location.file().to_owned(),
                line: location.line(),
                column: location.column(),
            }),
            thread: thread::current().name().map(str::to_owned),
            backtrace: None,
        };
        Self { panic, backtrace: Backtrace::capture() }
    }

    /// Resolves the backtrace, if one is wanted.
    fn resolve(&mut self) -> bool {
        let is_wanted = self.backtrace.status() == BacktraceStatus::Captured;
        self.panic.backtrace = is_wanted.then(|| without_own_frames(&self.backtrace.to_string()).to_owned());
        is_wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backtrace_begins_behind_the_frames_of_the_hook() {
        let own = module_path!().strip_suffix("::tests").expect("it is a module of the hook");
        let rest = "   3: std::panicking::panic_with_hook\n             at std.rs:1:1\n   4: user::at\n";
        let sender = format!(
            "   0: std::backtrace::Backtrace::create\n   1: {own}::Seen::of\n             at hook.rs:2:2\n   \
             2: {own}::install::{{{{closure}}}}\n             at hook.rs:3:3\n{rest}"
        );
        assert_eq!(without_own_frames(&sender), rest);
        assert_eq!(without_own_frames(rest), rest);
    }
}
