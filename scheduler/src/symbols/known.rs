//! The functions at addresses that were looked up before: jobs often hang where others did, and to read a binary takes long.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use super::Symbol;
use crate::sync::lock;

/// The most addresses that are kept, with some hundred bytes each.
const MOST: usize = 4096;

/// The functions at each address of the binary with a build id.
type Known = HashMap<(Box<[u8]>, u64), Box<[Symbol]>>;

static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

/// Returns the functions at these addresses of the binary with this build id, as `read` returns them unless all are known.
pub(super) fn resolved(
    build_id: &[u8],
    addresses: &[u64],
    read: impl FnOnce() -> Vec<Box<[Symbol]>>,
) -> Vec<Box<[Symbol]>> {
    // Without one nothing tells one binary from another.
    if build_id.is_empty() {
        return read();
    }
    let key = |address: &u64| (build_id.into(), *address);
    let found = {
        let known = lock(&KNOWN);
        addresses.iter().map(|address| known.get(&key(address)).cloned()).collect()
    };
    if let Some(found) = found {
        return found;
    }
    let symbols = read();
    let mut known = lock(&KNOWN);
    if known.len() + addresses.len() > MOST {
        known.clear();
    }
    // What is unknown now may be found when the files are there.
    let found = addresses.iter().zip(&symbols).filter(|(_, symbols)| !symbols.is_empty()).take(MOST);
    known.extend(found.map(|(address, symbols)| (key(address), symbols.clone())));
    symbols
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_is_read_once_for_the_same_addresses() {
        let symbols =
            |name: &str| -> Box<[Symbol]> { Box::new([Symbol { function: name.to_owned(), ..Symbol::default() }]) };
        let build_id = b"a build id of this test";
        let read = || vec![symbols("f"), symbols("g"), Box::default()];
        assert_eq!(resolved(build_id, &[1, 2, 3], read), read());
        assert_eq!(resolved(build_id, &[2, 1], || panic!("both are known")), [symbols("g"), symbols("f")]);
        // One that was not found, another binary, and one without a build id.
        assert_eq!(resolved(build_id, &[3], || vec![symbols("h")]), [symbols("h")]);
        assert_eq!(resolved(b"another one", &[1], || vec![symbols("i")]), [symbols("i")]);
        for name in ["j", "k"] {
            assert_eq!(resolved(&[], &[1], || vec![symbols(name)]), [symbols(name)]);
        }
    }
}
