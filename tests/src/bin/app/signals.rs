//! What the application does about Ctrl-C itself, beside the library.

#![expect(unsafe_code, reason = "handlers and forks have no safe API")]

use std::io;

/// Makes the application print a line when Ctrl-C is pressed.
pub(crate) fn handle_ctrl_c() {
    extern "C" fn handled(_: libc::c_int) {
        let line = b"handled\n";
        // SAFETY: The bytes are there, and `write` may be called in a handler.
        unsafe { libc::write(1, line.as_ptr().cast(), line.len()) };
    }
    // SAFETY: The handler does what a handler may.
    unsafe { libc::signal(libc::SIGINT, handled as *const () as libc::sighandler_t) };
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
