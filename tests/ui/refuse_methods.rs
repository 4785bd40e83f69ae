#![allow(unused)]

use scheduler::job;

struct Tidy;

impl Tidy {
    #[job]
    fn by_reference(&self) {}

    #[job]
    fn by_value(mut self, other: Self, more: Vec<Self>) -> Self {
        self
    }

    #[job]
    fn by_box(self: Box<Self>) {}

    #[job]
    fn without_receiver() -> Self {
        Self
    }
}

trait Tidies {
    #[job]
    fn declared(&self);
}

fn main() {}
