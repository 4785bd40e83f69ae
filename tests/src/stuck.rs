//! Jobs that are stuck in every way that a job can be, for the captures of their processes.

#![expect(unsafe_code, reason = "most of this has no safe API")]
#![expect(
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::disallowed_methods,
    reason = "these jobs do what jobs should not, and they are not called as functions"
)]

use std::ffi::{c_int, c_void};
use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::os::fd::{AsRawFd as _, IntoRawFd as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;
use std::{mem, ptr, thread};

use scheduler::{job, this_job};
use serde::{Deserialize, Serialize};

use crate::leftovers::{Leftover, leave};
use crate::stuck_children::start_children;

/// How a job is stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stuck {
    /// It sleeps, below ten calls of one function.
    Sleeping,
    /// It computes.
    Spinning,
    /// It computes in a function that the C library calls.
    SpinningInC,
    /// Two of its threads wait for each other's mutex.
    Deadlocked,
    /// It sleeps with all signals blocked.
    BlockingSignals,
    /// It has the lock of the C library's allocator.
    #[cfg(target_env = "gnu")]
    InMalloc,
    /// It sleeps in the handler of a signal.
    InHandler,
    /// The same, on a stack for signals.
    OnAlternateStack,
    /// It waits on a pipe, and may make no other system call than those of the strict mode of seccomp.
    InSeccomp,
    /// It has stopped itself.
    Stopped,
    /// Its main thread has exited; another one sleeps.
    WithoutMainThread,
    /// It has called itself five hundred times.
    DeepRecursion,
    /// It has a hundred threads that sleep.
    HundredThreads,
    /// It has 550 threads that sleep.
    ManyThreads,
    /// It has called a function where none is, and sleeps in the handler of the fault.
    AtNull,
    /// It waits for a program that sleeps.
    WaitingForChild,
    /// It waits for a shell that waits for other programs.
    WaitingForShell,
    /// It waits for a Python program.
    WaitingForPython,
    /// It has a hundred children.
    HundredChildren,
    /// It has thirty children, and 550 threads which sleep.
    ManyThreadsAndChildren,
    /// It waits for a process that shares its memory, and has not executed a program.
    InVfork,
    /// It runs as another user.
    AsAnotherUser,
    /// It traces its own child, which can't be traced twice.
    TracingItsChild,
    /// It has overwritten the unwind information of its binary with random bytes, and computes.
    Forging(u64),
}

/// Marks that it is about to be stuck, by this file, and is stuck.
#[job]
pub fn is_stuck(how: Stuck, mark: PathBuf) {
    get_stuck(how, &mark);
}

/// Has two hundred threads, all of which sleep.
#[job]
pub fn captured() {
    for _ in 1..200 {
        thread::Builder::new().stack_size(128 << 10).spawn(sleeps).expect("there is room for a thread");
    }
    sleeps();
}

/// Does the same, with a grace period, and computes until it is cancelled.
#[job(grace = "30s")]
pub fn waits_for_cancellation(mark: PathBuf) -> u64 {
    ready(&mark);
    let mut sum = 0_u64;
    while !this_job::is_cancelled() {
        sum = black_box(sum.wrapping_add(1));
    }
    42
}

/// Waits for a program, given as a command line, and leaves a daemon that can be found by `tag`.
#[job]
pub fn waits_for_program(command: Vec<String>, tag: String, mark: PathBuf) {
    if !tag.is_empty() {
        leave(Leftover::Daemon, &tag);
    }
    let (program, arguments) = command.split_first().expect("a program");
    let mut child = Command::new(program).args(arguments).spawn().expect("it exists");
    ready(&mark);
    let _ = child.wait();
}

/// Tells a test that the job is about to be stuck.
pub(crate) fn ready(mark: &Path) {
    File::create(mark).and_then(|mut file| file.write_all(b"x")).expect("the folder is the test's");
}

