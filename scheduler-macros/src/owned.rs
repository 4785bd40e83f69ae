//! Checks that a type is owned and concrete, so that its values can be sent to another process.

use syn::visit::{self, Visit};
use syn::{GenericArgument, Lifetime, Path, PathArguments, Type, TypeImplTrait, TypePath, TypeReference};

use crate::diagnostics::Diagnostics;
use crate::type_name::type_name;

/// The use of a type in a job's signature.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum TypeUse {
    Argument,
    Result,
    /// Only an error's text is sent, so that it may hold `'static` references.
    Error,
}

/// Adds a diagnostic for each part of `ty` that borrows, hides its type, or belongs to a method.
pub(crate) fn check(ty: &Type, type_use: TypeUse, diagnostics: &mut Diagnostics) {
    Checker { type_use, diagnostics }.visit_type(ty);
}

struct Checker<'a> {
    type_use: TypeUse,
    diagnostics: &'a mut Diagnostics,
}

impl Checker<'_> {
    fn must_be_owned(&self) -> &'static str {
        match self.type_use {
            TypeUse::Argument => "a job's arguments are sent to another process, so they can't borrow",
            TypeUse::Result => "a job's result is sent to another process, so it can't borrow",
            TypeUse::Error => "a job's error outlives its arguments, so it can't borrow from them",
        }
    }

    fn may_live(&self, lifetime: Option<&Lifetime>) -> bool {
        self.type_use == TypeUse::Error && lifetime.is_some_and(|lifetime| lifetime.ident == "static")
    }
}

impl<'ast> Visit<'ast> for Checker<'_> {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        if self.may_live(reference.lifetime.as_ref()) {
            return visit::visit_type_reference(self, reference);
        }
        let why = self.must_be_owned();
        let (owned, written) = (owned(&reference.elem), type_name(reference));
        self.diagnostics.at(reference, format!("{why}; write `{owned}` instead of `{written}`"));
    }

    fn visit_type_path(&mut self, path: &'ast TypePath) {
        let mut lifetimes = path.path.segments.iter().flat_map(|segment| lifetimes(&segment.arguments));
        if lifetimes.all(|lifetime| self.may_live(Some(lifetime))) {
            return visit::visit_type_path(self, path);
        }
        let why = self.must_be_owned();
        let written = type_name(path);
        let instead = match path.path.segments.last() {
            Some(last) if last.ident == "Cow" => match types(&last.arguments).next() {
                Some(borrowed) => format!("`{}`", owned(borrowed)),
                None => "an owned type".to_owned(),
            },
            _ => "an owned type".to_owned(),
        };
        self.diagnostics.at(path, format!("{why}; write {instead} instead of `{written}`"));
    }

    fn visit_type_impl_trait(&mut self, hidden: &'ast TypeImplTrait) {
        let what = match self.type_use {
            TypeUse::Argument => "argument",
            TypeUse::Result => "result",
            TypeUse::Error => "error",
        };
        let written = type_name(hidden);
        self.diagnostics.at(
            hidden,
            format!("the type of a job's {what} must be named; write a concrete type instead of `{written}`"),
        );
    }

    fn visit_path(&mut self, path: &'ast Path) {
        if let Some(first) = path.segments.first().filter(|first| first.ident == "Self") {
            self.diagnostics.at(
                &first.ident,
                "a job is a free function, which has no `Self`; move it out of the `impl` and write the type's name",
            );
        }
        visit::visit_path(self, path);
    }
}

fn lifetimes(arguments: &PathArguments) -> impl Iterator<Item = &Lifetime> {
    generic_arguments(arguments).filter_map(|argument| match argument {
        GenericArgument::Lifetime(lifetime) => Some(lifetime),
        _ => None,
    })
}

/// Returns the types among the generic arguments of a path's segment.
pub(crate) fn types(arguments: &PathArguments) -> impl Iterator<Item = &Type> {
    generic_arguments(arguments).filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

fn generic_arguments(arguments: &PathArguments) -> impl Iterator<Item = &GenericArgument> {
    let arguments = match arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        PathArguments::None | PathArguments::Parenthesized(_) => None,
    };
    arguments.into_iter().flatten()
}

