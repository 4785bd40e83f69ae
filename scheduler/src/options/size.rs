//! A size as text.

use bytesize::ByteSize;

/// Returns how many bytes that are: a number, with a unit if it has one, such as `512MiB`.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let refused = |problem: &str| Err(format!("expected a size, such as `512MiB`: {problem}"));
    // The parser's own message for these is about an empty number.
    if text.trim_start().starts_with('-') {
        return refused("it can't be negative");
    }
    if !text.trim_start().starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return refused("it begins with a number");
    }
    match text.parse::<ByteSize>() {
        // The parser stops at the highest number.
        Ok(ByteSize(u64::MAX)) if text.trim().parse::<u64>().is_err() => {
            refused("it is over 16EiB; give a smaller one")
        }
        Ok(size) => Ok(size.0),
        Err(problem) => refused(&problem),
    }
}
