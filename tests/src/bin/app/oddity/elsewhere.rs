//! What can be odd about the application anywhere.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;

use scheduler::Record;

/// What the application has done to itself by the time it runs jobs: most of that is Linux's own.
pub(crate) fn after_init(mode: &str) -> io::Result<()> {
    match mode {
        "is rebuilt" => super::rebuild(),
        #[cfg(windows)]
        "hands a file down" => scheduler_tests::handed_down::hand_down(),
        _ => Ok(()),
    }
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
