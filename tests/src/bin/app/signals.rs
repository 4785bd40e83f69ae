//! What the application does about signals itself, beside the library.

#![expect(unsafe_code, reason = "handlers and forks have no safe API")]

use std::io;

/// Makes the application print a line when Ctrl-C is pressed.
pub(crate) fn handle_ctrl_c() {
    print_at(libc::SIGINT);
}

/// Makes the application print a line at each SIGTERM and SIGHUP.
#[cfg(feature = "signals")]
pub(crate) fn handle_termination() {
    print_at(libc::SIGTERM);
    print_at(libc::SIGHUP);
}

fn print_at(signal: libc::c_int) {
    extern "C" fn handled(_: libc::c_int) {
        let line = b"handled\n";
        // SAFETY: The bytes are there, and `write` may be called in a handler.
        unsafe { libc::write(1, line.as_ptr().cast(), line.len()) };
    }
    // SAFETY: The handler does what a handler may.
    unsafe { libc::signal(signal, handled as *const () as libc::sighandler_t) };
}

/// Prints a line when Tokio has received SIGTERM. Returns once it listens.
#[cfg(all(feature = "signals", feature = "tokio"))]
#[expect(clippy::print_stdout, reason = "its test reads it")]
pub(crate) fn listen_with_tokio() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let guard = runtime.enter();
    let mut terminations = signal(SignalKind::terminate())?;
    drop(guard);
    std::thread::spawn(move || {
        runtime.block_on(terminations.recv());
        println!("tokio received it");
    });
    Ok(())
}

/// Sends Ctrl-C to a fork of the application, and returns once that is gone.
pub(crate) fn press_ctrl_c_in_a_fork() -> io::Result<()> {
    // SAFETY: The fork makes only calls that are allowed in one, and exits.
    let fork = unsafe {
        match libc::fork() {
            0 => {
                libc::raise(libc::SIGINT);
                libc::_exit(0)
            }
            fork => fork,
        }
    };
    // SAFETY: It is a child of this process; its status isn't requested.
    if fork < 0 || unsafe { libc::waitpid(fork, std::ptr::null_mut(), 0) } != fork {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
