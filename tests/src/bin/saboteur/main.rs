//! Makes system calls of an application fail, which is possible only on Linux.

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    // There is nothing for it to do.
}
