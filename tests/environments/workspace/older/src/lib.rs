//! A library of an older edition, whose documentation tests are a binary each.
//!
//! ```
//! scheduler::init();
//!
//! #[scheduler::job]
//! fn of_an_older_doctest() -> u32 { declares::witness("of an older doctest") }
//!
//! declares::runs_elsewhere(of_an_older_doctest::job());
//! declares::runs_elsewhere(older::of_an_older_library::job());
//! ```

/// A job of the library.
#[scheduler::job]
pub fn of_an_older_library() -> u32 {
    std::process::id()
}

#[cfg(test)]
mod tests {
    #[scheduler::test]
    fn a_job_of_an_older_library() {
        declares::runs_elsewhere(super::of_an_older_library::job());
    }
}
