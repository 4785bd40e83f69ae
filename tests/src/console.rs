//! Processes at a console of Windows: which of them presses Ctrl-C, which receive it, and whether a window is shown.
//!
//! Every process at the console receives it, except those that ignore it. That is inherited, and begins with a process
//! group of its own.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    unsafe_code,
    reason = "these processes talk to their test, and consoles have no safe API"
)]

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::windows::io::AsRawHandle;
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};

use scheduler::job;
use windows_sys::Win32::System::Console::{
    AttachConsole, CTRL_C_EVENT, FreeConsole, GenerateConsoleCtrlEvent, GetConsoleWindow, INPUT_RECORD, INPUT_RECORD_0,
    KEY_EVENT, KEY_EVENT_RECORD, KEY_EVENT_RECORD_0, LEFT_CTRL_PRESSED, SetConsoleCtrlHandler, WriteConsoleInputW,
};
use windows_sys::Win32::UI::WindowsAndMessaging::IsWindowVisible;
use windows_sys::core::BOOL;

use crate::inherited_handle::{folder, wait_for};
use crate::platform::is_wine;

static NAME: OnceLock<&str> = OnceLock::new();
static HEARD: Mutex<usize> = Mutex::new(0);
static HEARS: Condvar = Condvar::new();

/// The system calls it on a thread of its own.
extern "system" fn hear(event: u32) -> BOOL {
    if event != CTRL_C_EVENT {
        return 0;
    }
    println!("{} heard", NAME.get().expect("it is set before this is registered"));
    *HEARD.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    HEARS.notify_all();
    1
}

fn done(result: BOOL) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Prints this name from here on whenever this process receives Ctrl-C.
fn listen(name: &'static str) -> io::Result<()> {
    NAME.get_or_init(|| name);
    // SAFETY: The function stays for as long as the process.
    done(unsafe { SetConsoleCtrlHandler(Some(hear), 1) })?;
    println!("{name} listens");
    Ok(())
}

/// Returns once this process has received Ctrl-C.
fn wait_to_hear() {
    let heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner);
    drop(HEARS.wait_while(heard, |heard| *heard == 0).unwrap_or_else(PoisonError::into_inner));
}

/// Makes this process, and those that it starts from here on, no longer ignore Ctrl-C.
///
/// # Errors
///
/// If the system refuses.
pub fn stop_ignoring() -> io::Result<()> {
    // SAFETY: Without a function it only sets what is ignored.
    done(unsafe { SetConsoleCtrlHandler(None, 0) })
}

/// Listens, and has a child do the same that is no job.
///
/// # Errors
///
/// If it can't be started.
pub fn have_company() -> io::Result<()> {
    listen("application")?;
    let company = company("keeps company").stdin(Stdio::piped()).spawn()?;
    // It stays until this process exits, and with it the pipe.
    std::mem::forget(company);
    Ok(())
}

/// Receives Ctrl-C until the parent of this process has exited.
///
/// # Errors
///
/// If the system refuses.
pub fn keep_company() -> io::Result<()> {
    listen("company")?;
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}

/// Returns another process of this program, to be made as any program is.
fn company(mode: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a process has an image"));
    command.env("APP_MODE", mode);
    command
}

/// Presses Ctrl-C at the console of another process, and returns once it was received there.
///
/// # Errors
///
/// If it has none.
pub fn press(process: u32) -> io::Result<()> {
    // SAFETY: These calls have no preconditions. This process may have no console to leave.
    unsafe {
        FreeConsole();
        done(AttachConsole(process))?;
    }
    stop_ignoring()?;
    listen("who presses")?;
    if is_wine() {
        press_key()?;
    } else {
        // SAFETY: The call has no preconditions.
        done(unsafe { GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0) })?;
    }
    wait_to_hear();
    Ok(())
}

/// Wine keeps an event that a process generates within that process's group, and hands a key to all that are at the
/// console.
fn press_key() -> io::Result<()> {
    let input = OpenOptions::new().read(true).write(true).open("CONIN$")?;
    let key = KEY_EVENT_RECORD {
        bKeyDown: 1,
        wRepeatCount: 1,
        wVirtualKeyCode: u16::from(b'C'),
        wVirtualScanCode: 0,
        uChar: KEY_EVENT_RECORD_0 { UnicodeChar: 3 },
        dwControlKeyState: LEFT_CTRL_PRESSED,
    };
    let kind = u16::try_from(KEY_EVENT).expect("it is 1");
    let record = INPUT_RECORD { EventType: kind, Event: INPUT_RECORD_0 { KeyEvent: key } };
    let mut written = 0;
    // SAFETY: There is one record, and the handle is open.
    done(unsafe { WriteConsoleInputW(input.as_raw_handle(), &raw const record, 1, &raw mut written) })
}

/// Stops ignoring Ctrl-C and waits until it has received it. Returns, once there is a file `go on` in the test's folder,
/// how often that was.
///
/// # Errors
///
/// If the system refuses.
#[job]
pub fn asks_to_hear() -> io::Result<usize> {
    stop_ignoring()?;
    listen("job")?;
    wait_to_hear();
    Ok(heard_until("go on"))
}

/// Receives Ctrl-C as any program does. Returns, once there is a file `end` in the test's folder, how often it did.
///
/// # Errors
///
/// If the system refuses.
#[job]
pub fn asks_for_nothing() -> io::Result<usize> {
    listen("job")?;
    Ok(heard_until("end"))
}

fn heard_until(file: &str) -> usize {
    wait_for(&folder().join(file));
    *HEARD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns whether this process has a console for which a window is shown.
#[job]
#[must_use]
pub fn shows_a_window() -> bool {
    // SAFETY: These calls have no preconditions: what is no window is not shown.
    unsafe { IsWindowVisible(GetConsoleWindow()) != 0 }
}

/// Returns whether a window is shown for a child that is no job.
///
/// # Errors
///
/// If it can't be started.
pub fn show_company_a_window() -> io::Result<()> {
    company("looks for a window").status().map(drop)
}
