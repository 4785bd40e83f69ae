//! Jobs of a library, with a unit test beside them.

use std::path::PathBuf;

use scheduler::job;
use serde::{Deserialize, Serialize};

/// Width and height.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Size(pub u32, pub u32);

/// Returns at once.
#[job]
pub fn fast_job() -> i32 {
    42
}

/// Never returns.
#[job]
pub fn slow_job() {
    loop {
        std::thread::park();
    }
}

/// Takes arguments, and may fail.
#[job(name = "images::resize", timeout = "30s")]
pub fn resize(path: PathBuf, width: u32) -> Result<Size, std::num::TryFromIntError> {
    let height = u8::try_from(width)?;
    Ok(Size(width + path.as_os_str().len() as u32, height.into()))
}

/// Panics.
#[job]
pub fn panics() -> i32 {
    let reason = "a reason";
    panic!("for {reason}")
}

/// Makes another thread panic, which kills the job only where panics abort.
#[job]
pub fn panics_elsewhere() -> Result<(), String> {
    let other = std::thread::spawn(|| panic!("elsewhere"));
    other.join().map_err(|_| "the thread panicked".to_owned())
}

/// Panics in a destructor that runs because of another panic.
#[job]
pub fn panics_twice() {
    struct PanicsWhenDropped;
    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("the second")
        }
    }
    let _bomb = PanicsWhenDropped;
    panic!("the first")
}

/// Aborts, after a panic that was caught where that can be.
#[job]
pub fn aborts() {
    if cfg!(panic = "unwind") {
        assert!(std::panic::catch_unwind(|| panic!("caught")).is_err());
    }
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;
    use scheduler::{Outcome, run_job_with_timeout};
    use std::time::Duration;

    #[scheduler::test]
    fn a_job_of_a_library_runs_in_its_unit_tests() {
        let run = run_job_with_timeout(fast_job::job(), Duration::from_secs(60)).unwrap();
        assert_eq!(run.outcome, Outcome::Ok(42));
    }
}
