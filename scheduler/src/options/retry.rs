//! `Backoff`, `RetryDelays` and `Cause`: after which failures a job is retried, and after how long.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The longest total delay: the longest duration that any clock can add to its present time.
const LONGEST: Duration = Duration::from_secs(u64::MAX / 4);

/// The delay between a failed attempt and the next one, for [`backoff`](crate::Job::backoff).
///
/// Delays saturate: neither doubling nor jitter overflows. Delays whose sum exceeds what the clock can represent are an
/// error when the jobs are run, since the last attempt would never start. `Duration::MAX` as a cap means no cap.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Backoff {
    first: Duration,
    growth: Growth,
    /// The largest part by which a delay is randomly shortened.
    pub(super) jitter: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
enum Growth {
    #[default]
    None,
    /// Doubles each time, up to a cap.
    Doubling(Duration),
}

impl Backoff {
    /// Returns a backoff of the same delay before every retry.
    #[must_use]
    pub const fn fixed(delay: Duration) -> Self {
        Self { first: delay, growth: Growth::None, jitter: 0.0 }
    }

    /// Returns a backoff that starts at `first` and doubles with each attempt, up to `cap`.
    #[must_use]
    pub const fn exponential(first: Duration, cap: Duration) -> Self {
        Self { first, growth: Growth::Doubling(cap), jitter: 0.0 }
    }

    /// Shortens each delay randomly by up to this part of it, from 0 to 1, so that jobs that failed together aren't retried
    /// together.
    #[must_use]
    pub const fn jitter(mut self, part: f64) -> Self {
        self.jitter = part;
        self
    }

    /// Returns the delays as an attribute writes them.
    #[cfg(feature = "cli")]
    pub(super) fn delays_as_text(&self) -> String {
        let show = |delay| humantime::format_duration(delay).to_string().replace(' ', "");
        match self.growth {
            Growth::None => show(self.first),
            Growth::Doubling(cap) => format!("{}..{}", show(self.first), show(cap)),
        }
    }

    /// Returns the delay after this number of failed attempts, at least one; `chance` is from 0 to 1.
    pub(crate) fn delay(&self, failed: u32, chance: f64) -> Duration {
        let delay = match self.growth {
            Growth::None => self.first,
            Growth::Doubling(cap) => doubled(self.first, failed.saturating_sub(1)).min(cap),
        };
        let kept = 1.0 - self.jitter * chance.clamp(0.0, 1.0);
        if kept >= 1.0 {
            return delay;
        }
        // `mul_f64` would panic where rounding exceeds the longest duration, as near `Duration::MAX`.
        Duration::try_from_secs_f64(delay.as_secs_f64() * kept).map_or(delay, |shortened| shortened.min(delay))
    }

