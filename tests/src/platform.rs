//! What the platforms differ in, as far as tests are concerned.

use scheduler::{StartMethod, Sweep};

use crate::skips::skipped;

/// Whether a warden stands between an application and its jobs.
pub const HAS_WARDENS: bool = cfg!(wardens);

/// Whether it can be proved that a job has left nothing.
pub const PROVES_SWEEPS: bool = HAS_WARDENS || cfg!(windows);

/// The ways to make processes that this platform has, each of which promises the same.
#[cfg(wardens)]
pub const METHODS: [StartMethod; 2] = [StartMethod::Exec, StartMethod::ForkServer];
/// The way to make processes that this platform has.
#[cfg(not(wardens))]
pub const METHODS: [StartMethod; 1] = [StartMethod::Exec];

/// Says whether so many processes were found to be left by a job, and ended, and whether nothing else is, as far as the
/// platform can prove that.
#[must_use]
pub fn swept(sweep: &Sweep, count: impl Fn(usize) -> bool) -> bool {
    match sweep {
        Sweep::Clean => PROVES_SWEEPS && count(0),
        Sweep::Killed { count: killed, .. } => PROVES_SWEEPS && count(*killed),
        // A Unix without wardens finds what it can, and proves nothing.
        Sweep::Unproved { killed, .. } => !PROVES_SWEEPS && count(*killed),
        _ => false,
    }
}

/// Says whether this process runs under Wine, which does not do all that Windows does.
#[must_use]
pub fn is_wine() -> bool {
    std::env::var_os("UNDER_WINE").is_some()
}

/// Returns true under Wine, and has the test that asks report that it, or a part of it, is [skipped] there.
#[must_use]
pub fn wine_is_in_the_way(reason: &str) -> bool {
    let is_wine = is_wine();
    if is_wine {
        skipped(format_args!("under Wine: {reason}"));
    }
    is_wine
}
