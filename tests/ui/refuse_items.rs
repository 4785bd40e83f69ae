#![allow(unused)]

use scheduler::job;

#[job]
struct Type {
    field: u8,
}

#[job]
pub mod module {}

/// A constant.
#[job]
const CONSTANT: u8 = 1;

struct Tidy;

#[job]
impl Tidy {
    fn tidy() {}
}

#[job(timeout = 30)]
enum Both {}

fn main() {
    Tidy::tidy();
    let _ = (Type { field: CONSTANT }.field, None::<Both>);
}

#[job]
static CLOSURE: fn(u8) -> u8 = |n| n;

#[job]
const FUNCTION: fn() = Tidy::tidy;