    /// Returns the longest total delay of this number of retries, or `None` if it exceeds `LONGEST`.
    fn total(&self, retries: u32) -> Option<Duration> {
        let mut total = Duration::ZERO;
        for failed in 1..=retries {
            let delay = self.delay(failed, 0.0);
            let is_last = self.growth == Growth::None || self.growth == Growth::Doubling(delay) || delay.is_zero();
            // All later delays are the same.
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
            return Some(format!("a jitter of {} is out of range; give a part from 0 to 1", self.jitter));
        }
        if let Growth::Doubling(cap) = self.growth
            && cap < self.first
        {
            return Some(format!("a backoff of {:?} exceeds its cap of {cap:?}; give a longer cap", self.first));
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

/// The delays before retries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum RetryDelays {
    Backoff(Backoff),
    /// One for each retry. Further retries have the last one.
    Listed(#[serde(with = "listed")] Arc<[Duration]>),
}

impl RetryDelays {
    /// Returns how many retries there are unless their number is set.
    pub(super) fn count(&self) -> u32 {
        match self {
            Self::Backoff(_) => 0,
            Self::Listed(delays) => u32::try_from(delays.len()).unwrap_or(u32::MAX),
        }
    }

    /// Returns the delay after this number of failed attempts, at least one; `chance` is from 0 to 1.
    pub(super) fn delay(&self, failed: u32, chance: f64) -> Duration {
        match self {
            Self::Backoff(backoff) => backoff.delay(failed, chance),
            Self::Listed(delays) => {
                let index = usize::try_from(failed.saturating_sub(1)).unwrap_or(usize::MAX);
                delays.get(index).or(delays.last()).copied().unwrap_or_default()
            }
        }
    }

    pub(super) fn problem(&self, retries: u32) -> Option<String> {
        let delays = match self {
            Self::Backoff(backoff) => return backoff.problem(retries),
            Self::Listed(delays) => delays,
        };
        let Some(last) = delays.last() else {
            return Some("an empty list of retry delays; give one for each retry, or leave it out".to_owned());
        };
        let repeats = retries.saturating_sub(self.count());
        let listed = delays.iter().take(usize::try_from(retries).unwrap_or(usize::MAX));
        let total = listed.fold(Duration::ZERO, |sum, delay| sum.saturating_add(*delay));
        let total = total.saturating_add(last.saturating_mul(repeats));
        (total > LONGEST).then(|| {
            let longest = delays.iter().max().copied().unwrap_or_default();
            let longest = if longest == Duration::MAX { "`Duration::MAX`".to_owned() } else { format!("{longest:?}") };
            format!("with a retry delay of {longest}, the retries never end; give a shorter one")
        })
    }
}

/// Returns a duration that was doubled this number of times, or the longest one.
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

/// Serializes a shared slice as a list.
mod listed {
    use std::sync::Arc;
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(delays: &Arc<[Duration]>, serializer: S) -> Result<S::Ok, S::Error> {
        delays.as_ref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<[Duration]>, D::Error> {
        Vec::deserialize(deserializer).map(Arc::from)
    }
}

/// How a job ended: for [`retry_on`](crate::Job::retry_on), which failures are retried, and for
/// [`follow_up_on`](crate::Job::follow_up_on), which ends are followed up.
///
/// Serializes as the attribute writes it: `"timeout"`, `"err"`, `"out_of_memory"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// The timeout.
    Timeout,
    /// A signal, a stack overflow included.
    Signal,
    /// A panic.
    Panic,
    /// A returned `Err`.
    #[serde(rename = "err")]
    Returned,
    /// An exit before the result.
    Exit,
    /// Lack of memory, by the job's limit or the machine's.
    OutOfMemory,
    /// The limit on CPU time.
    CpuTime,
    /// A failure outside the job: it never started, or its outcome could not be read.
    Internal,
    /// The connection to the machine that ran it was [lost](crate::Failure::Lost). It may have run to its end, so this is a cause
    /// of a retry only where it is named: the next attempt then begins, at another slot, once no process of this one can be alive.
    Lost,
    /// It was cancelled while it ran. Not for [`retry_on`](crate::Job::retry_on): the job is not wanted any more.
    Cancelled,
    /// No failure: the function returned a value in time. Not for [`retry_on`](crate::Job::retry_on).
    Ok,
}

impl Cause {
    /// Every failure after which a job may be tried again as if it had not run: all causes but [`Lost`](Self::Lost),
    /// [`Cancelled`](Self::Cancelled) and [`Ok`](Self::Ok).
    pub const FAILURES: [Self; 8] = [
        Self::Timeout,
        Self::Signal,
        Self::Panic,
        Self::Returned,
        Self::Exit,
        Self::OutOfMemory,
        Self::CpuTime,
        Self::Internal,
    ];

    /// Every end: [`FAILURES`](Self::FAILURES), [`Lost`](Self::Lost), [`Cancelled`](Self::Cancelled) and [`Ok`](Self::Ok).
    pub const ALL: [Self; 11] = [
        Self::Timeout,
        Self::Signal,
        Self::Panic,
        Self::Returned,
        Self::Exit,
        Self::OutOfMemory,
        Self::CpuTime,
        Self::Internal,
        Self::Lost,
        Self::Cancelled,
        Self::Ok,
    ];
}

/// Returns why these can't be causes of a retry.
pub(super) fn problem_of_causes(retry_on: &[Cause]) -> Option<String> {
    let wrong = retry_on.iter().find(|cause| matches!(cause, Cause::Cancelled | Cause::Ok))?;
    Some(format!(
        "`retry_on` has the cause `{wrong:?}`, after which no job is retried; leave it out, or write `Cause::FAILURES`"
    ))
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
    fn a_delay_is_shortened_by_no_more_than_the_jitter() {
        let backoff = Backoff::fixed(SECOND).jitter(0.25);
        assert_eq!(backoff.delay(1, 0.0), SECOND);
        assert_eq!(backoff.delay(1, 1.0), SECOND * 3 / 4);
        assert_eq!(backoff.delay(1, 7.0), SECOND * 3 / 4);
    }

    #[test]
    fn an_invalid_backoff_is_refused() {
        let problem = |backoff: Backoff, retries| backoff.problem(retries).expect("it is invalid");
        assert_eq!(Backoff::exponential(SECOND, 60 * SECOND).jitter(1.0).problem(9), None);
        assert_eq!(
            problem(Backoff::fixed(SECOND).jitter(1.5), 1),
            "a jitter of 1.5 is out of range; give a part from 0 to 1"
        );
        assert!(problem(Backoff::fixed(SECOND).jitter(f64::NAN), 1).contains("NaN"));
        assert_eq!(
            problem(Backoff::exponential(SECOND, SECOND / 2), 1),
            "a backoff of 1s exceeds its cap of 500ms; give a longer cap"
        );
        for endless in [Backoff::fixed(Duration::MAX), Backoff::exponential(Duration::MAX, Duration::MAX)] {
            let never = "with a backoff of up to `Duration::MAX`,";
            assert_eq!(problem(endless, 1), format!("{never} 1 retry never ends; give a shorter one"));
            let remedy = "give a shorter one, or fewer retries";
            assert_eq!(problem(endless, 2), format!("{never} 2 retries never end; {remedy}"));
            assert!(problem(endless.jitter(0.5), 2).contains("never end"), "{endless:?}");
            assert_eq!(endless.problem(0), None, "there is no retry to wait for");
        }
        // Without a cap, few enough attempts still end.
        assert_eq!(Backoff::exponential(SECOND, Duration::MAX).problem(20), None);
        assert!(Backoff::exponential(SECOND, Duration::MAX).problem(u32::MAX).is_some());
        assert_eq!(Backoff::exponential(Duration::ZERO, Duration::MAX).problem(u32::MAX), None);
    }

    #[test]
    fn listed_delays_come_one_by_one_and_the_last_one_again() {
        let delays = RetryDelays::Listed([SECOND, 5 * SECOND].into());
        let seconds = |failed| delays.delay(failed, 0.5).as_secs();
        assert_eq!([seconds(1), seconds(2), seconds(3), seconds(u32::MAX)], [1, 5, 5, 5]);
        assert_eq!((delays.count(), delays.problem(2), delays.problem(9)), (2, None, None));
    }

    #[test]
    fn invalid_listed_delays_are_refused() {
        let problem = |delays: &[Duration], retries| RetryDelays::Listed(delays.into()).problem(retries);
        let empty = "an empty list of retry delays; give one for each retry, or leave it out";
        assert_eq!(problem(&[], 0).as_deref(), Some(empty));
        let endless = "with a retry delay of `Duration::MAX`, the retries never end; give a shorter one";
        assert_eq!(problem(&[SECOND, Duration::MAX], 2).as_deref(), Some(endless));
        assert_eq!(problem(&[SECOND, Duration::MAX], 1), None, "it is never waited for");
        assert!(problem(&[LONGEST / 2], 3).is_some() && problem(&[LONGEST / 2], 2).is_none());
        assert!(problem(&[SECOND], u32::MAX).is_none() && problem(&[LONGEST, LONGEST], 2).is_some());
        assert_eq!(problem(&[Duration::ZERO], u32::MAX), None);
    }

    #[test]
    fn no_delay_overflows() {
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