#[inline(never)]
fn get_stuck(how: Stuck, mark: &Path) {
    match how {
        Stuck::Sleeping => sleeps_deep(10, mark),
        Stuck::Spinning => {
            ready(mark);
            spins();
        }
        Stuck::SpinningInC => spins_in_c(mark),
        Stuck::Deadlocked => deadlocks(mark),
        Stuck::BlockingSignals => {
            block_signals();
            ready(mark);
            sleeps();
        }
        #[cfg(target_env = "gnu")]
        Stuck::InMalloc => has_the_allocator(mark),
        Stuck::InHandler => in_handler(mark),
        Stuck::OnAlternateStack => {
            use_alternate_stack();
            in_handler(mark);
        }
        Stuck::InSeccomp => in_seccomp(mark),
        Stuck::Stopped => {
            ready(mark);
            // SAFETY: The call has no preconditions.
            unsafe { libc::raise(libc::SIGSTOP) };
        }
        Stuck::WithoutMainThread => {
            let mark = mark.to_owned();
            thread::Builder::new().name("left alone".to_owned()).spawn(move || sleeps_deep(1, &mark)).expect("room");
            // SAFETY: The other thread needs nothing of this one's stack.
            unsafe { libc::syscall(libc::SYS_exit, 0) };
        }
        Stuck::DeepRecursion => sleeps_deep(500, mark),
        Stuck::HundredThreads => with_threads(99, mark),
        Stuck::ManyThreads => with_threads(549, mark),
        Stuck::AtNull => at_null(mark),
        Stuck::WaitingForChild => waits_for(Command::new("sleep").arg("300"), mark),
        Stuck::WaitingForShell => waits_for(Command::new("sh").args(["-c", "sleep 301 & sleep 302; :"]), mark),
        Stuck::WaitingForPython => {
            waits_for(Command::new("python3").args(["-c", "import time; time.sleep(300)"]), mark);
        }
        Stuck::HundredChildren => {
            start_children(100);
            ready(mark);
            sleeps();
        }
        Stuck::ManyThreadsAndChildren => {
            start_children(30);
            with_threads(549, mark);
        }
        Stuck::InVfork => in_vfork(mark),
        Stuck::AsAnotherUser => {
            // Writing is for the user that it was.
            ready(mark);
            // SAFETY: The calls have no preconditions; the process has one thread.
            unsafe {
                assert_eq!(libc::setgroups(0, ptr::null()), 0);
                assert_eq!(libc::setresgid(65534, 65534, 65534), 0);
                assert_eq!(libc::setresuid(65534, 65534, 65534), 0);
            }
            sleeps();
        }
        Stuck::TracingItsChild => traces_its_child(mark),
        Stuck::Forging(seed) => forges(seed, mark),
    }
}

#[inline(never)]
fn sleeps() {
    loop {
        thread::sleep(Duration::from_secs(1000));
        black_box(());
    }
}

#[inline(never)]
fn sleeps_deep(depth: u32, mark: &Path) {
    if depth == 0 {
        ready(mark);
        sleeps();
    } else {
        sleeps_deep(depth - 1, mark);
    }
    black_box(depth);
}

#[inline(never)]
fn spins() {
    let mut sum = 0_u64;
    loop {
        sum = black_box(sum.wrapping_add(1));
    }
}

extern "C" fn compares(_: *const c_void, _: *const c_void) -> c_int {
    spins();
    0
}

#[inline(never)]
fn spins_in_c(mark: &Path) {
    ready(mark);
    let mut numbers = [2, 1];
    // SAFETY: The numbers are an array of two, and the function compares nothing.
    unsafe { libc::qsort(numbers.as_mut_ptr().cast(), 2, size_of::<i32>(), Some(compares)) };
    black_box(numbers);
}

#[inline(never)]
fn locks_both(first: &Mutex<()>, second: &Mutex<()>, both: &Barrier, mark: &Path) {
    let held = first.lock();
    both.wait();
    ready(mark);
    let other = second.lock();
    black_box((held.is_ok(), other.is_ok()));
}

#[inline(never)]
fn deadlocks(mark: &Path) {
    let (a, b) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
    let both = Arc::new(Barrier::new(2));
    let other = {
        let (a, b, both, mark) = (Arc::clone(&a), Arc::clone(&b), Arc::clone(&both), mark.to_owned());
        let builder = thread::Builder::new().name("second".to_owned());
        builder.spawn(move || locks_both(&b, &a, &both, &mark)).expect("there is room for a thread")
    };
    locks_both(&a, &b, &both, mark);
    let _ = other.join();
}

fn block_signals() {
    // SAFETY: The set is filled before it is read.
    unsafe {
        let mut all = mem::zeroed();
        libc::sigfillset(&raw mut all);
        assert_eq!(libc::sigprocmask(libc::SIG_BLOCK, &raw const all, ptr::null_mut()), 0);
    }
}

/// The C library writes statistics of its allocator while it has the lock of each arena, here to a pipe that nobody reads.
#[cfg(target_env = "gnu")]
#[inline(never)]
fn has_the_allocator(mark: &Path) {
    let (reader, writer) = std::io::pipe().expect("there is room for a pipe");
    // SAFETY: The stream is that of a descriptor of ours, without a buffer.
    unsafe {
        let descriptor = writer.into_raw_fd();
        assert_eq!(libc::fcntl(descriptor, libc::F_SETFL, libc::O_NONBLOCK), 0);
        while libc::write(descriptor, [0_u8; 4096].as_ptr().cast(), 4096) > 0 {}
        assert_eq!(libc::fcntl(descriptor, libc::F_SETFL, 0), 0);
        let stream = libc::fdopen(descriptor, c"w".as_ptr());
        libc::setvbuf(stream, ptr::null_mut(), libc::_IONBF, 0);
        ready(mark);
        libc::malloc_info(0, stream);
    }
    drop(reader);
}

extern "C" fn handles(_: c_int) {
    sleeps();
}

#[inline(never)]
fn in_handler(mark: &Path) {
    ready(mark);
    // SAFETY: The handler makes only calls that a handler may make.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handles as *const () as usize;
        action.sa_flags = libc::SA_ONSTACK;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut()), 0);
        libc::raise(libc::SIGUSR1);
    }
}

