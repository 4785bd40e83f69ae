//! Finds out from the source whether a function stands in an `impl` or a `trait`, where the compiler has no words for what is
//! wrong with a job.
//!
//! An attribute is given the function and nothing of what is around it. So the file is read, up to the attribute, and only as
//! far as that is certain: whatever is unclear is taken for a free function, and left to the compiler.

use std::fs;

use proc_macro2::Span;

/// Says whether the attribute that is being expanded is known to stand directly in an `impl` or a `trait`.
pub(crate) fn is_associated() -> bool {
    if !proc_macro::is_available() {
        return false;
    }
    let place = Span::call_site().unwrap();
    // Nothing encloses what isn't indented, by the style that nearly all code has: most files are never read.
    let Some(file) = place.local_file().filter(|_| place.column() > 1) else { return false };
    fs::read_to_string(file).is_ok_and(|source| stands_in_impl(&source, place.line(), place.column()))
}

/// Says the same of the attribute at this line and column of a source, both from 1.
fn stands_in_impl(source: &str, line: usize, column: usize) -> bool {
    let Some(start) =
        source.split_inclusive('\n').nth(line - 1).map(|line| line.as_ptr() as usize - source.as_ptr() as usize)
    else {
        return false;
    };
    let Some((at, _)) = source[start..].char_indices().nth(column - 1) else { return false };
    let end = start + at;
    source[end..].starts_with("#[") && innermost(&source[..end]).is_some_and(|head| is_impl(&head))
}

/// Returns what stands before the brace that encloses the end of this text: nothing where that isn't certain.
fn innermost(before: &str) -> Option<String> {
    let (mut heads, mut head) = (Vec::new(), String::new());
    let mut rest = before;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/")? + 2,
            // Strings with escapes and raw ones, characters beside lifetimes: where these stand, the next brace may be text.
            '"' => text(rest)?,
            'r' | 'b' | 'c' if rest[1..].starts_with(['"', '#']) && !head.ends_with(is_word) => return None,
            '\'' if rest[1..].starts_with(['{', '}', '"', '\\']) => return None,
            '{' => {
                heads.push(std::mem::take(&mut head));
                1
            }
            '}' => {
                heads.pop()?;
                head.clear();
                1
            }
            ';' => {
                head.clear();
                1
            }
            _ => {
                head.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    // What stands in a macro's braces may become anything.
    (!heads.iter().any(|head| head.contains('!'))).then(|| heads.pop())?
}

/// Returns the length of the string that this text begins with.
fn text(rest: &str) -> Option<usize> {
    let mut is_escaped = false;
    let end = rest.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })?;
    Some(end + 2)
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn is_impl(head: &str) -> bool {
    // The attributes of the item itself come first.
    let item = head.rsplit(']').next().unwrap_or(head);
    let item = if head.contains("#[") { item } else { head };
    let mut words = item.split(|c: char| !is_word(c)).filter(|word| !word.is_empty());
    words
        .find(|word| !["pub", "crate", "super", "unsafe", "default"].contains(word))
        .is_some_and(|word| word == "impl" || word == "trait")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn stands(source: &str) -> bool {
        let (before, _) = source.split_once("#[job]").expect("it has one");
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
        stands_in_impl(source, line, column)
    }

    #[test]
    fn a_function_of_an_impl_or_a_trait_is_seen() {
        for source in [
            "struct S;\nimpl S {\n    #[job]\n    fn new() {}\n}",
            "mod m {\n  #[cfg(a = \"{\")]\n  unsafe impl<T> A for B<T> where T: C {\n fn a() { \"}\" } // }\n #[job] fn new() {} } }",
            "pub(crate) trait Tidy {\n    /* { */ const A: u8; #[job]\n    fn tidy() {}\n}",
        ] {
            assert!(stands(source), "{source}");
        }
    }

    #[test]
    fn whatever_else_encloses_a_function_it_may_be_a_job() {
        for source in [
            "#[job]\nfn f() {}",
            "mod m {\n    #[job]\n    fn f() {}\n}",
            "impl S {\n    fn g() {\n        #[job]\n        fn f() {}\n    }\n}",
            "impl S {}\nfn g() -> impl A {\n    #[job]\n    fn f() {}\n}",
            "free! { impl S {\n    #[job]\n    fn f() {}\n} }",
            "impl S {\n    const A: &str = r\"{\";\n    #[job]\n    fn f() {}\n}",
            "fn g() { let a = '{'; }\nimpl S {\n    #[job]\n    fn f() {}\n}",
        ] {
            assert!(!stands(source), "{source}");
        }
    }
}
