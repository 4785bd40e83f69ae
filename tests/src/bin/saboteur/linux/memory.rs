//! An allocator without locks: a thread that blocks at one of its system calls would hold them, and block the thread that
//! is to answer it.
//!
//! What is given back is not used again. This program lives for a minute at the most.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// More than it ever takes. The kernel gives a page when it is touched.
const SIZE: usize = 1 << 27;

#[repr(align(4096))]
struct Heap {
    space: UnsafeCell<[u8; SIZE]>,
    taken: AtomicUsize,
}

// SAFETY: No byte of the space is given out twice.
unsafe impl Sync for Heap {}

// SAFETY: Each block has the requested size and alignment, and is given out once.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let begin = |taken: usize| taken.next_multiple_of(layout.align());
        let end = |taken: usize| begin(taken).checked_add(layout.size()).filter(|end| *end <= SIZE);
        match self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, end) {
            // SAFETY: It lies within the space.
            Ok(taken) if layout.align() <= 4096 => unsafe { self.space.get().cast::<u8>().add(begin(taken)) },
            _ => ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: Heap = Heap { space: UnsafeCell::new([0; SIZE]), taken: AtomicUsize::new(0) };
