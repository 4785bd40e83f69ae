//! Jobs pass under lints that are forbidden, so that the expansion could not allow them.

// Not forbidden: `inventory` allows a style lint in what `#[job]` expands to.
#![deny(nonstandard_style)]
#![forbid(
    unsafe_code,
    dead_code,
    unused,
    missing_docs,
    missing_debug_implementations,
    missing_copy_implementations,
    unreachable_pub,
    unused_qualifications,
    unused_results,
    unused_lifetimes,
    unnameable_types,
    elided_lifetimes_in_paths,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    let_underscore_drop,
    non_local_definitions,
    redundant_lifetimes,
    variant_size_differences,
    private_interfaces,
    private_bounds,
    clippy::all,
    clippy::pedantic
)]

use std::path::PathBuf;

use scheduler::{job, jobs};
/// Is never called, and isn't reported as dead code.
#[job]
fn never_called() {}

#[job]
fn plain(_unused: u8, mut n: u32) -> u32 {
    n += 1;
    n
}

/// Resizes.
///
/// # Errors
///
/// Fails without a width.
#[job(name = "images::resize", timeout = "30s")]
#[inline]
pub fn resize(mut path: PathBuf, width: u32) -> Result<u32, String> {
    path.push("a");
    drop(path);
    if width == 0 {
        return Err("no width".to_owned());
    }
    Ok(width)
}

/// Is public, in a module that is public.
pub mod public {
    /// Tidies, and must be used.
    #[must_use]
    #[scheduler::job]
    pub fn tidy(count: u64) -> Option<u64> {
        count.checked_add(1)
    }

    #[scheduler::job]
    pub(crate) fn scrub() {}

    #[scheduler::job]
    pub(super) fn sweep() {}
}

#[scheduler::main]
fn main() {
    let calls = jobs![
        ("plain", plain(1, 2)),
        ("resize", resize("a".into(), 1)),
        ("tidy", public::tidy(1)),
        ("scrub", public::scrub),
        ("sweep", public::sweep)
    ];
    drop(calls);
}

#[cfg(test)]
mod tests {
    #[scheduler::test]
    fn a_test_passes() -> Result<(), String> {
        Ok(())
    }
}
