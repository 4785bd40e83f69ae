//! Raw identifiers, patterns, and names that stand in two namespaces.

use scheduler::{job, jobs};

#[job]
fn r#match(r#type: u32) -> u32 {
    r#type
}

#[job]
fn patterns(_: u8, mut a: u8, (b, c): (u8, u8), argument_0: u8, [d, ..]: [u8; 2], whole @ (_, _): (u8, u8)) -> u8 {
    a += 1;
    a + b + c + d + argument_0 + whole.0
}

#[job]
fn width(width: u32) -> u32 {
    width
}

#[job]
fn job_(job: u32) -> u32 {
    job
}

struct Nothing;

#[job]
#[expect(clippy::unused_unit, reason = "it is another way to write no return type")]
fn nothing() -> () {
    let Nothing = Nothing;
}

#[job]
fn größe(länge: u32) -> u32 {
    länge
}

fn main() {
    assert_eq!(r#match(1), 1);
    assert_eq!(patterns(0, 1, (2, 3), 4, [5, 6], (7, 8)), 23);
    let calls = jobs![
        ("match", r#match(1)),
        ("patterns", patterns(0, 1, (2, 3), 4, [5, 6], (7, 8))),
        ("width", width(1)),
        ("job", job_(1)),
        ("nothing", nothing),
        ("größe", größe(1)),
    ];
    drop(calls);
}
