//! A type as its author would write it: `Vec<u8>`, where a token stream prints `Vec < u8 >`.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// Returns the tokens of a type as a readable string.
pub(crate) fn type_name(ty: &impl ToTokens) -> String {
    let mut printer = Printer::default();
    printer.print(ty.to_token_stream());
    printer.text
}

/// What came last, as far as the next token's spacing depends on it.
#[derive(Clone, Copy, Default, PartialEq)]
enum Last {
    #[default]
    Opening,
    /// An identifier, a literal, or the end of a group: a word after it needs a space.
    Word,
    /// A comma or semicolon; its space is owed only if something follows.
    Comma,
    /// The first half of `::`, `->` or a lifetime: nothing may come between.
    Joint,
    Punct,
    /// The `>` that closes generics, the only punctuation that a word doesn't follow closely.
    Closing,
}

#[derive(Default)]
struct Printer {
    text: String,
    last: Last,
}

impl Printer {
    fn print(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.group(group.delimiter(), group.stream()),
                TokenTree::Ident(ident) => self.word(&ident.to_string()),
                TokenTree::Literal(literal) => self.word(&literal.to_string()),
                TokenTree::Punct(punct) => self.punct(punct.as_char(), punct.spacing()),
            }
        }
    }

    fn group(&mut self, delimiter: Delimiter, stream: TokenStream) {
        let (open, close) = match delimiter {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::Brace => ("{ ", " }"),
            // What a `macro_rules!` captured stands in a group that nobody wrote.
            Delimiter::None => return self.print(stream),
        };
        // `Fn(u8)`, but `mut (u8,)` and `mut [u8]`.
        let after_keyword = ["mut", "const", "dyn", "as"].iter().any(|keyword| self.text.ends_with(keyword));
        let after_word = self.last == Last::Word && (delimiter != Delimiter::Parenthesis || after_keyword);
        if self.last == Last::Comma || after_word {
            self.text.push(' ');
        }
        self.text.push_str(open);
        self.last = Last::Opening;
        self.print(stream);
        self.text.truncate(self.text.trim_end_matches(' ').len());
        self.text.push_str(close);
        self.last = Last::Word;
    }

    fn word(&mut self, word: &str) {
        if matches!(self.last, Last::Word | Last::Comma | Last::Closing) {
            self.text.push(' ');
        }
        self.text.push_str(word);
        self.last = Last::Word;
    }

    fn punct(&mut self, punct: char, spacing: Spacing) {
        // The second half of an arrow or of `::` belongs to what stands before it.
        let arrow = self.last == Last::Joint && punct == '>';
        let operator = matches!(punct, '+' | '=') || punct == '-' && spacing == Spacing::Joint;
        let spaced = operator || self.last == Last::Comma && punct != '>' && punct != ',';
        // `&'a str` and `dyn 'a`: a lifetime is a word, told by its quote.
        let lifetime = punct == '\'' && matches!(self.last, Last::Word | Last::Closing);
        let pointer = matches!(punct, '*' | '&') && self.last == Last::Word;
        if (spaced || lifetime || pointer) && !self.text.ends_with(' ') {
            self.text.push(' ');
        }
        self.text.push(punct);
        self.last = match punct {
            _ if arrow => {
                self.text.push(' ');
                Last::Opening
            }
            ',' | ';' => Last::Comma,
            '>' => Last::Closing,
            '\'' => Last::Joint,
            '+' | '=' => {
                self.text.push(' ');
                Last::Opening
            }
            ':' if self.text.ends_with("::") => Last::Punct,
            ':' if spacing == Spacing::Alone => Last::Comma,
            _ if spacing == Spacing::Joint => Last::Joint,
            _ => Last::Punct,
        };
    }
}

/// Returns a number that differs where two signatures do: FNV-1a, 64 bits, over the names of the types.
///
/// The strings are joined with a byte that no UTF-8 string holds, so that `("ab", "c")` is not `("a", "bc")`. The
/// algorithm is the one of Fowler, Noll and Vo, <http://www.isthe.com/chongo/tech/comp/fnv/>.
pub(crate) fn signature<'a>(types: impl IntoIterator<Item = &'a str>) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let bytes = types.into_iter().flat_map(|name| name.bytes().chain([0xff]));
    bytes.fold(OFFSET_BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_printed_as_it_is_written() {
        for written in [
            "u32",
            "Vec<u8>",
            "std::path::PathBuf",
            "::std::string::String",
            "HashMap<String, Vec<Option<(u8, i64)>>>",
            "Result<Size, ImageError>",
            "Result<(), Box<dyn Error + Send + Sync>>",
            "()",
            "(u8,)",
            "[u8; 4]",
            "[[f64; 3]; N]",
            "Matrix<{ N + 1 }, 2>",
            "Offset<-1>",
            "fn(u8, u16) -> u32",
            "Box<dyn Fn(u8) -> u16>",
            "Box<dyn for<'a> Fn(&'a str) -> u8>",
            "&'a mut str",
            "&mut [u8]",
            "*mut (u8, u16)",
            "&str",
            "*const u8",
            "<Vec<u8> as IntoIterator>::Item",
            "<T as Iterator>::Item",
            "Iter<Item = u8>",
            "Cow<'static, str>",
            "r#type::r#Match",
            "!",
            "_",
        ] {
            let ty: syn::Type = syn::parse_str(written).expect("it is a type");
            assert_eq!(type_name(&ty), written);
        }
    }

    #[test]
    fn the_author_s_spacing_and_last_commas_do_not_matter() {
        let ty: syn::Type = syn::parse_str("Vec < ( u8 , u16 , ) , >").expect("it is a type");
        assert_eq!(type_name(&ty), "Vec<(u8, u16,),>");
    }

    #[test]
    fn a_group_that_nobody_wrote_is_seen_through() {
        let inner = quote::quote!(Vec<u8>);
        let group = proc_macro2::Group::new(Delimiter::None, inner);
        assert_eq!(type_name(&quote::quote!(Option<#group>)), "Option<Vec<u8>>");
    }

    #[test]
    fn the_signature_is_that_of_the_published_algorithm() {
        assert_eq!(signature([]), 0xcbf2_9ce4_8422_2325);
        // One byte, 0xff, after an empty name.
        assert_eq!(signature([""]), (0xcbf2_9ce4_8422_2325_u64 ^ 0xff).wrapping_mul(0x0100_0000_01b3));
    }

    #[test]
    fn signatures_differ_where_types_move() {
        let all =
            [signature(["u8", "u16"]), signature(["u16", "u8"]), signature(["u8u16"]), signature(["u8", "u16", ""])];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[..index].contains(one));
        }
    }
}
