//! What can be unusual about the application on every platform.

use std::collections::BTreeMap;
use std::io;

/// Changes this process before it runs jobs; most modes exist only on Linux.
pub(crate) fn after_init(mode: &str) -> io::Result<()> {
    match mode {
        "is rebuilt" => super::rebuild(),
        #[cfg(windows)]
        "hands a file down" => scheduler_tests::inherited_handle::hand_down(),
        #[cfg(windows)]
        _ => at_a_console(mode),
        #[cfg(not(windows))]
        _ => Ok(()),
    }
}

/// Acts at the console, and exits if this process is only the companion of an application there.
#[cfg(windows)]
fn at_a_console(mode: &str) -> io::Result<()> {
    use scheduler_tests::console;

    match mode {
        "has company" => return console::have_company(),
        "compares windows" => return console::show_company_a_window(),
        "keeps company" => console::keep_company()?,
        "looks for a window" => println!("{}", console::shows_a_window()),
        "presses" => console::press(std::env::args().nth(1).and_then(|id| id.parse().ok()).expect("whose console"))?,
        _ => return Ok(()),
    }
    std::process::exit(0)
}

/// Fails: only on Linux a process can list what it holds.
pub(crate) fn held() -> io::Result<BTreeMap<&'static str, usize>> {
    Err(io::ErrorKind::Unsupported.into())
}
