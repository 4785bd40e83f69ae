//! Text that is cut within a character.

/// Returns how many of the last bytes start an incomplete character.
pub(super) fn incomplete_suffix(bytes: &[u8]) -> usize {
    let last = bytes.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
    let might_go_on = std::str::from_utf8(last).is_err_and(|error| error.error_len().is_none());
    if might_go_on { last.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_become_a_character_is_incomplete() {
        let cases: [(&[u8], usize); 6] =
            [(b"", 0), (b"a", 0), ("漢".as_bytes(), 0), (b"a\xe6\xbc", 2), (b"a\xff", 0), (b"\xe6a", 0)];
        for (bytes, expected) in cases {
            assert_eq!(incomplete_suffix(bytes), expected, "{bytes:?}");
        }
    }
}
