#![allow(unused)]

use scheduler::job;

#[job]
unsafe fn no_safety() {}

#[job]
extern "C" fn foreign() {}

#[job]
const fn constant() {}

#[job]
const unsafe extern "C" fn several(text: &str) {}

#[job]
unsafe extern "C" fn any_number(first: u8, _: ...) {}

#[job]
fn forever() -> ! {
    loop {}
}

fn main() {
    drop(scheduler::jobs![("a", no_safety), ("b", forever)]);
}
