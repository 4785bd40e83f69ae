//! `Seconds`: serializes a duration as a plain decimal number of seconds.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// Serializes as a number that JSON writes without an exponent: a duration under ten microseconds is rounded to zero or ten.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seconds(pub(crate) Duration);

/// The shortest time that isn't rounded, in seconds: below it, JSON writers use an exponent.
const SHORTEST: f64 = 0.000_01;

/// The longest time that isn't cut: the largest integer that every JSON reader keeps exact.
const LONGEST: f64 = 9_007_199_254_740_991.0;

impl Seconds {
    fn plain(self) -> f64 {
        let seconds = self.0.as_secs_f64();
        if seconds >= SHORTEST {
            seconds.min(LONGEST)
        } else if seconds * 2.0 >= SHORTEST {
            SHORTEST
        } else {
            0.0
        }
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.plain())
    }
}

/// Serializes a duration as [`Seconds`], for `#[serde(serialize_with = …)]`.
pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    Seconds(*duration).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_duration_is_written_with_an_exponent() {
        let texts = (0..=u128::BITS).map(|bits| {
            let nanos = 1_u128.checked_shl(bits).unwrap_or(u128::MAX) | u128::from(bits);
            let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
            let duration = Duration::new(seconds, u32::try_from(nanos % 1_000_000_000).expect("it is a remainder"));
            serde_json::to_string(&Seconds(duration)).expect("it is a number")
        });
        for text in
            texts.chain([Duration::ZERO, Duration::MAX].map(|d| serde_json::to_string(&Seconds(d)).expect("so")))
        {
            assert!(text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'), "{text}");
        }
    }

    #[test]
    fn only_a_duration_under_ten_microseconds_is_rounded() {
        let text = |nanos| serde_json::to_string(&Seconds(Duration::from_nanos(nanos))).expect("it is a number");
        assert_eq!([text(0), text(4_999), text(5_000), text(10_000)], ["0.0", "0.0", "0.00001", "0.00001"]);
        assert_eq!([text(10_001), text(1_234_567_891)], ["0.000010001", "1.234567891"]);
    }
}
