//! The limit of every test without one of its own, from the environment.

use std::env;
use std::time::Duration;

/// The variable that sets the limit: a duration, such as `30s`.
const VARIABLE: &str = "SCHEDULER_TEST_TIMEOUT";

/// Returns whether the variable is set, so that every test runs in a process of its own.
#[doc(hidden)]
#[must_use]
pub fn has_default_limit() -> bool {
    env::var_os(VARIABLE).is_some_and(|limit| !limit.is_empty())
}

/// Returns the limit, if the variable is set. An error is the reason why it means nothing.
pub(super) fn default_limit() -> Result<Option<Duration>, String> {
    if !has_default_limit() {
        return Ok(None);
    }
    let text = env::var_os(VARIABLE).unwrap_or_default();
    let text = text.to_string_lossy();
    let limit = parse(&text).filter(|limit| !limit.is_zero());
    limit.map(Some).ok_or_else(|| {
        format!(
            "the environment variable `{VARIABLE}` is `{}`; set it to a duration above zero, such as `30s`",
            text.escape_debug()
        )
    })
}

/// Parses a duration as the attribute does: numbers with units, such as `1m 30s`.
fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut sum = (!rest.is_empty()).then_some(Duration::ZERO)?;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len()));
        let after = after.trim_start();
        let (unit, after) = after.split_at(after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len()));
        let seconds = match unit {
            "ns" | "nsec" => 1e-9,
            "us" | "µs" | "usec" => 1e-6,
            "ms" | "msec" => 1e-3,
            "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3600.0,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        sum = sum.checked_add(part)?;
        rest = after.trim_start();
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_in_the_attribute() {
        for (text, millis) in
            [("30s", 30_000), ("1.5s", 1500), (" 250 ms ", 250), ("1m 30s", 90_000), ("2h", 7_200_000)]
        {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for wrong in ["", " ", "30", "s", "-1s", "1 fortnight", "1s x", "1e9s", "1..2s", "99999999999999999999h"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
