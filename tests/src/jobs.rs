//! One job for each way to return, fail or hang.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    unsafe_code,
    reason = "these jobs do what jobs should not, and they are not called as functions"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
#[cfg(unix)]
use std::time::Duration;

use scheduler::{Scheduler, job, jobs};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[cfg(unix)]
use crate::signals::{Signal, signal};

/// Returns at once.
#[job]
pub fn fast() -> i32 {
    42
}

/// Returns what it is given.
#[job]
pub fn echo(text: String) -> String {
    text
}

/// Returns as many bytes of text.
#[job]
pub fn big(length: usize) -> String {
    "x".repeat(length)
}

/// Returns the length of what it is given.
#[job]
pub fn measure(text: String) -> usize {
    text.len()
}

/// Returns types with structure.
#[job]
pub fn structured(n: u32) -> BTreeMap<String, Option<(u32, Vec<f64>)>> {
    BTreeMap::from([("some".to_owned(), Some((n, vec![0.5, -1.0]))), ("none".to_owned(), None)])
}

/// An error with two sources.
#[derive(Debug)]
pub struct Layer(u8);

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "layer {}", self.0)
    }
}

impl Error for Layer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        static LOWER: [Layer; 3] = [Layer(0), Layer(1), Layer(2)];
        let below = usize::from(self.0).checked_sub(1)?;
        Some(&LOWER[below])
    }
}

/// Returns an error with its sources.
///
/// # Errors
///
/// Always.
#[job]
pub fn fails() -> Result<i32, Layer> {
    Err(Layer(2))
}

/// Returns an error in a box, which is no `Error` itself.
///
/// # Errors
///
/// Always.
#[job]
pub fn fails_boxed() -> Result<(), Box<dyn Error + Send + Sync>> {
    Err(Layer(1))?
}

/// Returns an error that can only be displayed, with a line break in it.
///
/// # Errors
///
/// Always.
#[job]
pub fn fails_with_text() -> Result<i32, String> {
    Err("first\nsecond".to_owned())
}

/// Returns the standard library's alias of a `Result`.
///
/// # Errors
///
/// Always.
#[job]
pub fn fails_through_an_alias() -> fmt::Result {
    Err(fmt::Error)
}

/// Panics with a text.
#[job]
pub fn panics() -> i32 {
    panic!("plain text")
}

/// Panics with a formatted text.
#[job]
pub fn panics_formatted(n: u32) -> i32 {
    panic!("number {n}")
}

/// Panics with a payload that is no text.
#[job]
pub fn panics_with_a_number() -> i32 {
    std::panic::panic_any(7_u64)
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("while another panic unwinds")
    }
}

/// Panics while it unwinds, at which the standard library aborts.
#[job]
pub fn panics_twice() {
    let _bomb = PanicsWhenDropped;
    panic!("the first")
}

/// Returns a value although another thread panicked, and although it caught a panic of its own.
#[job]
pub fn survives_panics() -> i32 {
    let other = std::thread::spawn(|| panic!("another thread"));
    let caught = std::panic::catch_unwind(|| panic!("caught"));
    assert!(other.join().is_err() && caught.is_err());
    1
}

/// Panics under a hook of its own.
#[job]
pub fn panics_under_its_own_hook() {
    std::panic::set_hook(Box::new(|_| {}));
    panic!("unseen")
}

/// A value that can't be written.
#[derive(Debug, Deserialize)]
pub struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it has no form"))
    }
}

/// Returns a value whose serialization fails.
#[job]
pub fn returns_the_unwritable() -> Unwritable {
    Unwritable
}

/// Takes an argument whose serialization fails.
#[job]
pub fn takes_the_unwritable(_value: Unwritable) {}

/// Returns a value that can be written and not read back.
#[job]
pub fn returns_the_unreadable() -> serde_json::Value {
    serde_json::json!({"a": 1})
}

/// Written as a number, which is read as the length of a text.
#[derive(Debug)]
pub struct Promise;

impl Serialize for Promise {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(1 << 60)
    }
}

impl<'de> Deserialize<'de> for Promise {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|_| Self)
    }
}

/// Returns a value of a few bytes that promise 2⁶⁰.
#[job]
pub fn returns_a_promise() -> Promise {
    Promise
}

/// Takes an argument that can be written and not read back.
#[job]
pub fn takes_the_unreadable(_value: serde_json::Value) {}

/// Exits.
#[job]
pub fn exits(code: i32) -> i32 {
    std::process::exit(code)
}

/// Aborts.
#[job]
pub fn aborts() {
    std::process::abort()
}

/// Kills itself with a signal.
#[cfg(unix)]
#[job]
pub fn dies_of_signal(signal: i32) {
    // SAFETY: `raise` has no preconditions.
    unsafe { libc::raise(signal) };
}

