//! `Backoff` and `Cause`: when a job is tried once more, and how long after.

use std::time::Duration;

/// The longest time that an attempt may have to wait for: what any clock can add to its own moment.
const LONGEST: Duration = Duration::from_secs(u64::MAX / 4);

/// How long to wait between an attempt that failed and the next one.
///
/// Delays saturate: neither doubling nor jitter overflows. Delays that add up to more than the clock can count are an error
/// when the jobs are to run, since the last attempt would never come; `Duration::MAX` as a cap is no cap.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::Backoff;
///
/// // 100 ms, 200 ms, 400 ms and so on, never more than 10 s, and each up to a quarter less.
/// let backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(10)).jitter(0.25);
/// # let _ = backoff;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Backoff {
    first: Duration,
    growth: Growth,
    /// The part of a delay that chance may take off.
    jitter: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Growth {
    #[default]
    None,
    /// Twice as long each time, up to a cap.
    Doubling(Duration),
}

impl Backoff {
    /// Returns a backoff that is always as long.
    #[must_use]
    pub const fn fixed(delay: Duration) -> Self {
        Self { first: delay, growth: Growth::None, jitter: 0.0 }
    }

    /// Returns a backoff that begins with `first` and doubles with each attempt, up to `cap`.
    #[must_use]
    pub const fn exponential(first: Duration, cap: Duration) -> Self {
        Self { first, growth: Growth::Doubling(cap), jitter: 0.0 }
    }

    /// Has chance take off up to this part of each delay, from 0 to 1, so that jobs that failed together don't come back
    /// together.
    #[must_use]
    pub const fn jitter(mut self, part: f64) -> Self {
        self.jitter = part;
        self
    }

    /// Returns how long to wait after so many failed attempts, at least one; `chance` is from 0 to 1.
    pub(crate) fn delay(&self, failed: u32, chance: f64) -> Duration {
        let delay = match self.growth {
            Growth::None => self.first,
            Growth::Doubling(cap) => doubled(self.first, failed.saturating_sub(1)).min(cap),
        };
        let kept = 1.0 - self.jitter * chance.clamp(0.0, 1.0);
        if kept >= 1.0 {
            return delay;
        }
        // `mul_f64` panics where rounding leads beyond the longest duration, as it does near `Duration::MAX`.
        Duration::try_from_secs_f64(delay.as_secs_f64() * kept).map_or(delay, |shortened| shortened.min(delay))
    }

    /// Returns the longest time that so many retries wait in total, unless it is longer than the clock can count.
    fn total(&self, retries: u32) -> Option<Duration> {
        let mut total = Duration::ZERO;
        for failed in 1..=retries {
            let delay = self.delay(failed, 0.0);
            let is_last = self.growth == Growth::None || self.growth == Growth::Doubling(delay) || delay.is_zero();
            // All that follow are as long.
            let count = if is_last { retries - failed + 1 } else { 1 };
            total =
                delay.checked_mul(count).and_then(|delays| total.checked_add(delays)).filter(|sum| *sum <= LONGEST)?;
            if is_last {
                break;
            }
        }
        Some(total)
    }

    pub(super) fn problem(&self, retries: u32) -> Option<String> {
        if !(0.0..=1.0).contains(&self.jitter) {
            return Some(format!("a jitter of {} is none; give a part from 0 to 1", self.jitter));
        }
        if let Growth::Doubling(cap) = self.growth
            && cap < self.first
        {
            return Some(format!("a backoff can't grow from {:?} to {cap:?}", self.first));
        }
        let longest = self.delay(retries, 0.0);
        let is_endless = self.total(retries).is_none();
        is_endless.then(|| {
            let longest = match longest {
                Duration::MAX => "`Duration::MAX`".to_owned(),
                longest => format!("{longest:?}"),
            };
            let (retries, remedy) = match retries {
                1 => ("1 retry never ends".to_owned(), "give a shorter one"),
                several => (format!("{several} retries never end"), "give a shorter one, or fewer retries"),
            };
            format!("with a backoff of up to {longest}, {retries}; {remedy}")
        })
    }
}

/// Returns a duration that was doubled so many times, or the longest one.
fn doubled(first: Duration, times: u32) -> Duration {
    const NANOS: u128 = 1_000_000_000;
    let nanos = 1_u128.checked_shl(times).and_then(|factor| first.as_nanos().checked_mul(factor));
    let parts = nanos.and_then(|nanos| Some((u64::try_from(nanos / NANOS).ok()?, u32::try_from(nanos % NANOS).ok()?)));
    match parts {
        Some((seconds, nanos)) => Duration::new(seconds, nanos),
        None if first.is_zero() => Duration::ZERO,
        None => Duration::MAX,
    }
}

