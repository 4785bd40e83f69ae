//! `guarded`: calls user code and catches its panics.
//!
//! In the application the library calls user code: follow-ups, observers, wakers, and the `serde` and `Drop` implementations of
//! results. A panic there may cost one record or one call, but never a list or the thread that supervises jobs.

use std::any::Any;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A caught panic, with its message.
#[derive(Debug)]
pub(crate) struct Panicked(String);

/// Returns the value of `call`, or its panic.
///
/// If the application is built with `panic = "abort"`, nothing can be caught, and a panic aborts the process.
pub(crate) fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    // State that `call` left inconsistent is the user's own or isn't used again.
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| {
        let message = panic_message(&*payload).to_owned();
        if !payload.is::<String>() && !payload.is::<&'static str>() {
            // Dropping a payload can panic again.
            mem::forget(payload);
        }
        Panicked(message)
    })
}

/// Drops a value whose `Drop` is user code and may panic.
pub(crate) fn discard<T>(value: T) {
    // A panic changes nothing here: the value is gone either way.
    let _ = guarded(|| drop(value));
}

/// Returns the text of a panic's payload, or a description if it has none.
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
    fn a_panic_with_any_payload_is_caught() {
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
