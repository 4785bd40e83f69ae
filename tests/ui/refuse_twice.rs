//! Two jobs of one name.

#![allow(unused)]

use scheduler::job;

#[job]
fn tidy() {}

#[job]
fn tidy() {}

mod public {
    #[scheduler::job]
    pub fn scrub(n: u8) -> u8 {
        n
    }

    #[scheduler::job]
    pub fn scrub(n: u8) -> u8 {
        n
    }
}

fn main() {}