/// Why an attempt failed, for [`retry_on`](crate::Job::retry_on).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// It was stopped at its timeout.
    Timeout,
    /// It was ended by a signal, a stack overflow included.
    Signal,
    /// It panicked.
    Panic,
    /// It returned `Err`.
    Returned,
    /// It exited before it gave a result.
    Exit,
    /// It ran out of memory, by its own limit or the machine's.
    OutOfMemory,
    /// It used up its CPU time.
    CpuTime,
    /// It never started, or its outcome could not be read: the fault of the machine, or of the scheduler.
    Internal,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_delay_doubles_up_to_its_cap() {
        let backoff = Backoff::exponential(SECOND, 10 * SECOND);
        let delays: Vec<_> = (1..=6).map(|failed| backoff.delay(failed, 0.5).as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 10, 10]);
        assert_eq!(backoff.delay(u32::MAX, 0.0), 10 * SECOND);
        assert_eq!(Backoff::fixed(SECOND).delay(7, 0.0), SECOND);
        assert_eq!(Backoff::exponential(SECOND, Duration::MAX).delay(41, 0.0), Duration::from_secs(1 << 40));
        assert_eq!(Backoff::exponential(Duration::from_nanos(1), Duration::MAX).delay(200, 0.0), Duration::MAX);
        assert_eq!(Backoff::default().delay(1, 0.0), Duration::ZERO);
    }

    #[test]
    fn chance_takes_off_no_more_than_the_jitter() {
        let backoff = Backoff::fixed(SECOND).jitter(0.25);
        assert_eq!(backoff.delay(1, 0.0), SECOND);
        assert_eq!(backoff.delay(1, 1.0), SECOND * 3 / 4);
        assert_eq!(backoff.delay(1, 7.0), SECOND * 3 / 4);
    }

    #[test]
    fn a_backoff_that_can_not_be_is_told() {
        let problem = |backoff: Backoff, retries| backoff.problem(retries).expect("it makes no sense");
        assert_eq!(Backoff::exponential(SECOND, 60 * SECOND).jitter(1.0).problem(9), None);
        assert_eq!(problem(Backoff::fixed(SECOND).jitter(1.5), 1), "a jitter of 1.5 is none; give a part from 0 to 1");
        assert!(problem(Backoff::fixed(SECOND).jitter(f64::NAN), 1).contains("NaN"));
        assert_eq!(problem(Backoff::exponential(SECOND, SECOND / 2), 1), "a backoff can't grow from 1s to 500ms");
        for endless in [Backoff::fixed(Duration::MAX), Backoff::exponential(Duration::MAX, Duration::MAX)] {
            let never = "with a backoff of up to `Duration::MAX`,";
            assert_eq!(problem(endless, 1), format!("{never} 1 retry never ends; give a shorter one"));
            let remedy = "give a shorter one, or fewer retries";
            assert_eq!(problem(endless, 2), format!("{never} 2 retries never end; {remedy}"));
            assert!(problem(endless.jitter(0.5), 2).contains("never end"), "{endless:?}");
            assert_eq!(endless.problem(0), None, "nothing is waited for");
        }
        // Without a cap it ends as long as few attempts double it.
        assert_eq!(Backoff::exponential(SECOND, Duration::MAX).problem(20), None);
        assert!(Backoff::exponential(SECOND, Duration::MAX).problem(u32::MAX).is_some());
        assert_eq!(Backoff::exponential(Duration::ZERO, Duration::MAX).problem(u32::MAX), None);
    }

    #[test]
    fn no_delay_overflows_whatever_it_is_made_of() {
        let durations = [Duration::ZERO, Duration::from_nanos(1), SECOND, Duration::MAX / 2, Duration::MAX];
        for first in durations {
            for cap in durations {
                for jitter in [0.0, f64::EPSILON, 0.5, 1.0] {
                    for failed in [0, 1, 2, 63, u32::MAX] {
                        for chance in [0.0, 0.5, 1.0] {
                            for backoff in [Backoff::fixed(first), Backoff::exponential(first, cap)] {
                                let delay = backoff.jitter(jitter).delay(failed, chance);
                                assert!(delay <= backoff.delay(failed, 0.0), "{backoff:?} {failed} {chance}");
                            }
                        }
                    }
                }
            }
        }
    }
}
