#![allow(unused)]

use scheduler::job;

const LIMIT: &str = "30s";

#[job(timout = "30s", nam = "a", colour = "red")]
fn unknown() {}

#[job(timeout = 30)]
fn number() {}

#[job(timeout = LIMIT)]
fn constant() {}

#[job(timeout = "soon")]
fn no_duration() {}

#[job(timeout = "0s")]
fn zero() {}

#[job(timeout)]
fn no_value() {}

#[job(timeout("30s"))]
fn parentheses() {}

#[job("30s")]
fn no_option() {}

#[job(name = "a", name = "b")]
fn twice() {}

#[job(name = "")]
fn empty() {}

#[job(name = " a")]
fn spaces() {}

#[job(name = "a\nb")]
fn lines() {}

#[job(name = tidy)]
fn no_string() {}

#[job(crate = "scheduler")]
fn no_path() {}

#[job(stacks = "yes", backtrace = true)]
fn no_switch() {}

#[job(name = 1, timeout = 2, crate = 3,, size = 4)]
fn everything_at_once() {}

#[job(timeout = "10s", stall = "20s", silence = "0s", slow = "soon")]
fn never_stalled() {}

#[job(timeout = "10s", max_timeout = "5s")]
fn below() {}

#[job(tree_memory = "0B", cpus = "3-0", stack_size = 0, temp_dir = "/tmp", stdin = 1, setup = "confine")]
fn surroundings() {}

#[job(stack_size = "1KiB", stdin = "a\0b", current_dir = "\0", retry_delays = [])]
fn small() {}

#[job(silence = "5m", stdout = "discard", stderr = "append a.log")]
fn unseen() {}

#[job(stack_size = "2TiB", cpus = "1024", retry_delays = ["1s"], backoff = "1s")]
fn huge() {}

#[job(memory = "99999999999TiB", file_size = "-1MiB", inherit_fd = 3)]
fn no_sizes() {}

fn main() {
    // The jobs themselves are declared, so that no error is reported twice.
    drop(scheduler::jobs![("unknown", unknown), ("number", number), ("twice", twice)]);
}
