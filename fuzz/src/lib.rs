//! What the targets measure with: how much memory was taken, at the most.

#![expect(unsafe_code, reason = "an allocator can't be made without it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator, with a look at what it is asked for.
struct Counting;

static TAKEN: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

impl Counting {
    fn take(size: usize) {
        let taken = TAKEN.fetch_add(size, Relaxed).saturating_add(size);
        MOST.fetch_max(taken, Relaxed);
    }

    fn give_back(size: usize) {
        TAKEN.fetch_sub(size, Relaxed);
    }
}

// SAFETY: All is done by the system's allocator; what is counted beside it has no influence.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::take(layout.size());
        // SAFETY: The caller keeps the same promises to us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::take(layout.size());
        // SAFETY: As above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        Self::give_back(layout.size());
        // SAFETY: As above.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new may exist at the same time.
        Self::take(size);
        Self::give_back(layout.size());
        // SAFETY: As above.
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// Measures memory from its making on.
pub struct Memory {
    before: usize,
}

impl Memory {
    /// Begins to measure; one at a time.
    #[must_use]
    pub fn measured() -> Self {
        let before = TAKEN.load(Relaxed);
        MOST.store(before, Relaxed);
        Self { before }
    }

    /// Returns the most that was taken at any one time since, in bytes.
    #[must_use]
    pub fn most(&self) -> usize {
        MOST.load(Relaxed) - self.before
    }
}
