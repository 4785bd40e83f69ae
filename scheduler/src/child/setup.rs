//! The set-up of a job's process: what the application and the attribute of the job want to be done before the arguments are
//! decoded.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use crate::panic_guard::panic_message;
use crate::registry;
use crate::sync::lock;
use crate::wire::message::Request;

/// The return type of a function that sets up a job's process: `()`, or `Result<(), E>` where `E` converts into
/// `Box<dyn Error + Send + Sync>`.
///
/// This trait is sealed. [`init_with`](crate::init_with) and the option [`setup`](macro@crate::job#setup) take functions of
/// either return type.
#[diagnostic::on_unimplemented(
    message = "a set-up can't return `{Self}`",
    label = "expected a function that returns `()` or `Result<(), E>`, found one that returns `{Self}`",
    note = "`E` is any type that converts into `Box<dyn std::error::Error + Send + Sync>`: an error, a `String` or a `&str`"
)]
pub trait SetupResult: sealed::Sealed {
    #[doc(hidden)]
    fn into_reason(self) -> Result<(), String>;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for () {}

    impl<E> Sealed for Result<(), E> {}
}

#[diagnostic::do_not_recommend]
impl SetupResult for () {
    fn into_reason(self) -> Result<(), String> {
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl<E: Into<Box<dyn Error + Send + Sync>>> SetupResult for Result<(), E> {
    fn into_reason(self) -> Result<(), String> {
        self.map_err(|error| {
            let error: Box<dyn Error + Send + Sync> = error.into();
            let mut reason = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                let cause_text = cause.to_string();
                // The message of many errors contains that of their source.
                if !reason.contains(&cause_text) {
                    reason = format!("{reason}: {cause_text}");
                }
                source = cause.source();
            }
            reason
        })
    }
}

/// The application's own set-up, until a job's process runs it.
static APPLICATION: Mutex<Option<ApplicationSetup>> = Mutex::new(None);

type ApplicationSetup = Box<dyn FnOnce() -> Result<(), String> + Send>;

/// Keeps the application's set-up for the job that this process may become.
pub(super) fn keep<R: SetupResult>(setup: impl FnOnce() -> R + Send + 'static) {
    *lock(&APPLICATION) = Some(Box::new(|| setup().into_reason()));
}

/// Drops the application's set-up: this process is no copy.
pub(super) fn forget() {
    // It is dropped after the lock is released: its `Drop` is the user's code.
    let setup = lock(&APPLICATION).take();
    drop(setup);
}

/// Sets up this process for the job of a request. An error is the reason why the job can't start.
pub(super) fn run(request: &Request) -> Result<(), String> {
    if let Some(setup) = lock(&APPLICATION).take() {
        guarded(setup)?;
    }
    let entry = registry::find_exact(&request.job);
    entry.and_then(|entry| entry.options().setup).map_or(Ok(()), |setup| guarded(setup.0))
}

fn guarded(setup: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    match catch_unwind(AssertUnwindSafe(setup)) {
        Ok(result) => result.map_err(|reason| format!("its set-up failed: {reason}")),
        Err(payload) => {
            let reason = format!("its set-up panicked: {}", panic_message(&*payload));
            // Dropping the payload could panic again.
            std::mem::forget(payload);
            Err(reason)
        }
    }
}
