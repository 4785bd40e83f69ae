//! Jobs that crash, for the captures of their processes.

#![expect(unsafe_code, reason = "crashes have no safe API")]

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::{ptr, thread};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap};
use scheduler::{job, this_job};
use serde::{Deserialize, Serialize};

/// How a job crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Crash {
    /// It writes where nothing is.
    Null,
    /// It calls a function that isn't there, as a program does whose library lacks one.
    CallsNull,
    /// It aborts.
    Abort,
    /// It aborts, and may have no descriptors.
    WithoutDescriptors,
    /// It aborts as soon as it is asked to stop.
    InGrace,
    /// It executes the instruction of a breakpoint, which is that of `__builtin_trap` on aarch64.
    Trap,
    /// It sends itself a signal.
    Raise(i32),
    /// Another thread writes where nothing is.
    InThread,
    /// Two threads write where nothing is, at the same time.
    Twice,
    /// Threads abort at the same time.
    AbortTogether,
    /// It reads a mapped file that was truncated.
    Truncated,
    /// It calls itself without end.
    StackOverflow,
    /// It writes where nothing is, below a seccomp filter that takes this action at the calls of a handler.
    Filtered(u32),
}

/// Crashes.
#[job]
pub fn crashes(how: Crash) {
    match how {
        Crash::Null => writes_to_null(),
        Crash::CallsNull => calls_null(),
        Crash::Abort => std::process::abort(),
        Crash::WithoutDescriptors => {
            let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            // SAFETY: The pointer is to a variable of this function.
            unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const none) };
            std::process::abort()
        }
        Crash::InGrace => {
            waits_to_be_asked();
            std::process::abort()
        }
        Crash::Trap => traps(),
        Crash::Raise(signal) => {
            // SAFETY: The call has no preconditions.
            unsafe { libc::raise(signal) };
        }
        Crash::InThread => {
            let _ = thread::spawn(writes_to_null).join();
        }
        Crash::Twice => {
            let both = Arc::new(Barrier::new(2));
            let theirs = Arc::clone(&both);
            thread::spawn(move || {
                theirs.wait();
                writes_to_null();
            });
            both.wait();
            writes_to_null();
        }
        Crash::AbortTogether => {
            let threads: Vec<_> = (0..4).map(|_| thread::spawn(|| std::process::abort())).collect();
            for thread in threads {
                let _ = thread.join();
            }
        }
        Crash::Truncated => reads_a_truncated_file(),
        Crash::Filtered(action) => {
            refuses_calls_of_handlers(action);
            writes_to_null();
        }
        Crash::StackOverflow => drop(black_box(recurses(0))),
    }
}

#[inline(never)]
fn writes_to_null() {
    let address = black_box(8_usize) as *mut u64;
    // SAFETY: There is no memory there: it crashes, which is what it is for.
    unsafe { address.write_volatile(7) };
}

#[inline(never)]
fn calls_null() {
    // SAFETY: There is no function there: it crashes, which is what it is for.
    let function: unsafe extern "C" fn() = unsafe { std::mem::transmute_copy(&black_box(0_usize)) };
    // SAFETY: As above.
    unsafe { function() };
    black_box(());
}

#[inline(never)]
fn traps() {
    // SAFETY: It crashes, which is what it is for.
    unsafe {
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("brk #1");
        #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
        std::arch::asm!("int3");
        #[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64", target_arch = "x86")))]
        libc::raise(libc::SIGTRAP);
    }
    black_box(());
}

#[inline(never)]
fn waits_to_be_asked() {
    this_job::cancelled().wait();
    black_box(());
}

#[inline(never)]
fn reads_a_truncated_file() {
    let page = rustix::param::page_size();
    let file = memfd_create("truncated", MemfdFlags::empty()).expect("there is memory for a file");
    ftruncate(&file, page as u64).expect("it is ours");
    // SAFETY: The mapping is new. The file has no page for it any more: it crashes, which is what it is for.
    unsafe {
        let address = mmap(ptr::null_mut(), page, ProtFlags::READ, MapFlags::SHARED, &file, 0).expect("it has a page");
        ftruncate(&file, 0).expect("it is ours");
        black_box(address.cast::<u8>().read_volatile());
    }
}

/// Installs a seccomp filter that takes this action at the calls by which a handler of a crash asks for a capture.
fn refuses_calls_of_handlers(action: u32) {
    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const IS_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let step = |code: u32, operand: u32, skipped: u8| libc::sock_filter {
        code: u16::try_from(code).expect("codes are small"),
        jt: 0,
        jf: skipped,
        k: operand,
    };
    let end = |action| step(libc::BPF_RET | libc::BPF_K, action, 0);
    // The number of the call stands first.
    let mut filter = vec![step(LOAD, 0, 0)];
    for call in [libc::SYS_kill, libc::SYS_rt_sigaction] {
        filter.extend([step(IS_EQUAL, u32::try_from(call).expect("numbers of calls are small"), 1), end(action)]);
    }
    filter.push(end(libc::SECCOMP_RET_ALLOW));
    let length = u16::try_from(filter.len()).expect("it is short");
    let program = libc::sock_fprog { len: length, filter: filter.as_mut_ptr() };
    // SAFETY: The pointers are to variables of this function, and the kernel copies the program.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program), 0);
    }
}

#[inline(never)]
#[expect(unconditional_recursion, reason = "this is what it is for")]
fn recurses(depth: u64) -> u64 {
    black_box(recurses(black_box(depth + 1))) + 1
}