/// Allocates `mib` MiB of memory, page by page.
#[job]
pub fn eats_memory(mib: usize) -> usize {
    let mut eaten = Vec::new();
    for _ in 0..mib {
        eaten.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
    eaten.len()
}

/// Kills itself.
#[cfg(unix)]
#[job]
pub fn kills_itself() {
    dies_of_signal(libc::SIGKILL);
}

/// Kills itself, which looks like an exit with this code.
#[cfg(windows)]
#[job]
pub fn kills_itself() {
    use windows_sys::Win32::System::Threading::{GetCurrentProcess, TerminateProcess};
    // SAFETY: It kills the process at once, whatever its state.
    unsafe { TerminateProcess(GetCurrentProcess(), 9) };
}

/// Writes to the null page.
#[job]
pub fn faults() {
    // SAFETY: None: the fault is intended. Volatile, so that the compiler can't know.
    unsafe { std::ptr::null_mut::<u8>().wrapping_add(8).write_volatile(1) }
}

/// Overflows its stack.
#[job]
pub fn overflows() -> u64 {
    fn deeper(n: u64) -> u64 {
        let frame = std::hint::black_box([n; 64]);
        if n == u64::MAX { 0 } else { deeper(n + 1) + frame[0] }
    }
    deeper(0)
}

/// Prints as many bytes to standard output and to standard error.
#[job]
pub fn prints(bytes: usize) -> usize {
    let line = "x".repeat(1023);
    for _ in 0..bytes / 1024 {
        println!("{line}");
        eprintln!("{line}");
    }
    bytes
}

/// Prints to standard error, and then exits without a result.
#[job]
pub fn complains_and_exits() {
    eprintln!("first line\nlast line: ü");
    std::process::exit(3)
}

/// Writes raw bytes, that look like frames as much as a job can make them, to every low descriptor.
#[job]
pub fn writes_to_descriptor_1() -> i32 {
    const FORGED: [u8; 27] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 34, 1, 0, 0, 0, 0, 0, 0, 0, 84];
    // SAFETY: The pointer and the length are those of the constant.
    unsafe { libc::write(1, FORGED.as_ptr().cast(), 27) };
    42
}

/// Closes every descriptor above standard error, as a program does that turns itself into a daemon.
#[cfg(unix)]
#[job]
pub fn closes_all_descriptors() -> i32 {
    close_from_three();
    42
}

#[cfg(target_os = "linux")]
fn close_from_three() {
    // SAFETY: Nothing in this process uses those descriptors but the protocol, which is what is tried here.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
}

#[cfg(all(unix, not(target_os = "linux")))]
fn close_from_three() {
    for number in 3..1024 {
        // SAFETY: As above.
        unsafe { libc::close(number) };
    }
}

/// Closes every descriptor above standard error and opens a file of its own in each of their places.
#[cfg(unix)]
#[job]
pub fn reuses_all_descriptors(file: std::path::PathBuf) -> i32 {
    close_from_three();
    let own = std::fs::File::create(file).expect("the folder is the test's");
    for number in 3..300 {
        // SAFETY: The descriptors are free, and `own` is open.
        unsafe { libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&own), number) };
    }
    42
}

/// Forks without executing anything, and returns on both sides.
#[cfg(unix)]
#[job]
pub fn returns_twice() -> u32 {
    // SAFETY: The job has one thread.
    let child = unsafe { libc::fork() };
    if child != 0 {
        let mut status = 0;
        // SAFETY: `status` may be written.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
    }
    std::process::id()
}

/// Forks a process that panics, waits for its exit, and aborts.
#[cfg(unix)]
#[job]
pub fn aborts_after_its_copy_panicked() {
    // SAFETY: The job has one thread.
    let child = unsafe { libc::fork() };
    assert!(child != 0, "the copy panics, not the job");
    let mut status = 0;
    // SAFETY: `status` may be written.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    std::process::abort()
}

/// Waits forever.
#[job]
pub fn hangs() {
    loop {
        std::thread::park();
    }
}

/// Computes forever.
#[job]
pub fn spins() {
    loop {
        std::hint::spin_loop();
    }
}

/// Ignores every signal that can be ignored, and waits forever.
#[cfg(unix)]
#[job]
pub fn ignores_signals() {
    for signal in 1..=31 {
        // SAFETY: No handler is installed.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    hangs();
}

/// Stops itself.
#[cfg(unix)]
#[job]
pub fn stops_itself() {
    // SAFETY: `raise` has no preconditions.
    unsafe { libc::raise(libc::SIGSTOP) };
}

/// Returns, and then hangs in what it registered for its exit.
#[job]
pub fn hangs_at_exit() -> i32 {
    extern "C" fn hang() {
        loop {
            std::thread::park();
        }
    }
    // SAFETY: The function has the signature that `atexit` asks for.
    unsafe { libc::atexit(hang) };
    7
}

/// Sends a result so large that it can't arrive before its deadline, and stops itself in the middle.
#[cfg(unix)]
#[job]
pub fn stops_in_the_middle_of_its_result() -> String {
    std::thread::spawn(|| {
        // The main thread blocks in its write once the pipe is full, or soon will.
        std::thread::sleep(Duration::from_millis(20));
        signal(std::process::id(), Signal::STOP);
    });
    "x".repeat(900_000_000)
}

/// Sends its warden a signal, and waits forever.
#[cfg(unix)]
#[job]
pub fn signals_its_warden(number: i32) {
    signal(std::os::unix::process::parent_id(), Signal::from_named_raw(number).expect("it has a name"));
    hangs();
}

/// Prints to standard output and to standard error forever.
#[job]
pub fn prints_for_ever() {
    loop {
        prints(1024);
    }
}

/// Runs a job of its own.
///
/// # Errors
///
/// As the scheduler does.
#[job]
pub fn runs_a_job() -> Result<i32, scheduler::Error> {
    Scheduler::new().run(jobs![("inner", fast)])?[0].result()
}
