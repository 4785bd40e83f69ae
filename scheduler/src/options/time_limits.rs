//! `TimeLimits`: the limits on a job's time beside its timeout.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Output;

/// The limits on a job's time beside its timeout; `None` for those that are not set, `Duration::MAX` for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TimeLimits {
    /// How long it may report nothing.
    pub(crate) stall: Option<Duration>,
    /// How long it may write no output.
    pub(crate) silence: Option<Duration>,
    /// The time after which it is reported as slow.
    pub(crate) slow: Option<Duration>,
    /// The longest timeout to which it may extend its own.
    pub(crate) max_timeout: Option<Duration>,
}

impl TimeLimits {
    pub(super) fn over(self, below: Self) -> Self {
        Self {
            stall: self.stall.or(below.stall),
            silence: self.silence.or(below.silence),
            slow: self.slow.or(below.slow),
            max_timeout: self.max_timeout.or(below.max_timeout),
        }
    }

    /// Returns whether the output has a limit, so that the parent must see it.
    pub(crate) fn watches_output(&self) -> bool {
        self.silence.is_some_and(|silence| silence != Duration::MAX)
    }

    /// Returns the limits after which something happens, each with its name.
    fn named(&self) -> [(&'static str, Option<Duration>); 3] {
        [
            ("a limit on the time without a report (`stall`)", self.stall),
            ("a limit on the time without output (`silence`)", self.silence),
            ("a time after which a job counts as slow (`slow`)", self.slow),
        ]
    }

    pub(super) fn problem(&self) -> Option<String> {
        let zero = self.named().into_iter().find(|(_, limit)| *limit == Some(Duration::ZERO));
        let zero = zero.map(|(what, _)| format!("{what} of 0 applies to every job at once; give a longer one"));
        let no_maximum = (self.max_timeout == Some(Duration::ZERO))
            .then(|| "a maximum timeout of 0 is below every timeout; give a longer one".to_owned());
        zero.or(no_maximum)
    }

    /// Returns why these limits don't fit the timeout that is set beside them. Without a timeout everything fits.
    pub(super) fn contradiction(&self, timeout: Option<Duration>) -> Option<String> {
        if timeout == Some(Duration::MAX) {
            return None;
        }
        if let (Some(timeout), Some(maximum)) = (timeout, self.max_timeout)
            && maximum < timeout
        {
            return Some(format!(
                "a maximum timeout of {maximum:?} is below the timeout of {timeout:?}; give a longer one"
            ));
        }
        let longest = self.max_timeout.or(timeout).unwrap_or(Duration::MAX);
        let is_useless = |limit: &Duration| *limit >= longest && *limit != Duration::MAX;
        let useless = self.named().into_iter().find_map(|(what, limit)| Some((what, limit.filter(is_useless)?)));
        useless.map(|(what, limit)| {
            format!("{what} of {limit:?} never passes within a timeout of {longest:?}; give a shorter one")
        })
    }

    /// Returns why the limit on the time without output can't apply, if neither stream passes through this process.
    pub(super) fn unseen_output(&self, outputs: [Option<&Output>; 2]) -> Option<String> {
        let is_unseen = |output: Option<&Output>| matches!(output, Some(Output::Discard | Output::Append(_)));
        (self.watches_output() && outputs.into_iter().all(is_unseen)).then(|| {
            "a limit on the time without output (`silence`) needs output that passes through this process; capture or \
             inherit one of the streams, which are both discarded or appended to files, or set the limit to `Duration::MAX`"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_limit_that_never_passes_is_a_contradiction() {
        let limits = |stall, max_timeout| TimeLimits { stall: Some(stall), max_timeout, ..TimeLimits::default() };
        let problem = |limits: TimeLimits, timeout| limits.contradiction(timeout);
        assert_eq!(problem(limits(SECOND, None), None), None);
        assert_eq!(problem(limits(SECOND, None), Some(2 * SECOND)), None);
        assert_eq!(problem(limits(Duration::MAX, None), Some(SECOND)), None, "no limit is no contradiction");
        assert_eq!(problem(limits(3 * SECOND, Some(4 * SECOND)), Some(2 * SECOND)), None, "it may be extended");
        assert_eq!(problem(limits(3 * SECOND, Some(SECOND)), Some(Duration::MAX)), None, "there is nothing to extend");
        let expected = "a limit on the time without a report (`stall`) of 2s never passes within a timeout of 1s; give a \
                        shorter one";
        assert_eq!(problem(limits(2 * SECOND, None), Some(SECOND)).as_deref(), Some(expected));
        let expected = "a maximum timeout of 1s is below the timeout of 2s; give a longer one";
        assert_eq!(problem(limits(SECOND / 2, Some(SECOND)), Some(2 * SECOND)).as_deref(), Some(expected));
    }

    #[test]
    fn silence_needs_output_that_is_seen() {
        let limits = TimeLimits { silence: Some(SECOND), ..TimeLimits::default() };
        let file = Output::Append("a.log".into());
        assert_eq!(limits.unseen_output([Some(&Output::Discard), None]), None);
        assert_eq!(limits.unseen_output([Some(&file), Some(&Output::Capture)]), None);
        let problem = limits.unseen_output([Some(&file), Some(&Output::Discard)]);
        assert!(problem.is_some_and(|problem| problem.contains("needs output that passes through")));
        assert_eq!(TimeLimits::default().unseen_output([Some(&file), Some(&file)]), None);
    }
}
