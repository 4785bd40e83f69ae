//! The profile of a test run: whether each test tries a sample of its cases, or all of them.

use std::env;
use std::sync::LazyLock;

/// The variable that sets the profile.
pub const VARIABLE: &str = "SCHEDULER_TESTS";

/// How much a test run tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// A sample of the cases of every kind, in less than two minutes: the default.
    Quick,
    /// Every case: what CI runs.
    Full,
}

impl Profile {
    const ALL: [(&str, Self); 2] = [("quick", Self::Quick), ("full", Self::Full)];

    /// Returns the profile that [`VARIABLE`] sets.
    ///
    /// # Panics
    ///
    /// Panics if it is set to something else than a profile.
    #[must_use]
    pub fn current() -> Self {
        static CURRENT: LazyLock<Profile> = LazyLock::new(|| {
            let value = env::var_os(VARIABLE).unwrap_or_default();
            Profile::named(&value.to_string_lossy()).unwrap_or_else(|message| panic!("{message}"))
        });
        *CURRENT
    }

    fn named(value: &str) -> Result<Self, String> {
        let known = Self::ALL.map(|(name, _)| format!("`{name}`")).join(" and ");
        match Self::ALL.iter().find(|(name, _)| *name == value) {
            Some((_, profile)) => Ok(*profile),
            None if value.is_empty() => Ok(Self::Quick),
            None => Err(format!("`{VARIABLE}={value}` is no profile of the tests; those are {known}")),
        }
    }
}

/// Returns the value for the current profile.
pub fn quick_or_full<T>(quick: T, full: T) -> T {
    match Profile::current() {
        Profile::Quick => quick,
        Profile::Full => full,
    }
}

/// Returns every `step`th of the cases, or all of them in the full profile.
///
/// They are inputs, not results, which would be made before they are left out. Where the cases are a product, the step has
/// no factor in common with the number of the inner ones, so that each of those is in the sample.
pub fn sample<T>(cases: impl IntoIterator<Item = T>, step: usize) -> impl Iterator<Item = T> {
    cases.into_iter().step_by(quick_or_full(step, 1))
}

#[cfg(test)]
mod tests {
    use super::Profile;

    #[test]
    fn a_profile_has_a_name_and_without_one_it_is_the_quick_one() {
        assert_eq!(Profile::named(""), Ok(Profile::Quick));
        assert_eq!(Profile::named("quick"), Ok(Profile::Quick));
        assert_eq!(Profile::named("full"), Ok(Profile::Full));
    }

    #[test]
    fn another_name_is_an_error_that_lists_the_profiles() {
        let message = Profile::named("fast").expect_err("there is no such profile");
        assert_eq!(message, "`SCHEDULER_TESTS=fast` is no profile of the tests; those are `quick` and `full`");
    }
}
