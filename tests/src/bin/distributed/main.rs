//! Runs jobs on other machines. The tests have a cluster only on Linux.

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
#[scheduler::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    // There is nothing for it to do.
}
