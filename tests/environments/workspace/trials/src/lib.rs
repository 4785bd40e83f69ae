//! A library with a test that ends its process.

#[cfg(test)]
mod tests {
    #[scheduler::test(timeout = "1m")]
    fn aborts() {
        std::process::abort();
    }

    #[test]
    fn is_none_the_worse_for_it() {}
}
