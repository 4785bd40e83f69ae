//! The panic hook of a job: sends each panic to the parent before it is printed, and identifies the one that aborts the
//! process.
//!
//! A panic that can unwind may be caught, and then explains no failure. The hook can't see that, so that it marks only the
//! panics after which the process is certain to abort. Resolving a backtrace takes a tenth of a second or more: it is done
//! only for the panic that fails the job, after the function's time has stopped.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::env;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use super::backtrace;
use super::frame_sender::FrameSender;
use super::run_context::RunContext;
use crate::launcher;
use crate::outcome::{Location, Panic};
use crate::panic_guard::panic_message;
use crate::sync::lock;
use crate::wire::frame::FrameKind;
use crate::wire::message::{PANIC_LIMIT, PanicMessage, TEXT_LIMIT};

thread_local! {
    /// The last two panics of this thread, in order: a panic, and one of a destructor while the first one unwinds.
    static LAST: RefCell<Vec<CapturedPanic>> = const { RefCell::new(Vec::new()) };
}

/// The panics of all threads that were sent: the first ones, so that a flood of panics is no flood of frames.
static FIRST: Mutex<Vec<Panic>> = Mutex::new(Vec::new());

/// The message of the standard library's own panic where another one must not unwind further.
const CANNOT_UNWIND: &str = "panic in a function that cannot unwind";
/// Its message where a destructor panics during another panic.
const IN_CLEANUP: &str = "panic in a destructor during cleanup";

/// A panic and its backtrace, unresolved.
struct CapturedPanic {
    panic: Panic,
    backtrace: Backtrace,
}

/// A panic hook of the standard library's type.
type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

static OUTPUT: OnceLock<PanicOutput> = OnceLock::new();

/// The way in which panics are printed.
enum PanicOutput {
    /// By the previous hook, as in an ordinary program.
    PreviousHook { hook: Hook, is_users: bool },
    /// Message and location in the hook, and the backtrace later, if the panic fails the job: the standard library's hook
    /// would resolve it at once.
    InParts,
}

/// Installs the hook: it sends every panic, of any thread, to the parent, and prints it as an ordinary program does.
pub(super) fn install(sender: Arc<FrameSender>) {
    let output = OUTPUT.get_or_init(|| PanicOutput::new(panic::take_hook()));
    // Those of an earlier call.
    lock(&FIRST).clear();
    LAST.with(RefCell::take);
    panic::set_hook(Box::new(move |info| on_panic(info, &sender, output)));
}

fn on_panic(info: &PanicHookInfo<'_>, sender: &FrameSender, output: &PanicOutput) {
    let captured = CapturedPanic::of(info);
    send(&captured.panic, sender);
    if aborts(info) {
        return send_fatal(captured, info, sender, output);
    }
    output.print(info, &captured.panic);
    // A thread that is being torn down has no storage.
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
    // In a fork of the job, a thread that doesn't exist there may hold the lock.
    if !sender.is_own_process() {
        return;
    }
    let mut first = lock(&FIRST);
    if first.len() < PANIC_LIMIT {
        let sent = PanicMessage(Panic { message: shortened(&panic.message).to_owned(), ..panic.clone() });
        // If the parent is gone, the panic still continues.
        let _ = sender.send_encoded(FrameKind::Panicking, &sent);
        first.push(panic.clone());
    }
}

fn shortened(message: &str) -> &str {
    let end = (0..=TEXT_LIMIT.min(message.len())).rfind(|end| message.is_char_boundary(*end));
    &message[..end.unwrap_or_default()]
}

/// Sends the panic that aborts the process. It stops the function's time, whichever thread panicked.
fn send_fatal(captured: CapturedPanic, info: &PanicHookInfo<'_>, sender: &FrameSender, output: &PanicOutput) {
    if sender.is_own_process()
        && let Some(context) = RunContext::current()
    {
        context.mark_returned();
    }
    let own = captured.panic.clone();
    let mut cause = cause(captured);
    let _ = sender.send_encoded(FrameKind::Fatal, &PanicMessage(cause.panic.clone()));
    output.print(info, &own);
    if cause.resolve() {
        let _ = sender.send_encoded(FrameKind::Fatal, &PanicMessage(cause.panic.clone()));
        output.print_backtrace(&cause.panic);
    }
}

/// Returns the panic that caused this one, if this one only reports that another panic must not unwind.
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

/// Returns whether the process aborts after this panic, even inside `catch_unwind`.
fn aborts(info: &PanicHookInfo<'_>) -> bool {
    // `PanicHookInfo::can_unwind` is unstable; `Debug` is the only access to it.
    cfg!(panic = "abort") || format!("{info:?}").contains("can_unwind: false")
}

/// Returns the panic with this message that the job's thread caught. Resolves and prints its backtrace, if one is wanted.
pub(super) fn caught(message: &str) -> Option<Panic> {
    let last = LAST.with(RefCell::take).pop().filter(|captured| captured.panic.message == message);
    let Some(mut captured) = last else {
        // The panic of another thread, resumed in this one, doesn't call the hook again.
        let first = lock(&FIRST);
        return first.iter().rfind(|panic| panic.message == message).cloned();
    };
    if captured.resolve()
        && let Some(output) = OUTPUT.get()
    {
        output.print_backtrace(&captured.panic);
    }
    Some(captured.panic)
}

impl PanicOutput {
    /// Returns the way in which panics are printed after this previous hook.
    fn new(previous: Hook) -> Self {
        let wants_backtraces = env::var_os("RUST_BACKTRACE").is_some_and(|wanted| wanted != "0");
        let is_users = is_users(&previous);
        if wants_backtraces && !is_users { Self::InParts } else { Self::PreviousHook { hook: previous, is_users } }
    }

    fn print(&self, info: &PanicHookInfo<'_>, panic: &Panic) {
        match self {
            // The standard library prints a full backtrace of a thread's second panic, as of a panic during another.
            Self::PreviousHook { hook, is_users } if *is_users || !has_panicked() => hook(info),
            Self::PreviousHook { .. } | Self::InParts => {
                let thread = panic.thread.as_deref().unwrap_or("<unnamed>");
                let mut text = format!("\nthread '{thread}' panicked");
                if let Some(location) = &panic.location {
                    let _ = write!(text, " at {location}");
                }
                write_error(&format!("{text}:\n{}\n", panic.message));
            }
        }
    }

    /// Prints the backtrace, unless the previous hook has printed it.
    fn print_backtrace(&self, panic: &Panic) {
        if let (Self::InParts, Some(backtrace)) = (self, &panic.backtrace) {
            write_error(&format!("stack backtrace:\n{backtrace}\n"));
        }
    }
}

fn write_error(text: &str) {
    // Standard error may be closed.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Returns whether this thread has panicked before.
fn has_panicked() -> bool {
    LAST.try_with(|last| !last.borrow().is_empty()).unwrap_or(true)
}

/// Returns whether a hook is the user's, not the standard library's or libtest's.
fn is_users(hook: &Hook) -> bool {
    // Under libtest no user code runs before this; libtest sets its own hook.
    if !launcher::is_initialized() {
        return false;
    }
    // If no hook is set, `take_hook` returns the default one, which has no state: two of them have equal pointers and,
    // since they are created in one place, equal vtables.
    let default = panic::take_hook();
    !std::ptr::eq(&raw const **hook, &raw const *default)
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
        self.panic.backtrace = is_wanted.then(|| backtrace::text(&self.backtrace));
        is_wanted
    }
}
