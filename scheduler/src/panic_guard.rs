//! `guarded`: a call into the user's code, whose panic ends here.
//!
//! In the application the library calls code that it doesn't know: follow-ups, observers, wakers, and what `serde` and `Drop`
//! do for results. A panic there must cost one record or one call, and neither a list nor the thread that watches over jobs.

use std::any::Any;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The message of a panic that was caught.
#[derive(Debug)]
pub(crate) struct Panicked(String);

/// Returns what `call` returns, or its panic.
///
/// Where the application is built with `panic = "abort"` nothing can be caught, and a panic ends the process.
pub(crate) fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    // What `call` has changed is either its own or not looked at again.
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| {
        let message = panic_message(&*payload).to_owned();
        if !payload.is::<String>() && !payload.is::<&'static str>() {
            // Dropping a payload can panic again.
            mem::forget(payload);
        }
        Panicked(message)
    })
}

/// Drops a value of the user's, whose `Drop` may panic.
pub(crate) fn discard<T>(value: T) {
    // The value is gone either way, and nobody asked for it.
    let _ = guarded(|| drop(value));
}

/// Returns the text of a panic's payload, or says that it has none.
pub(crate) fn panic_message(payload: &dyn Any) -> &str {
    match payload.downcast_ref::<String>() {
        Some(text) => text,
        None => payload.downcast_ref::<&'static str>().copied().unwrap_or("a payload that is no text"),
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it panicked: {}", self.0)
    }
}

impl std::error::Error for Panicked {}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;

    use super::*;

    struct Explosive;

    impl Drop for Explosive {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn a_panic_ends_in_the_guard_whatever_its_payload() {
        let panics: [(fn(), &str); 4] = [
            (|| panic!("a text"), "it panicked: a text"),
            (|| panic!("a {}", "String"), "it panicked: a String"),
            (|| panic_any(7), "it panicked: a payload that is no text"),
            (|| panic_any(Explosive), "it panicked: a payload that is no text"),
        ];
        for (call, message) in panics {
            assert_eq!(guarded(call).expect_err("it panics").to_string(), message);
        }
        assert_eq!(guarded(|| 7).expect("it returns"), 7);
    }

    #[test]
    fn a_value_whose_drop_panics_is_discarded() {
        discard(Explosive);
        discard([Some(Explosive), None]);
    }
}