/// Returns a type without the parentheses, and the groups of a `macro_rules!`, around it.
pub(crate) fn bare(mut ty: &Type) -> &Type {
    loop {
        ty = match ty {
            Type::Group(group) => &group.elem,
            Type::Paren(paren) => &paren.elem,
            _ => return ty,
        }
    }
}

/// Returns the name of the owned type for a reference to `ty`.
fn owned(ty: &Type) -> String {
    match bare(ty) {
        Type::Reference(reference) => owned(&reference.elem),
        Type::Slice(slice) => format!("Vec<{}>", owned(&slice.elem)),
        Type::Path(path) => match path.path.segments.last().map(|last| last.ident.to_string()).as_deref() {
            Some("str") => "String".to_owned(),
            Some("Path") => "PathBuf".to_owned(),
            Some("OsStr") => "OsString".to_owned(),
            Some("CStr") => "CString".to_owned(),
            _ => type_name(path),
        },
        other => type_name(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(ty: &str, type_use: TypeUse) -> Vec<String> {
        let ty = syn::parse_str(ty).expect("it is a type");
        let mut diagnostics = Diagnostics::default();
        check(&ty, type_use, &mut diagnostics);
        diagnostics.messages()
    }

    #[track_caller]
    fn instead(ty: &str, expected: &str) {
        let messages = messages(ty, TypeUse::Argument);
        let why = "a job's arguments are sent to another process, so they can't borrow";
        assert_eq!(messages, [format!("{why}; write {expected}")]);
    }

    #[test]
    fn owned_types_pass() {
        for ty in ["u8", "Vec<(String, [u8; 4])>", "HashMap<String, Box<dyn Send + 'static>>", "fn(u8) -> u8"] {
            assert_eq!(messages(ty, TypeUse::Argument), [""; 0], "{ty}");
        }
    }

    #[test]
    fn a_reference_is_refused_with_the_owned_type() {
        instead("&str", "`String` instead of `&str`");
        instead("&'static str", "`String` instead of `&'static str`");
        instead("&mut [u8]", "`Vec<u8>` instead of `&mut [u8]`");
        instead("&[&str]", "`Vec<String>` instead of `&[&str]`");
        instead("&std::path::Path", "`PathBuf` instead of `&std::path::Path`");
        instead("&OsStr", "`OsString` instead of `&OsStr`");
        instead("&CStr", "`CString` instead of `&CStr`");
        instead("&Size", "`Size` instead of `&Size`");
        instead("Vec<Option<&Size>>", "`Size` instead of `&Size`");
    }

    #[test]
    fn a_lifetime_is_refused() {
        instead("Cow<'a, str>", "`String` instead of `Cow<'a, str>`");
        instead("Cow<'static, [u8]>", "`Vec<u8>` instead of `Cow<'static, [u8]>`");
        instead("Option<Borrowed<'_>>", "an owned type instead of `Borrowed<'_>`");
    }

    #[test]
    fn several_mistakes_in_one_type_are_several_errors() {
        assert_eq!(messages("(&str, Cow<'a, str>, impl Send, Self)", TypeUse::Result).len(), 4);
    }

    #[test]
    fn an_error_may_be_static_but_not_borrow() {
        for ty in ["&'static str", "Cow<'static, str>", "Box<dyn Error + Send + 'static>"] {
            assert_eq!(messages(ty, TypeUse::Error), [""; 0], "{ty}");
        }
        assert_eq!(
            messages("&str", TypeUse::Error),
            ["a job's error outlives its arguments, so it can't borrow from them; write `String` instead of `&str`"]
        );
    }

    #[test]
    fn types_are_looked_at_behind_parentheses_and_groups() {
        instead("((&str))", "`String` instead of `&str`");
        let group = proc_macro2::Group::new(proc_macro2::Delimiter::None, quote::quote!(&str));
        let ty = syn::parse2(quote::quote!(Vec<#group>)).expect("it is a type");
        let mut diagnostics = Diagnostics::default();
        check(&ty, TypeUse::Argument, &mut diagnostics);
        assert_eq!(diagnostics.messages().len(), 1);
    }
}
