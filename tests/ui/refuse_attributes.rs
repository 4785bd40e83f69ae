#![allow(unused)]

use scheduler::job;

#[job]
fn arguments(#[cfg(unix)] a: u8, #[cfg_attr(unix, allow(unused))] b: u8, #[allow(unused)] c: u8) {
    let _ = (a, b);
}

#[job]
#[test]
fn test() {}

#[job]
#[scheduler::test]
fn also_a_test() {}

#[job]
#[job(name = "second")]
fn twice() {}

#[job]
fn bool() {}

fn main() {}