fn use_alternate_stack() {
    let memory = Vec::leak(vec![0_u8; 256 << 10]);
    let stack = libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: memory.len() };
    // SAFETY: The memory stays.
    assert_eq!(unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) }, 0);
}

#[inline(never)]
fn in_seccomp(mark: &Path) {
    let (reader, writer) = std::io::pipe().expect("there is room for a pipe");
    ready(mark);
    let mut byte = 0_u8;
    // SAFETY: In strict mode the thread may read. The other calls have no preconditions.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_STRICT, 0, 0, 0), 0);
        libc::read(reader.as_raw_fd(), (&raw mut byte).cast(), 1);
    }
    black_box((byte, writer));
}

#[inline(never)]
fn with_threads(count: usize, mark: &Path) {
    let all = Arc::new(Barrier::new(count + 1));
    for number in 0..count {
        let all = Arc::clone(&all);
        let builder = thread::Builder::new().name(format!("thread {number}")).stack_size(128 << 10);
        let started = builder.spawn(move || {
            all.wait();
            sleeps();
        });
        started.expect("there is room for a thread");
    }
    all.wait();
    ready(mark);
    sleeps();
}

#[inline(never)]
fn at_null(mark: &Path) {
    ready(mark);
    // SAFETY: The handler makes only calls that a handler may make. It never returns.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handles as *const () as usize;
        assert_eq!(libc::sigaction(libc::SIGSEGV, &raw const action, ptr::null_mut()), 0);
        // The compiler must not see that it is a null pointer.
        let address = black_box(1_usize << 4);
        let function: extern "C" fn() = mem::transmute(address);
        function();
    }
}

#[inline(never)]
fn waits_for(command: &mut Command, mark: &Path) {
    let mut child = command.spawn().expect("it exists");
    ready(mark);
    let _ = child.wait();
}

extern "C" fn pauses(_: *mut c_void) -> c_int {
    loop {
        // SAFETY: The call has no preconditions.
        unsafe { libc::pause() };
    }
}

#[inline(never)]
fn in_vfork(mark: &Path) {
    let stack = Vec::leak(vec![0_u8; 64 << 10]);
    ready(mark);
    // SAFETY: The process has a stack of its own, and only pauses.
    unsafe {
        let top = stack.as_mut_ptr().add(stack.len() - 64).cast();
        libc::clone(pauses, top, libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD, ptr::null_mut());
    }
}

#[inline(never)]
fn traces_its_child(mark: &Path) {
    let mut child = Command::new("sleep").arg("300").spawn().expect("every system has it");
    let nothing = ptr::null_mut::<c_void>();
    // SAFETY: The call reads and writes no memory of this process.
    let seized = unsafe { libc::ptrace(libc::PTRACE_SEIZE, child.id(), nothing, nothing) };
    assert_eq!(seized, 0);
    ready(mark);
    let _ = child.wait();
}

/// Overwrites the tables of the main binary, and the stack pointer's surroundings, by what a generator of numbers gives.
#[inline(never)]
fn forges(seed: u64, mark: &Path) {
    let mut state = seed | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    ready(mark);
    // Whole pages, so that other data may be among them; nothing of this process is needed any more.
    for (begin, length) in tables() {
        let page = 4096;
        let first = begin & !(page - 1);
        let count = (begin + length).next_multiple_of(page) - first;
        // SAFETY: The pages are those of tables, which are read when something panics; nothing does.
        unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            assert_eq!(libc::mprotect(first as *mut c_void, count, protection), 0);
            for at in (begin..begin + length).step_by(8).take_while(|at| at + 8 <= begin + length) {
                // Some words stay, so that not everything is nonsense at once.
                if next() % 4 == 0 {
                    (at as *mut u64).write_unaligned(next());
                }
            }
        }
    }
    let mut forged = [0_u64; 2000];
    for word in &mut forged {
        *word = next();
    }
    black_box(&mut forged);
    spins();
}

/// Returns the places of the tables of unwind information of the main binary.
fn tables() -> Vec<(usize, usize)> {
    extern "C" fn collect(info: *mut libc::dl_phdr_info, _: usize, found: *mut c_void) -> c_int {
        // SAFETY: The pointers are those of the C library and of the caller.
        let (info, found) = unsafe { (&*info, &mut *found.cast::<Vec<(usize, usize)>>()) };
        for index in 0..usize::from(info.dlpi_phnum) {
            // SAFETY: There are as many headers.
            let header = unsafe { &*info.dlpi_phdr.add(index) };
            if header.p_type == libc::PT_GNU_EH_FRAME {
                let begin = usize::try_from(info.dlpi_addr + header.p_vaddr).expect("an address");
                found.push((begin, usize::try_from(header.p_memsz).expect("a length")));
            }
        }
        // The first is the main binary.
        1
    }
    let mut found = Vec::new();
    // SAFETY: The function is called before this one returns.
    unsafe { libc::dl_iterate_phdr(Some(collect), (&raw mut found).cast()) };
    found
}
