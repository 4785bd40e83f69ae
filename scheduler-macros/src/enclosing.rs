//! Recognizes a job in an `impl` or a `trait`, for which the compiler's own errors would be confusing.
//!
//! An attribute receives the function without its context, and the items that it adds are errors in an `impl`. So the
//! source file is searched for the function. If that finds nothing certain, the function is taken for a free one.

use std::fs;

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};

/// Returns whether the job of this name is in an `impl` or a `trait`.
pub(crate) fn is_associated(name: &Ident) -> bool {
    if !proc_macro::is_available() {
        return false;
    }
    let attribute = Span::call_site().unwrap();
    // Nothing encloses an attribute that isn't indented: most files are never read.
    let Some(file) = attribute.local_file().filter(|_| attribute.column() > 1) else { return false };
    let source = fs::read_to_string(file).ok().and_then(|source| source.parse().ok());
    source.is_some_and(|source| is_associated_in(source, name))
}

/// Returns whether all jobs of this name in a source file are in an `impl` or a `trait`.
fn is_associated_in(source: TokenStream, name: &Ident) -> bool {
    let mut found = Vec::new();
    search(source, Scope::Free, name, &mut found);
    !found.is_empty() && !found.contains(&Scope::Free)
}

/// The braces around a function.
#[derive(Clone, Copy, PartialEq)]
enum Scope {
    Free,
    Associated,
}

/// Adds the scope of each job of this name.
fn search(tokens: TokenStream, scope: Scope, name: &Ident, found: &mut Vec<Scope>) {
    let mut item = Item::default();
    for token in tokens {
        match token {
            TokenTree::Ident(word) => {
                if item.is_job && item.last == "fn" && word == *name {
                    found.push(scope);
                }
                item.last = word.to_string();
                if item.keyword.is_empty() && !["pub", "unsafe", "default"].contains(&item.last.as_str()) {
                    item.keyword.clone_from(&item.last);
                }
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                let is_job = |token| matches!(token, TokenTree::Ident(word) if word == "job");
                item.is_job |= group.stream().into_iter().any(is_job);
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                // The braces of a macro may expand to anything.
                if !item.is_macro {
                    let is_impl = ["impl", "trait"].contains(&item.keyword.as_str());
                    search(group.stream(), if is_impl { Scope::Associated } else { Scope::Free }, name, found);
                }
                item = Item::default();
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => item = Item::default(),
            TokenTree::Punct(punct) => item.is_macro |= punct.as_char() == '!',
            TokenTree::Group(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// The part of an item that was read.
#[derive(Default)]
struct Item {
    keyword: String,
    /// The last word.
    last: String,
    is_job: bool,
    is_macro: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_associated(source: &str) -> bool {
        let source = source.parse().expect("it consists of tokens");
        is_associated_in(source, &Ident::new("f", Span::call_site()))
    }

    #[test]
    fn a_job_in_an_impl_or_a_trait_is_recognized() {
        for source in [
            "struct S; impl S { #[job] fn f() {} }",
            "mod m { #[a(\"{\")] unsafe impl<T> A for B<T> where T: C { fn a() { \"}\" } #[scheduler::job] pub fn f() {} } }",
            "pub(crate) trait T { const A: u8; #[job(timeout = \"1s\")] fn f() {} }",
            "fn f() {} impl S { #[job] fn f() {} }",
        ] {
            assert!(is_associated(source), "{source}");
        }
    }

    #[test]
    fn any_other_job_is_taken_for_a_free_function() {
        for source in [
            "#[job] fn f() {}",
            "mod m { #[job] fn f() {} }",
            "impl S { fn g() { #[job] fn f() {} } }",
            "impl S {} fn g() -> impl A { #[job] fn f() {} }",
            "free! { impl S { #[job] fn f() {} } }",
            "impl S { #[job] fn f() {} } mod m { #[job] fn f() {} }",
            "impl S { #[job] fn g() {} fn f() {} }",
        ] {
            assert!(!is_associated(source), "{source}");
        }
    }
}
