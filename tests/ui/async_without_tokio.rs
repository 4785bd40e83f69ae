//! Without the feature `tokio` nothing would run the future.

use scheduler::job;

#[job]
async fn asynchronous(n: u8) -> u8 {
    n
}

#[job(timeout = 30)]
async unsafe fn several(_text: &str) {}

#[scheduler::test(timeout = "5s")]
async fn is_no_test() {}

fn main() {
    drop(scheduler::jobs![("a", asynchronous(1))]);
    let _: scheduler::Job<u8> = asynchronous::job(1);
}
