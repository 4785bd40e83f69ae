//! `Groups`: the concurrency limits of named groups.

use std::num::NonZeroUsize;

use crate::escape::OneLine;

/// The groups, with limits that are not checked yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups(Vec<(String, usize)>);

impl Groups {
    pub(crate) fn set(&mut self, name: String, limit: usize) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = limit,
            None => self.0.push((name, limit)),
        }
    }

    /// Returns the limits in the order of the lanes, or a message if one is invalid.
    pub(crate) fn limits(&self) -> Result<Box<[NonZeroUsize]>, String> {
        let limit = |(name, limit): &(String, usize)| {
            if name.trim().is_empty() {
                return Err("a group with an empty name; give it a name".to_owned());
            }
            let zero = || format!("a limit of 0 for the group `{}` runs nothing; give 1 or more", OneLine(name));
            NonZeroUsize::new(*limit).ok_or_else(zero)
        };
        self.0.iter().map(limit).collect()
    }

    /// Returns the queue's lane for a group, from 1: lane 0 is for jobs without a group.
    pub(crate) fn lane(&self, name: &str) -> Result<usize, String> {
        let index = self.0.iter().position(|(known, _)| known == name);
        index.map(|index| index + 1).ok_or_else(|| {
            let known: Vec<_> = self.0.iter().map(|(known, _)| format!("`{}`", OneLine(known))).collect();
            let known = if known.is_empty() {
                GIVES_ONE.to_owned()
            } else {
                format!("those that have one: {}", known.join(", "))
            };
            format!("group `{}` has no limit; {known}", OneLine(name))
        })
    }
}

/// What gives a group a limit.
const GIVES_ONE: &str = if cfg!(feature = "cli") {
    "`Scheduler::limit_group` gives it one, on a command line `--limit-group`"
} else {
    "`Scheduler::limit_group` gives it one"
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_without_a_limit_is_refused_with_a_list_of_the_groups() {
        let mut groups = Groups::default();
        let refused = |groups: &Groups| groups.lane("db").expect_err("it has no limit");
        assert_eq!(refused(&groups), format!("group `db` has no limit; {GIVES_ONE}"));
        groups.set("disk".to_owned(), 1);
        groups.set("net\n".to_owned(), 2);
        assert_eq!(refused(&groups), r"group `db` has no limit; those that have one: `disk`, `net\n`");
        assert_eq!(groups.lane("net\n"), Ok(2));
    }

    #[test]
    fn the_last_limit_of_a_group_counts() {
        let mut groups = Groups::default();
        groups.set("a".to_owned(), 0);
        assert_eq!(
            groups.limits().expect_err("it is zero"),
            "a limit of 0 for the group `a` runs nothing; give 1 or more"
        );
        groups.set("a".to_owned(), 3);
        assert_eq!(groups.limits().expect("it is three").as_ref(), [NonZeroUsize::MIN.saturating_add(2)]);
        groups.set(" ".to_owned(), 3);
        assert_eq!(groups.limits().expect_err("it has no name"), "a group with an empty name; give it a name");
    }
}
