//! What can be odd about the application anywhere.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;

use scheduler::Record;

/// Nothing: what an application does to itself is Linux's own.
#[expect(clippy::unnecessary_wraps, reason = "on Linux much can go wrong")]
pub(crate) fn after_init(_: &str) -> io::Result<()> {
    Ok(())
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
