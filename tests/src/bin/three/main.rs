//! An application of three jobs, to be run while its system calls fail, which only Linux can have them do.

#[cfg(target_os = "linux")]
mod application;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    application::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    // There is nothing for it to do.
}
