//! Jobs that give an outcome, and whose process fails as it exits.

#![expect(unsafe_code, reason = "what is called at exit is registered in C")]

use scheduler::job;
use serde::{Deserialize, Serialize};

/// What a process does as it exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AtExit {
    /// It aborts.
    Aborts,
    /// It exits with code 3.
    ExitsWith3,
    /// It doesn't exit.
    Hangs,
}

/// Makes this process do so.
fn register(at_exit: AtExit) {
    extern "C" fn abort() {
        std::process::abort()
    }
    extern "C" fn exit() {
        // SAFETY: It exits at once, without running any code of the process.
        #[cfg(unix)]
        unsafe {
            libc::_exit(3)
        }
        #[cfg(not(unix))]
        std::process::abort()
    }
    extern "C" fn hang() {
        loop {
            std::thread::park();
        }
    }
    let function = match at_exit {
        AtExit::Aborts => abort,
        AtExit::ExitsWith3 => exit,
        AtExit::Hangs => hang,
    };
    // SAFETY: The function has the signature that `atexit` asks for.
    unsafe { libc::atexit(function) };
}

/// Returns, and has its process fail.
///
/// # Errors
///
/// Fails if it is to.
#[job]
pub fn returns_and_then(at_exit: AtExit, fails: bool) -> Result<i32, String> {
    register(at_exit);
    if fails { Err("in order".to_owned()) } else { Ok(7) }
}
