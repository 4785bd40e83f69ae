//! The allocator of the targets, which measures how much memory is taken.

#![expect(unsafe_code, reason = "an allocator can't be made without it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use scheduler::fuzzing::MemoryMeter;

/// The system's allocator, which counts the bytes.
struct Counting;

static TAKEN: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);
/// The bytes at the start of the measurement.
static BEFORE: AtomicUsize = AtomicUsize::new(0);

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

// SAFETY: The system's allocator does everything; counting has no influence on it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::take(layout.size());
        // SAFETY: The caller upholds the same conditions.
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

/// Measures with this allocator, one measurement at a time.
pub const METER: MemoryMeter = MemoryMeter { start, peak };

fn start() {
    let taken = TAKEN.load(Relaxed);
    BEFORE.store(taken, Relaxed);
    MOST.store(taken, Relaxed);
}

fn peak() -> usize {
    MOST.load(Relaxed) - BEFORE.load(Relaxed)
}
