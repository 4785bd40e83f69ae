//! `EventMemo`: what an observer has made of an event, for the others that need the same.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The form in which several observers need an event: the first one makes it, and they share it.
#[derive(Default)]
pub(crate) struct EventMemo(OnceLock<Arc<dyn Any + Send + Sync>>);

impl EventMemo {
    /// Returns the event in another form, which `make` makes if no observer has done so.
    pub(crate) fn get_or_make<T: Send + Sync + 'static>(&self, make: impl Fn() -> T) -> Arc<T> {
        let form = self.0.get_or_init(|| Arc::new(make()));
        // A memo has one form. Another one is made anew.
        Arc::clone(form).downcast().unwrap_or_else(|_| Arc::new(make()))
    }
}

impl fmt::Debug for EventMemo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventMemo").field("is_made", &self.0.get().is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_form_is_made_once() {
        let (memo, count) = (EventMemo::default(), Cell::new(0));
        let counted = || {
            count.set(count.get() + 1);
            count.get()
        };
        assert_eq!((*memo.get_or_make(counted), *memo.get_or_make(counted)), (1, 1));
        assert_eq!(*memo.get_or_make(|| "another"), "another");
    }
}
