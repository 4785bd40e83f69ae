//! The panic hook of a job: a panic is told to the parent from the hook, where a process that aborts tells it at all.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::panic::{self, PanicHookInfo};
use std::thread;

use crate::failure::{Location, Panic};
use crate::guard::panic_message;

thread_local! {
    /// The panic that this thread is unwinding from.
    static LAST: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// What is printed of a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Printed {
    /// Nothing: the parent's record says it all.
    Nothing,
    /// What would be without this hook.
    AsEver,
}

/// Has `tell` hear of every panic, of any thread.
pub(super) fn install(printed: Printed, tell: impl Fn(&Panic) + Send + Sync + 'static) {
    let print = (printed == Printed::AsEver).then(panic::take_hook);
    panic::set_hook(Box::new(move |info| {
        let panic = witnessed(info);
        tell(&panic);
        if let Some(print) = &print {
            print(info);
        }
        // A thread that is being torn down has no place to keep it.
        let _ = LAST.try_with(|last| last.replace(Some(panic)));
    }));
}

/// Returns the panic that this thread caught last, as the hook saw it.
pub(super) fn caught() -> Option<Panic> {
    LAST.with(RefCell::take)
}

fn witnessed(info: &PanicHookInfo<'_>) -> Panic {
    let payload = info.payload();
    let message = match payload.downcast_ref::<String>() {
        Some(text) => text,
        None => payload.downcast_ref::<&str>().copied().unwrap_or(panic_message(&())),
    };
    let backtrace = Backtrace::capture();
    Panic {
        message: message.to_owned(),
        location: info.location().map(|location| Location {
            file: location.file().to_owned(),
            line: location.line(),
            column: location.column(),
        }),
        thread: thread::current().name().map(str::to_owned),
        backtrace: (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string()),
    }
}
