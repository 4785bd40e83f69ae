//! `Cpus`: a set of processors, by their numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The number of processors that a set can hold.
const MOST_CPUS: usize = 1024;

/// A set of processors. Numbers that are too high are noted, to be refused when the job is run.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cpus {
    bits: [u64; MOST_CPUS / 64],
    too_high: Option<u64>,
}

impl Cpus {
    /// Returns the set of these processors.
    pub(super) fn of(numbers: impl IntoIterator<Item = usize>) -> Self {
        let mut cpus = Self { bits: [0; MOST_CPUS / 64], too_high: None };
        for number in numbers {
            let Some(bits) = cpus.bits.get_mut(number / 64) else {
                // One suffices, of what may be an endless range.
                cpus.too_high = Some(number as u64);
                break;
            };
            *bits |= 1 << (number % 64);
        }
        cpus
    }

    /// Returns the numbers, in ascending order.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = usize> {
        (0..MOST_CPUS).filter(|number| self.bits[number / 64] & (1 << (number % 64)) != 0)
    }

    /// Returns an error message: of these processors, only the usable ones, in the form of a set, are available.
    #[allow(dead_code, reason = "not each platform has a limit on processors")]
    pub(crate) fn partly_available(&self, usable: &str) -> String {
        let is_one = usable.bytes().all(|byte| byte.is_ascii_digit());
        let available = if is_one { format!("processor {usable} is") } else { format!("processors {usable} are") };
        format!("it can't run on the processors {self}: of these, only {available} available; give no others")
    }

    pub(super) fn problem(&self) -> Option<String> {
        if let Some(number) = self.too_high {
            let last = MOST_CPUS - 1;
            return Some(format!("a processor with the number {number} can't be set; the highest number is {last}"));
        }
        let is_empty = self.bits.iter().all(|bits| *bits == 0);
        is_empty.then(|| "an empty set of processors lets no job run; give their numbers, such as `0..=3`".to_owned())
    }
}

/// Writes the numbers as the kernel does: `0-3,8`.
impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<_> = self.numbers().collect();
        for (index, run) in numbers.chunk_by(|a, b| a + 1 == *b).enumerate() {
            f.write_str(if index == 0 { "" } else { "," })?;
            match run {
                [only] => write!(f, "{only}")?,
                run => write!(f, "{}-{}", run[0], run[run.len() - 1])?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cpus({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_written_as_ranges() {
        assert_eq!(Cpus::of([3, 0, 1, 8, 1023, 2]).to_string(), "0-3,8,1023");
        assert_eq!(Cpus::of(62..=65).numbers().collect::<Vec<_>>(), [62, 63, 64, 65]);
    }

    #[test]
    fn the_processors_of_a_set_that_are_available_are_named() {
        let message = |usable| Cpus::of([0, 1, 9]).partly_available(usable);
        let expected = "it can't run on the processors 0-1,9: of these, only ";
        assert_eq!(message("0"), format!("{expected}processor 0 is available; give no others"));
        assert_eq!(message("0-1"), format!("{expected}processors 0-1 are available; give no others"));
    }

    #[test]
    fn a_set_that_no_machine_has_is_refused() {
        assert_eq!(Cpus::of([0]).problem(), None);
        assert!(Cpus::of([]).problem().is_some_and(|problem| problem.starts_with("an empty set of processors")));
        let expected = "a processor with the number 1024 can't be set; the highest number is 1023";
        assert_eq!(Cpus::of(0..usize::MAX).problem().as_deref(), Some(expected));
    }
}
