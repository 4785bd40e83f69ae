//! Durations that were measured, and the row of a table that they make.

#![allow(dead_code, reason = "each benchmark uses what it needs")]

use std::fs;
use std::time::Duration;

/// Returns the number in an environment variable, or the default.
pub(crate) fn number(variable: &str, unless_set: usize) -> usize {
    std::env::var(variable).map_or(unless_set, |number| number.parse().expect("a number"))
}

/// Durations in the order in which they were measured.
#[derive(Debug, Default)]
pub(crate) struct Figures(Vec<Duration>);

impl Figures {
    /// The head of the table, in Markdown.
    pub(crate) const HEAD: &str = "| | samples | fastest | median | worst |\n|---|---|---|---|---|";

    /// Adds a sample.
    pub(crate) fn add(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// Returns the median.
    pub(crate) fn median(&self) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        sorted[(sorted.len() - 1) / 2]
    }

    /// Returns what so many per cent of the samples do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        sorted[(sorted.len() * percent).div_ceil(100).saturating_sub(1)]
    }

    /// Returns how many samples are as long as this, or longer.
    pub(crate) fn count_from(&self, least: Duration) -> usize {
        self.0.iter().filter(|sample| **sample >= least).count()
    }

    /// Returns the median of how many per cent more each sample is than that of the same number in `base`.
    pub(crate) fn beside(&self, base: &Self) -> f64 {
        self.more_than(base, base)
    }

    /// Returns the median of how much more each sample is than that of the same number in `base`, in per cent of that in `unit`.
    pub(crate) fn more_than(&self, base: &Self, unit: &Self) -> f64 {
        let samples = self.0.iter().zip(&base.0).zip(&unit.0);
        let share = |((own, base), unit): ((&Duration, &Duration), &Duration)| {
            (own.as_secs_f64() - base.as_secs_f64()) / unit.as_secs_f64() * 100.0
        };
        let mut more: Vec<_> = samples.map(share).collect();
        more.sort_by(f64::total_cmp);
        more[(more.len() - 1) / 2]
    }

    /// Returns a row of the table.
    pub(crate) fn row(&self, what: &str) -> String {
        let mut sorted = self.0.clone();
        sorted.sort();
        let millis = |index: usize| format!("{:.3} ms", sorted[index].as_secs_f64() * 1e3);
        let last = sorted.len() - 1;
        format!("| {what} | {} | {} | {} | {} |", last + 1, millis(0), millis(last / 2), millis(last))
    }
}

/// Returns what this process holds: descriptors, threads, and memory.
pub(crate) fn held() -> String {
    let count = |folder| fs::read_dir(folder).map_or(0, Iterator::count);
    let Ok(status) = fs::read_to_string("/proc/self/status") else {
        return "what it holds is known where there is `/proc`".to_owned();
    };
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default().trim();
    format!("{} descriptors, {} threads, {memory}", count("/proc/self/fd"), count("/proc/self/task"))
}
