//! Types that can't travel, and that no derive would help.

#![allow(unused)]

use std::fs::File;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use scheduler::job;

#[job]
fn long_array(bytes: [u8; 64]) {}

#[job]
fn long_tuple() -> (u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8) {
    panic!()
}

#[job]
fn shared(value: Rc<u8>, values: Vec<Arc<u8>>) {}

#[job]
fn file() -> Option<File> {
    None
}

#[job]
fn instant() -> Result<Instant, String> {
    Ok(Instant::now())
}

fn main() {}
