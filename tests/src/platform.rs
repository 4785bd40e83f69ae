//! The differences between platforms that tests depend on.

use scheduler::{StartMethod, Sweep};

use crate::skips::skipped;

/// Whether a warden stands between an application and its jobs.
pub const HAS_WARDENS: bool = cfg!(wardens);

/// Whether it can be proved that a job has left nothing.
pub const PROVES_SWEEPS: bool = HAS_WARDENS || cfg!(windows);

/// The start methods of this platform, each with the same guarantees.
#[cfg(wardens)]
pub const METHODS: [StartMethod; 2] = [StartMethod::Exec, StartMethod::ForkServer];
/// The start method of this platform.
#[cfg(not(wardens))]
pub const METHODS: [StartMethod; 1] = [StartMethod::Exec];

/// Returns whether `count` accepts the number of killed leftovers of a job, and no others exist, provably if the platform
/// can prove that.
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

/// Returns whether this process runs under Wine, which does not do all that Windows does.
#[must_use]
pub fn is_wine() -> bool {
    std::env::var_os("UNDER_WINE").is_some()
}

/// Returns true under Wine, and reports that the calling test, or a part of it, is [skipped] there.
#[must_use]
pub fn wine_is_in_the_way(reason: &str) -> bool {
    let is_wine = is_wine();
    if is_wine {
        skipped(format_args!("under Wine: {reason}"));
    }
    is_wine
}
