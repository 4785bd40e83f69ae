//! A handler for Ctrl-C at the console. No other console event is handled.

#![expect(unsafe_code, reason = "console handlers have no safe API")]

use std::io;
use std::sync::{Arc, Mutex};

use crate::sync::lock;
use windows_sys::Win32::System::Console::{CTRL_C_EVENT, SetConsoleCtrlHandler};
use windows_sys::core::BOOL;

type Pressed = Arc<dyn Fn() + Send + Sync>;

/// The callback of the handler.
static PRESSED: Mutex<Option<Pressed>> = Mutex::new(None);

/// Calls `pressed` each time Ctrl-C is pressed, until the process exits, on a thread that the system creates.
///
/// If the process ignores Ctrl-C, the system calls no handler.
pub(crate) fn on_ctrl_c(pressed: impl Fn() + Send + Sync + 'static) -> io::Result<()> {
    *lock(&PRESSED) = Some(Arc::new(pressed));
    // SAFETY: The handler lives as long as the process.
    match unsafe { SetConsoleCtrlHandler(Some(handle), 1) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Returns whether the event was handled. Other events go to the next handler; the last one exits the process.
unsafe extern "system" fn handle(event: u32) -> BOOL {
    if event != CTRL_C_EVENT {
        return 0;
    }
    let pressed = lock(&PRESSED).clone();
    pressed.map_or(0, |pressed| {
        pressed();
        1
    })
}
