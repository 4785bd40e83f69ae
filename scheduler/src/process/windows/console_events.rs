//! Handlers for events at the console: Ctrl-C alone, or every event that asks the application to terminate.

#![expect(unsafe_code, reason = "console handlers have no safe API")]

use std::io;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::sync::lock;
#[cfg(feature = "signals")]
use windows_sys::Win32::System::Console::CTRL_BREAK_EVENT;
use windows_sys::Win32::System::Console::{CTRL_C_EVENT, CTRL_CLOSE_EVENT, CTRL_SHUTDOWN_EVENT, SetConsoleCtrlHandler};
use windows_sys::core::BOOL;

type Callback = Arc<dyn Fn() + Send + Sync>;

/// The events of each callback, and the callback.
static CALLBACKS: Mutex<Vec<(&'static [u32], Callback)>> = Mutex::new(Vec::new());

/// Calls `pressed` each time Ctrl-C is pressed, until the process exits, on a thread that the system creates.
///
/// If the process ignores Ctrl-C, the system calls no handler.
pub(crate) fn on_ctrl_c(pressed: impl Fn() + Send + Sync + 'static) -> io::Result<()> {
    on_events(&[CTRL_C_EVENT], Arc::new(pressed))
}

/// Calls `requested` for each Ctrl-C and Ctrl-Break, when the console is closed, and when the system shuts down, until the
/// process exits, on a thread that the system creates.
#[cfg(feature = "signals")]
pub(crate) fn on_termination(requested: impl Fn() + Send + Sync + 'static) -> io::Result<()> {
    on_events(&[CTRL_C_EVENT, CTRL_BREAK_EVENT, CTRL_CLOSE_EVENT, CTRL_SHUTDOWN_EVENT], Arc::new(requested))
}

fn on_events(events: &'static [u32], callback: Callback) -> io::Result<()> {
    lock(&CALLBACKS).push((events, callback));
    // Each time: the handler that was set last is called first.
    // SAFETY: The handler lives as long as the process.
    match unsafe { SetConsoleCtrlHandler(Some(handle), 1) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Returns whether the event was handled. Other events go to the next handler; the last one exits the process.
unsafe extern "system" fn handle(event: u32) -> BOOL {
    let callbacks: Vec<_> = lock(&CALLBACKS)
        .iter()
        .filter(|(events, _)| events.contains(&event))
        .map(|(_, callback)| Arc::clone(callback))
        .collect();
    if callbacks.is_empty() {
        return 0;
    }
    for callback in &callbacks {
        callback();
    }
    if event == CTRL_CLOSE_EVENT || event == CTRL_SHUTDOWN_EVENT {
        // The system ends the process when this returns, or some seconds later. Until then the application may finish.
        loop {
            thread::park();
        }
    }
    1
}
