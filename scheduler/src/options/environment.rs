//! `Environment`: the environment variables and the working directory of a job.

use std::ffi::{OsStr, OsString};
use std::fmt;

use serde::{Deserialize, Serialize};

/// The variables that are reserved for the scheduler, which no option changes.
pub(crate) const OWN: [&str; 2] = ["SCHEDULER_RUN", "__SCHEDULER_CHILD"];

/// The changes to the environment, in this order: clearing it, then each change.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Environment {
    pub(crate) is_cleared: bool,
    /// The variables to set, and those to remove.
    pub(crate) changes: Vec<(OsString, Option<OsString>)>,
    /// A path, which need not be Unicode.
    pub(crate) current_dir: Option<OsString>,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A value may be a secret, which must not reach logs.
        let change = |(name, value): &(OsString, Option<OsString>)| {
            format!("{}{}", if value.is_some() { "" } else { "without " }, name.to_string_lossy())
        };
        f.debug_struct("Environment")
            .field("is_cleared", &self.is_cleared)
            .field("changes", &self.changes.iter().map(change).collect::<Vec<_>>())
            .field("current_dir", &self.current_dir)
            .finish()
    }
}

impl Environment {
    /// Returns the changes, if there are any.
    pub(crate) fn any(&self) -> Option<Self> {
        (*self != Self::default()).then(|| self.clone())
    }

    /// Removes the changes to variables, once they are made.
    #[allow(dead_code, reason = "only a warden executes jobs with their variables")]
    pub(crate) fn forget_variables(&mut self) {
        self.is_cleared = false;
        self.changes.clear();
    }

    pub(super) fn over(self, below: &Self) -> Self {
        let changes = if self.is_cleared || below.changes.is_empty() {
            self.changes
        } else {
            below.changes.iter().cloned().chain(self.changes).collect()
        };
        Self {
            is_cleared: self.is_cleared || below.is_cleared,
            changes,
            current_dir: self.current_dir.or_else(|| below.current_dir.clone()),
        }
    }

    pub(super) fn problem(&self) -> Option<String> {
        let holds = |text: &OsStr, byte: u8| text.as_encoded_bytes().contains(&byte);
        let problem_of = |(name, value): &(OsString, Option<OsString>)| {
            let shown = name.to_string_lossy();
            if name.is_empty() || holds(name, b'=') || holds(name, 0) {
                return Some(format!(
                    "an environment variable can't be named `{}`; a name has one character or more, and neither `=` nor a NUL \
                     character",
                    shown.escape_debug()
                ));
            }
            if OWN.iter().any(|own| name.eq_ignore_ascii_case(own)) {
                return Some(format!(
                    "the environment variable `{shown}` is reserved for the scheduler; choose another name"
                ));
            }
            let is_cut = value.as_ref().is_some_and(|value| holds(value, 0));
            is_cut
                .then(|| format!("the value of the environment variable `{shown}` contains a NUL character; remove it"))
        };
        if self.current_dir.as_ref().is_some_and(|folder| folder.is_empty()) {
            return Some("the path of the working directory is empty; give a path".to_owned());
        }
        if self.current_dir.as_ref().is_some_and(|folder| holds(folder, 0)) {
            return Some("the path of the working directory contains a NUL character; remove it".to_owned());
        }
        self.changes.iter().find_map(problem_of)
    }
}
