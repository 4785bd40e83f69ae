//! `Deadline` and `Stopwatch`, of the monotonic clock, and the wall clock, for people. No other module reads either clock.

use std::cmp::Ordering;
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, Datelike as _, Local, SecondsFormat};

/// The latest moment for something, or never.
///
/// `Duration::MAX`, and every duration too long to be added to the current time, means never; `Instant + Duration` would panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// No moment: it never passes.
    pub(crate) const NEVER: Self = Self(None);

    pub(crate) fn after(duration: Duration) -> Self {
        Self(now().checked_add(duration))
    }

    /// Returns the current moment, which has passed already.
    pub(crate) fn now() -> Self {
        Self(Some(now()))
    }

    pub(crate) fn earlier(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(a), Some(b)) => Self(Some(a.min(b))),
            (a, b) => Self(a.or(b)),
        }
    }

    pub(crate) fn later(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(a), Some(b)) => Self(Some(a.max(b))),
            _ => Self(None),
        }
    }

    /// Returns the moment that is `duration` later.
    pub(crate) fn plus(self, duration: Duration) -> Self {
        Self(self.0.and_then(|moment| moment.checked_add(duration)))
    }

    pub(crate) fn is_past(self) -> bool {
        self.0.is_some_and(|moment| now() >= moment)
    }

    /// Returns the moment, `None` for never.
    pub(crate) fn moment(self) -> Option<Instant> {
        self.0
    }

    /// Returns the time that is left, zero after the deadline, `None` for never.
    pub(crate) fn remaining(self) -> Option<Duration> {
        self.0.map(|moment| moment.saturating_duration_since(now()))
    }
}

/// Earlier is less, and never is the greatest.
impl Ord for Deadline {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.0, other.0) {
            (Some(a), Some(b)) => a.cmp(&b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        }
    }
}

impl PartialOrd for Deadline {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Measures elapsed time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        now().saturating_duration_since(self.0)
    }
}

/// Returns the time of the wall clock, which may be set at any time and so measures nothing.
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}

/// Returns a moment in local time, or `None` if it is before 1970 or has more than four digits for the year.
pub(crate) fn local_time(moment: SystemTime) -> Option<DateTime<Local>> {
    let since_1970 = moment.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let utc = DateTime::from_timestamp(since_1970.as_secs().try_into().ok()?, since_1970.subsec_nanos())?;
    Some(utc.with_timezone(&Local)).filter(|local| local.year() <= 9999)
}

/// Returns a moment in local time with its offset from UTC (RFC 3339), or `None` where [`local_time`] does.
pub(crate) fn rfc_3339(moment: SystemTime) -> Option<String> {
    Some(local_time(moment)?.to_rfc3339_opts(SecondsFormat::Micros, false))
}

#[expect(clippy::disallowed_methods, reason = "this is the module that reads the clock")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_that_is_too_long_to_be_added_means_never() {
        let never = Deadline::after(Duration::MAX);
        assert!(!never.is_past());
        assert_eq!(never.remaining(), None);
    }

    #[test]
    fn a_deadline_of_zero_has_passed() {
        let past = Deadline::after(Duration::ZERO);
        assert!(past.is_past());
        assert_eq!(past.remaining(), Some(Duration::ZERO));
    }

    #[test]
    fn never_is_the_last_deadline() {
        let never = Deadline::after(Duration::MAX);
        let first = Deadline::after(Duration::ZERO);
        let second = Deadline::after(Duration::from_secs(60));
        let mut all = [never, second, first];
        all.sort();
        assert_eq!(all, [first, second, never]);
    }

    #[test]
    fn earlier_and_later_treat_never_as_the_latest_moment() {
        let never = Deadline::after(Duration::MAX);
        let past = Deadline::after(Duration::ZERO);
        assert!(past.earlier(never).is_past());
        assert!(!past.later(never).is_past());
        assert!(never.earlier(past).is_past());
        assert!(!never.later(past).is_past());
    }

    #[test]
    fn a_moment_is_written_with_its_offset() {
        let text = rfc_3339(SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_000_123)).expect("a date");
        assert!(text.contains(".000123") && DateTime::parse_from_rfc3339(&text).is_ok(), "{text}");
        let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape.replace('-', "+"), "0000+00+00T00:00:00.000000+00:00");
        // Windows can't express much later ones.
        assert_eq!(rfc_3339(SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 38)), None);
    }
}
