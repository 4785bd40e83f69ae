//! Recognizes foreign types by their names, for which the advice to derive a trait would be useless.

use proc_macro2::TokenStream;
use syn::{Expr, Lit, Type};

use crate::owned;

/// The longest array and the longest tuple that `serde` implements its traits for.
const LONGEST_ARRAY: u64 = 32;
const LONGEST_TUPLE: usize = 16;

/// Types of the standard library that refer to a resource of one process.
const PROCESS_LOCAL: &[&str] = &[
    "Arc",
    "Barrier",
    "BufReader",
    "BufWriter",
    "Condvar",
    "File",
    "Instant",
    "JoinHandle",
    "LazyLock",
    "OnceCell",
    "OnceLock",
    "OwnedFd",
    "OwnedHandle",
    "Rc",
    "ReadDir",
    "Receiver",
    "Sender",
    "Stderr",
    "Stdin",
    "Stdout",
    "SyncSender",
    "TcpListener",
    "TcpStream",
    "ThreadId",
    "TypeId",
    "UdpSocket",
    "UnixDatagram",
    "UnixListener",
    "UnixStream",
    "Weak",
];

/// Returns whether a type, or a type within it, is foreign.
///
/// This affects only the compiler's message for a type that can't be sent; a type that can may have any name.
pub(crate) fn is_foreign(ty: &TokenStream) -> bool {
    syn::parse2(ty.clone()).is_ok_and(|ty| is_or_holds_foreign(&ty))
}

fn is_or_holds_foreign(ty: &Type) -> bool {
    match owned::bare(ty) {
        Type::Array(array) => is_too_long(&array.len) || is_or_holds_foreign(&array.elem),
        Type::Tuple(tuple) => tuple.elems.len() > LONGEST_TUPLE || tuple.elems.iter().any(is_or_holds_foreign),
        Type::Path(path) => path.path.segments.last().is_some_and(|last| {
            let is_known = PROCESS_LOCAL.iter().any(|name| last.ident == name);
            is_known || owned::types(&last.arguments).any(is_or_holds_foreign)
        }),
        Type::FnPtr(_) | Type::Ptr(_) | Type::TraitObject(_) => true,
        _ => false,
    }
}

fn is_too_long(length: &Expr) -> bool {
    let Expr::Lit(literal) = length else { return true };
    let Lit::Int(length) = &literal.lit else { return true };
    length.base10_parse::<u64>().is_ok_and(|length| length > LONGEST_ARRAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_types_are_recognized_by_name_and_length() {
        let tuple = format!("({})", "u8, ".repeat(17));
        for foreign in
            ["[u8; 64]", "[u8; N]", &tuple, "std::rc::Rc<u8>", "Vec<Option<std::fs::File>>", "(u8, Instant)", "fn(u8)"]
        {
            assert!(is_foreign(&foreign.parse().expect("it is a type")), "{foreign}");
        }
        let tuple = format!("({})", "u8, ".repeat(16));
        for own in ["[Own; 32]", &tuple, "Own", "Vec<own::Fil>", "Option<(Own, u8)>", "Cell<u8>"] {
            assert!(!is_foreign(&own.parse().expect("it is a type")), "{own}");
        }
    }
}
