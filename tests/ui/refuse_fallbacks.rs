//! Fallbacks of another type.

use scheduler::job;

#[job]
fn count() -> u32 {
    1
}

#[job]
fn name() -> String {
    String::new()
}

fn main() {
    let _ = count::job().or_else(2).or_else(count::job());
    let _ = count::job().or_else("none");
    let _ = count::job().or_else(name::job());
    let _ = count::job().and_then(name::job);
    let _ = count::job().and_then(|n| n + 1);
}
