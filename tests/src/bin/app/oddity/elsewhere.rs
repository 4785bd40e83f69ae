//! What can be odd about the application anywhere.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::process;
use std::thread;

use scheduler::Record;

/// What happened before `main` came to `init`, in the application and in every copy of it.
pub(crate) fn before_init(mode: &str) {
    #[cfg(windows)]
    if let Ok(family) = std::env::var(scheduler_tests::leavings::FAMILY) {
        scheduler_tests::leavings::be_known(&family);
    }
    let is_copy = std::env::args().len() < 2;
    match mode {
        "threaded" => drop(thread::spawn(wait_for_ever)),
        "prints early" => println!("a line that some constructor prints before `init`"),
        "exits early" if is_copy => {
            eprintln!("usage: app TIMEOUT JOB…");
            process::exit(64)
        }
        _ => {}
    }
}

fn wait_for_ever() {
    loop {
        thread::park();
    }
}

/// Nothing: what an application does to itself is Linux's own.
#[expect(clippy::unnecessary_wraps, reason = "on Linux much can go wrong")]
pub(crate) fn after_init(_: &str) -> io::Result<()> {
    Ok(())
}

/// What an application holds only Linux tells.
pub(crate) fn held() -> io::Result<BTreeMap<&'static str, usize>> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn held_before_and_after(
    _: impl Iterator<Item = Result<Vec<Record>, scheduler::Error>>,
) -> Result<[BTreeMap<&'static str, usize>; 2], Box<dyn Error>> {
    Err("what an application holds only Linux tells".into())
}
