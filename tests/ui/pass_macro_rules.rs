//! Jobs that a `macro_rules!` declares: captured names, types and literals, and `$crate`.

use scheduler::{job, jobs};

#[derive(serde::Serialize, serde::Deserialize)]
pub struct Size(u8);

macro_rules! declare {
    ($($(#[$meta:meta])* $vis:vis $name:ident($($argument:ident: $ty:ty),*) -> $returns:ty = $body:expr;)*) => {$(
        $(#[$meta])*
        #[job(timeout = "1s")]
        $vis fn $name($($argument: $ty),*) -> $returns {
            $body
        }
    )*};
}

declare! {
    plain() -> u8 = 1;
    /// Has a Result as its type.
    pub(crate) fallible(n: u8) -> Result<u8, std::num::ParseIntError> = Ok(n);
    pub sized(size: Option<Size>) -> crate::Size = size.unwrap_or(Size(1));
    text(r#type: String) -> std::io::Result<String> = Ok(r#type);
}

macro_rules! with_hygiene {
    ($name:ident, $limit:literal, $label:expr) => {
        #[job(timeout = $limit, name = $label)]
        fn $name(n: $crate::Size) -> $crate::Size {
            n
        }

        #[allow(unused_parens)]
        #[job]
        fn own_name(n: (u8)) -> (Result<(u8), String>) {
            Ok(n)
        }
    };
}

with_hygiene!(hygienic, "2s", "hygienic");

macro_rules! attach {
    ($item:item) => {
        #[job]
        $item
    };
}

attach! {
    pub(crate) fn attached(n: u8) -> u8 { n }
}

macro_rules! outer {
    ($ty:ty) => {
        declare! {
            nested(n: $ty) -> Vec<$ty> = vec![n];
        }
    };
}

outer!(Option<u8>);

macro_rules! krate {
    () => {
        #[job(crate = $crate::renamed)]
        fn renamed_crate() {}
    };
}

use scheduler as renamed;

krate!();

fn main() {
    let calls = jobs![
        ("plain", plain),
        ("fallible", fallible(1)),
        ("sized", sized(None)),
        ("text", text("a".into())),
        ("hygienic", hygienic(Size(1))),
        ("own name", own_name(1)),
        ("attached", attached(1)),
        ("nested", nested(None)),
        ("renamed", renamed_crate),
    ];
    drop(calls);
}
