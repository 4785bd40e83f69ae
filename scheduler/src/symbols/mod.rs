//! `Symbol`: the function, file and line at an address, looked up in the binary that contains it.

#[cfg(all(feature = "stacks", target_os = "linux"))]
mod elf;
#[cfg(all(feature = "stacks", target_os = "linux"))]
mod files;
#[cfg(all(feature = "stacks", target_os = "linux"))]
mod known;

use serde::Serialize;

/// A function that a [`StackFrame`](crate::StackFrame) is in, with the line that it has reached.
///
/// `Display` writes one line, `my_crate::load at src/load.rs:17`. Control characters are escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Symbol {
    pub(crate) function: String,
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u32>,
    pub(crate) inlined: bool,
}

impl Symbol {
    /// Returns the name of the function, demangled if it is one of Rust; empty if only the line is known.
    #[must_use]
    pub fn function(&self) -> &str {
        &self.function
    }

    /// Returns the path of the source file, as the compiler recorded it.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// Returns the line, from 1.
    #[must_use]
    pub fn line(&self) -> Option<u32> {
        self.line
    }

    /// Returns `true` if the compiler inlined the function into the next one of its frame.
    #[must_use]
    pub fn is_inlined(&self) -> bool {
        self.inlined
    }
}

/// Returns the functions at each of these addresses of a binary, which are sorted; nothing where they are unknown.
///
/// The binary is the file with this path and this build id. If that is gone or another one, or has no line numbers, the
/// system's debug files are searched by the build id.
#[cfg(all(feature = "stacks", target_os = "linux"))]
pub(crate) fn resolve(path: &str, build_id: &[u8], addresses: &[u64]) -> Vec<Box<[Symbol]>> {
    known::resolved(build_id, addresses, || read(path, build_id, addresses))
}

#[cfg(all(feature = "stacks", target_os = "linux"))]
fn read(path: &str, build_id: &[u8], addresses: &[u64]) -> Vec<Box<[Symbol]>> {
    let mut found = vec![Vec::new(); addresses.len()];
    for file in files::candidates(path, build_id) {
        elf::read(file, build_id, addresses, &mut found);
        if found.iter().all(|symbols| symbols.last().is_some_and(|outermost| outermost.line.is_some())) {
            break;
        }
    }
    found.into_iter().map(Vec::into_boxed_slice).collect()
}

/// Returns nothing for each of these addresses: this build can't read binaries.
#[cfg(not(all(feature = "stacks", target_os = "linux")))]
pub(crate) fn resolve(_: &str, _: &[u8], addresses: &[u64]) -> Vec<Box<[Symbol]>> {
    vec![Box::default(); addresses.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_known_of_a_binary_that_is_gone() {
        assert_eq!(resolve("/no/such/file", &[1, 2, 3], &[1, 2]), [Box::default(), Box::default()]);
    }
}
