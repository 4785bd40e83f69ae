//! Tests with a limit, of which most fail: `tests/environments/isolated.rs` looks at how they do.

#![forbid(unsafe_code, missing_docs, unused_qualifications, unreachable_pub, elided_lifetimes_in_paths, dead_code)]
#![deny(warnings)]

use std::io;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use declares::{of_a_dependency, runs_elsewhere};

static CALLS: AtomicU32 = AtomicU32::new(0);

fn is_called_once_in_this_process() {
    assert_eq!(CALLS.fetch_add(1, Ordering::Relaxed), 0);
}

#[scheduler::test(timeout = "1m")]
fn passes() {
    println!("nobody reads this");
    is_called_once_in_this_process();
}

#[scheduler::test(timeout = "1m")]
fn passes_too() -> Result<(), io::Error> {
    is_called_once_in_this_process();
    Ok(())
}

#[scheduler::test(timeout = "1m")]
fn runs_a_job() {
    runs_elsewhere(of_a_dependency::job());
}

mod inner {
    #[scheduler::test(timeout = "1m")]
    fn r#in() {}
}

#[scheduler::test(timeout = "1m")]
#[should_panic(expected = "as it should")]
fn panics_as_it_should() {
    panic!("it panics as it should");
}

#[scheduler::test(timeout = "1m")]
#[ignore = "it is not asked for"]
fn is_ignored() {
    panic!("it was asked for");
}

#[scheduler::test(timeout = "1m")]
fn panics() {
    print!("one ");
    println!("two");
    eprintln!("three");
    Command::new("echo").arg("four").status().expect("every system has echo");
    assert_eq!(1 + 1, 3, "five");
}

#[scheduler::test(timeout = "1m")]
fn panics_with_a_value() {
    std::panic::panic_any(5_u8);
}

#[scheduler::test(timeout = "1m")]
fn returns_an_error() -> Result<(), io::Error> {
    Err(io::Error::other("there is no such thing"))
}

#[scheduler::test(timeout = "100ms")]
fn hangs() {
    println!("began to hang");
    loop {
        std::thread::sleep(Duration::from_secs(60));
    }
}

#[scheduler::test(timeout = "1m")]
fn aborts() {
    std::process::abort();
}

#[scheduler::test(timeout = "1m")]
fn overflows() {
    fn deeper(depth: u64) -> u64 {
        if depth == 0 { 0 } else { std::hint::black_box(deeper(std::hint::black_box(depth - 1))) + 1 }
    }
    deeper(u64::MAX);
}

#[scheduler::test(timeout = "1m")]
fn exits() {
    std::process::exit(0);
}

#[scheduler::test(timeout = "1m")]
fn aborts_as_its_process_exits() {
    thread_local! {
        static LATE: AbortsWhenDropped = const { AbortsWhenDropped };
    }
    LATE.with(|_| ());
}

struct AbortsWhenDropped;

impl Drop for AbortsWhenDropped {
    fn drop(&mut self) {
        std::process::abort();
    }
}

#[scheduler::test(timeout = "1m")]
fn leaves_a_process() {
    Command::new("sleep").arg("1000").spawn().expect("every system has sleep");
}

#[scheduler::test(timeout = "1m")]
#[should_panic]
fn does_not_panic() {}

#[scheduler::test(timeout = "1m")]
#[should_panic(expected = "something else")]
fn panics_otherwise() {
    panic!("in its own way");
}

#[scheduler::test(timeout = "100ms")]
#[should_panic]
fn hangs_instead_of_panicking() {
    std::thread::sleep(Duration::from_secs(60));
}
