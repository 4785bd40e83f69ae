#![allow(unused)]

use scheduler::job;

#[job]
unsafe fn no_safety() {}

#[job]
extern "C" fn foreign() {}

#[job]
const fn constant() {}

#[job]
async fn asynchronous(n: u8) -> u8 {
    n
}

#[job]
const unsafe extern "C" fn several(text: &str) {}

#[job]
fn forever() -> ! {
    loop {}
}

fn main() {
    drop(scheduler::jobs![("a", no_safety), ("b", asynchronous(1)), ("c", forever)]);
    let _: scheduler::Job<u8> = asynchronous::job(1);
}
