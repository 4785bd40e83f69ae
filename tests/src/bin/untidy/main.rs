//! An application that is less tidy than most: it closes its standard streams, forks, and holds descriptors that
//! everything inherits.
//!
//! Its first argument sets what it does, the second how the processes of its jobs are made, the third to which file it
//! writes its report, as it may have no standard output.

#[cfg(not(unix))]
fn main() {
    // What it does only Unix has.
}

#[cfg(unix)]
fn main() {
    unix::main();
}

#[cfg(unix)]
mod unix;
