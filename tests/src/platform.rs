//! What the platforms differ in, as far as tests are concerned.

use scheduler::Sweep;

/// Whether a warden stands between an application and its jobs.
pub const HAS_WARDENS: bool = cfg!(all(target_os = "linux", not(scheduler_portable)));

/// Says whether so many processes were found to be left by a job, and ended, and whether nothing else is, as far as the
/// platform can prove that.
#[must_use]
pub fn swept(sweep: &Sweep, count: impl Fn(usize) -> bool) -> bool {
    match sweep {
        Sweep::Clean => (HAS_WARDENS || cfg!(windows)) && count(0),
        Sweep::Killed(killed) => (HAS_WARDENS || cfg!(windows)) && count(*killed),
        // A Unix without wardens finds what it can, and proves nothing.
        Sweep::Unproved { killed, .. } => !HAS_WARDENS && cfg!(unix) && count(*killed),
        _ => false,
    }
}

/// Says whether the test runs under Wine, which does not do all that Windows does, and prints why it is skipped then.
#[must_use]
#[expect(clippy::print_stderr, reason = "whoever runs the tests wants to know")]
pub fn wine_is_in_the_way(reason: &str) -> bool {
    let is_wine = std::env::var_os("UNDER_WINE").is_some();
    if is_wine {
        let test = std::thread::current();
        eprintln!("skipped under Wine: {}: {reason}", test.name().unwrap_or_default());
    }
    is_wine
}
