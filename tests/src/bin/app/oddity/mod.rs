//! What is unusual about the application in each mode; most modes exist only on Linux.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process;
use std::thread;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::*;

/// Runs before `init`, in the application and in every copy of it.
pub(crate) fn before_init(mode: &str) {
    #[cfg(target_os = "linux")]
    scheduler_tests::isolation::keep_command_line();
    #[cfg(windows)]
    if let Ok(family) = std::env::var(scheduler_tests::leftovers::FAMILY) {
        scheduler_tests::leftovers::be_known(&family);
    }
    let is_copy = std::env::args().len() < 2;
    match mode {
        "threaded" => drop(thread::spawn(wait_for_ever)),
        "hooked" => std::panic::set_hook(Box::new(|info| {
            let message = info.payload().downcast_ref::<&str>().unwrap_or(&"no text");
            eprintln!("the application's hook: {message}");
        })),
        #[cfg(target_os = "linux")]
        "serves" if is_copy => crate::serving::start_slowly(),
        #[cfg(target_os = "linux")]
        "serves, threaded" => {
            if is_copy {
                crate::serving::start_slowly();
            }
            drop(thread::spawn(wait_for_ever));
        }
        "prints early" => println!("a line that some constructor prints before `init`"),
        "exits early" if is_copy => {
            eprintln!("usage: app TIMEOUT JOB…");
            process::exit(64)
        }
        _ => {}
    }
}

/// Puts another file in the place of the one that this process was started from.
fn rebuild() -> io::Result<()> {
    // By the path that it was started by, as it may not know its own otherwise.
    let name = std::env::args_os().next().expect("a program has a name");
    let path = Path::new(&name);
    let [copy, old] = ["new", "old"].map(|extension| path.with_extension(extension));
    fs::copy(path, &copy)?;
    fs::OpenOptions::new().append(true).open(&copy)?.write_all(b"\n")?;
    // A file that runs can be renamed everywhere, and in some places not be replaced.
    fs::rename(path, old)?;
    fs::rename(copy, path)
}

pub(crate) fn wait_for_ever() {
    loop {
        thread::park();
    }
}
