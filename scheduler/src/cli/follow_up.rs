//! `--follow-up`: the job that follows up on others, by its name.

use crate::call::AnyJob;
use crate::ended::Ended;
use crate::options::Options;
use crate::registry::{self, Entry};

/// Returns the job of this name, if it can follow up on others.
pub(super) fn find(name: &str) -> Result<&'static Entry, String> {
    let entry = registry::find(name).map_err(|error| error.to_string())?;
    if entry.takes::<(Ended,)>() {
        Ok(entry)
    } else {
        Err(format!("`{entry}` can't follow up on a job: it is to take one argument, a `scheduler::Ended`"))
    }
}

/// Sets the follow-up job, which [`find`] has returned.
pub(super) fn set(options: Options, entry: &'static Entry) -> Options {
    options.follow_up(|ended: Ended| AnyJob::named(entry.name(), (ended,)).expect("it takes an `Ended`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    mod jobs {
        use crate::ended::Ended;

        #[scheduler::job]
        fn explained(ended: Ended) {
            drop(ended);
        }

        #[scheduler::job]
        fn unexplained(id: String) {
            drop(id);
        }
    }

    #[test]
    fn only_a_job_that_takes_the_end_of_another_one_is_a_follow_up() {
        assert_eq!(find("explained").map(|entry| entry.name().ends_with("::explained")), Ok(true));
        let problem = find("unexplained").expect_err("it takes a text");
        assert!(
            problem.contains("unexplained(id: String) -> ()` can't follow up on a job: it is to take one"),
            "{problem}"
        );
        let problem = find("explaned").expect_err("there is none");
        assert!(problem.contains("did you mean") && problem.contains("::explained`"), "{problem}");
    }
}
