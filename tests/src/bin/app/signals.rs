//! What the application does about Ctrl-C itself, beside the library.

#![expect(unsafe_code, reason = "handlers and forks have no safe API")]

use std::io;

/// Has the application print a line when somebody presses Ctrl-C.
pub(crate) fn handle_ctrl_c() {
    extern "C" fn handled(_: libc::c_int) {
        let line = b"handled\n";
        // SAFETY: The bytes are there, and `write` may be called in a handler.
        unsafe { libc::write(1, line.as_ptr().cast(), line.len()) };
    }
    // SAFETY: The handler does what a handler may.
    unsafe { libc::signal(libc::SIGINT, handled as *const () as libc::sighandler_t) };
}

/// Has a fork of the application, which executes nothing, get Ctrl-C, and returns once it is gone.
pub(crate) fn press_ctrl_c_in_a_fork() -> io::Result<()> {
    // SAFETY: The copy calls what may be called in one, and ends.
    let fork = unsafe {
        match libc::fork() {
            0 => {
                libc::raise(libc::SIGINT);
                libc::_exit(0)
            }
            fork => fork,
        }
    };
    // SAFETY: It is a child of this process; how it ended is not asked for.
    if fork < 0 || unsafe { libc::waitpid(fork, std::ptr::null_mut(), 0) } != fork {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
