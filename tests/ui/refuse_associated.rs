//! Functions that look free, and stand in an `impl` or a `trait`.

use scheduler::job;

pub struct Tidy;

impl Tidy {
    #[job]
    pub fn new(n: u8) -> u8 {
        n
    }
}

pub trait Tidies {
    #[job]
    fn tidy() {}
}

fn main() {}
