//! An `async fn` that can't be a job is refused as any other.

use scheduler::job;

type Answer = Result<u8, String>;

struct Plain;

struct Silent;

#[job]
async fn borrows(text: &str) -> usize {
    text.len()
}

#[job]
async unsafe fn unsafe_too() {}

#[job]
async fn hides_a_result() -> Answer {
    Ok(1)
}

#[job]
async fn returns_plain() -> Plain {
    Plain
}

#[job]
async fn fails_silently() -> Result<u8, Silent> {
    Err(Silent)
}

#[job]
async fn forever() -> ! {
    std::future::pending().await
}

#[job]
async fn returns_a_future() -> impl Future<Output = u8> {
    std::future::ready(1)
}

fn main() {
    drop(scheduler::jobs![("a", borrows("text")), ("b", forever), ("c", fails_silently)]);
}
