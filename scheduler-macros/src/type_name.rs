//! Prints a type as its author would write it: `Vec<u8>`, where a token stream prints `Vec < u8 >`.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// Returns the tokens of a type as a readable string.
pub(crate) fn type_name(ty: &impl ToTokens) -> String {
    let mut printer = TypePrinter::default();
    printer.print(ty.to_token_stream());
    printer.text
}

/// The last printed token, as far as the spacing of the next one depends on it.
#[derive(Clone, Copy, Default, PartialEq)]
enum LastToken {
    #[default]
    Opening,
    /// An identifier, a literal, or the end of a group: a word after it needs a space.
    Word,
    /// A comma or semicolon, with a space if something follows.
    Comma,
    /// The first half of `::`, `->` or a lifetime: no space follows.
    Joint,
    Punct,
    /// The `>` that closes generics, the only punctuation with a space before a word.
    Closing,
}

#[derive(Default)]
struct TypePrinter {
    text: String,
    last: LastToken,
}

impl TypePrinter {
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
            // An invisible group around a capture of `macro_rules!`.
            Delimiter::None => return self.print(stream),
        };
        // `Fn(u8)`, but `mut (u8,)` and `mut [u8]`.
        let after_keyword = ["mut", "const", "dyn", "as"].iter().any(|keyword| self.text.ends_with(keyword));
        let after_word = self.last == LastToken::Word && (delimiter != Delimiter::Parenthesis || after_keyword);
        if self.last == LastToken::Comma || after_word {
            self.text.push(' ');
        }
        self.text.push_str(open);
        self.last = LastToken::Opening;
        self.print(stream);
        self.text.truncate(self.text.trim_end_matches(' ').len());
        self.text.push_str(close);
        self.last = LastToken::Word;
    }

    fn word(&mut self, word: &str) {
        if matches!(self.last, LastToken::Word | LastToken::Comma | LastToken::Closing) {
            self.text.push(' ');
        }
        self.text.push_str(word);
        self.last = LastToken::Word;
    }

    fn punct(&mut self, punct: char, spacing: Spacing) {
        // The second half of an arrow or of `::` follows the first one closely.
        let arrow = self.last == LastToken::Joint && punct == '>';
        let operator = matches!(punct, '+' | '=') || punct == '-' && spacing == Spacing::Joint;
        let spaced = operator || self.last == LastToken::Comma && punct != '>' && punct != ',';
        // `&'a str` and `dyn 'a`: a lifetime is a word that begins with a quote.
        let lifetime = punct == '\'' && matches!(self.last, LastToken::Word | LastToken::Closing);
        let pointer = matches!(punct, '*' | '&') && self.last == LastToken::Word;
        if (spaced || lifetime || pointer) && !self.text.ends_with(' ') {
            self.text.push(' ');
        }
        self.text.push(punct);
        self.last = match punct {
            _ if arrow => {
                self.text.push(' ');
                LastToken::Opening
            }
            ',' | ';' => LastToken::Comma,
            '>' => LastToken::Closing,
            '\'' => LastToken::Joint,
            '+' | '=' => {
                self.text.push(' ');
                LastToken::Opening
            }
            ':' if self.text.ends_with("::") => LastToken::Punct,
            ':' if spacing == Spacing::Alone => LastToken::Comma,
            _ if spacing == Spacing::Joint => LastToken::Joint,
            _ => LastToken::Punct,
        };
    }
}

/// Returns a hash of a signature: FNV-1a, 64 bits, over the names of the types.
///
/// The strings are joined with a byte that no UTF-8 string contains, so that `("ab", "c")` and `("a", "bc")` differ. The
/// algorithm is by Fowler, Noll and Vo, <http://www.isthe.com/chongo/tech/comp/fnv/>.
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
    fn the_author_s_spacing_does_not_matter() {
        let ty: syn::Type = syn::parse_str("Vec < ( u8 , u16 , ) , >").expect("it is a type");
        assert_eq!(type_name(&ty), "Vec<(u8, u16,),>");
    }

    #[test]
    fn invisible_groups_are_not_printed() {
        let inner = quote::quote!(Vec<u8>);
        let group = proc_macro2::Group::new(Delimiter::None, inner);
        assert_eq!(type_name(&quote::quote!(Option<#group>)), "Option<Vec<u8>>");
    }

    #[test]
    fn the_signature_is_fnv_1a() {
        assert_eq!(signature([]), 0xcbf2_9ce4_8422_2325);
        // One byte, 0xff, after an empty name.
        assert_eq!(signature([""]), (0xcbf2_9ce4_8422_2325_u64 ^ 0xff).wrapping_mul(0x0100_0000_01b3));
    }

    #[test]
    fn signatures_depend_on_the_order_and_grouping_of_types() {
        let all =
            [signature(["u8", "u16"]), signature(["u16", "u8"]), signature(["u8u16"]), signature(["u8", "u16", ""])];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[..index].contains(one));
        }
    }
}
