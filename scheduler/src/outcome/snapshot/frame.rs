//! `StackFrame`: one function on a stack, by its address in a binary, and its names once they are asked for.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::panic_guard::guarded;
use crate::symbols::{Symbol, resolve};

/// One frame of a thread's stack: an address in a binary, and the functions there.
///
/// The names are looked up when they are first asked for ([`symbols`](Self::symbols)), and then kept, also for later records. To read a
/// binary takes from some milliseconds to some hundred: it takes long if the binary has a lot of debug information, and this crate was
/// compiled without optimization.
#[derive(Clone)]
#[non_exhaustive]
pub struct StackFrame {
    pub(crate) module: Option<Arc<CodeModule>>,
    pub(crate) offset: u64,
    pub(crate) kind: AddressKind,
}

/// How the address of a frame was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressKind {
    /// The next instruction to execute: in the innermost frame, and in one that a signal interrupted.
    Exact,
    /// The address to which a call returns, just after the call.
    Return,
    /// A return address that was found by a search on the stack.
    Guessed,
}

impl AddressKind {
    /// Returns an address in the instruction that is executed, for an address of this kind.
    pub(crate) fn instruction(self, address: u64) -> u64 {
        match self {
            Self::Exact => address,
            // A call may be the last instruction of its line, or of its function.
            Self::Return | Self::Guessed => address.saturating_sub(1),
        }
    }
}

/// A binary, or the kernel's vdso, that frames are in.
pub(crate) struct CodeModule {
    path: String,
    build_id: Box<[u8]>,
    /// The addresses of the instructions in it, of all frames; sorted.
    addresses: Box<[u64]>,
    /// The symbols at each of them.
    symbols: OnceLock<Vec<Box<[Symbol]>>>,
}

impl CodeModule {
    /// Returns a binary, with the addresses of the instructions that frames are at.
    pub(crate) fn new(path: String, build_id: Vec<u8>, mut addresses: Vec<u64>) -> Self {
        addresses.sort_unstable();
        addresses.dedup();
        Self { path, build_id: build_id.into(), addresses: addresses.into(), symbols: OnceLock::new() }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn build_id(&self) -> &[u8] {
        &self.build_id
    }

    /// Returns a binary with known symbols.
    #[cfg(test)]
    pub(super) fn with_symbols(path: &str, symbols: Vec<(u64, Vec<Symbol>)>) -> Self {
        let (addresses, symbols): (Vec<_>, Vec<_>) = symbols.into_iter().unzip();
        let module = Self::new(path.to_owned(), vec![0xab, 0xcd], addresses);
        Self { symbols: OnceLock::from(symbols.into_iter().map(Vec::into_boxed_slice).collect::<Vec<_>>()), ..module }
    }

    /// Returns the functions at the address of an instruction. Those of all frames are looked up at once.
    fn symbols(&self, address: u64) -> &[Symbol] {
        let symbols = self.symbols.get_or_init(|| {
            // The file may be of the job's making.
            guarded(|| resolve(&self.path, &self.build_id, &self.addresses)).unwrap_or_default()
        });
        let found = self.addresses.binary_search(&address).ok().and_then(|index| symbols.get(index));
        found.map_or(&[], |symbols| symbols)
    }
}

impl StackFrame {
    /// Returns the path of the binary, as the job's process saw it, or a name in brackets such as `[vdso]`; `None` if the code was
    /// in no ELF file, for example because it was compiled at run time.
    ///
    /// The path of a file that was deleted or replaced ends with ` (deleted)`.
    #[must_use]
    pub fn module(&self) -> Option<&str> {
        self.module.as_ref().map(|module| module.path.as_str())
    }

    /// Returns the build id of the binary, which identifies this build of it; `None` if it has none.
    ///
    /// Linkers write one if they are asked to, which the C compilers of most distributions do.
    #[must_use]
    pub fn build_id(&self) -> Option<&[u8]> {
        self.module.as_ref().map(|module| &*module.build_id).filter(|id| !id.is_empty())
    }

    /// Returns the address in the binary, as `addr2line -e` and `objdump` count it; without a [`module`](Self::module) the
    /// address in the process.
    ///
    /// It is the address after the call, except in the innermost frame and in one that a signal interrupted.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns `true` if the frame was found without unwind information, which musl's functions and some static binaries don't have:
    /// by the code up to the function's return, or, of a function that never returns, by a search for a return address. It may then be
    /// of a call that has returned.
    #[must_use]
    pub fn is_guessed(&self) -> bool {
        self.kind == AddressKind::Guessed
    }

    /// Returns the functions of the frame, the innermost first: those that the compiler inlined, and the one that they were inlined
    /// into. Empty if nothing is known.
    ///
    /// Names and lines are read from the binary, if it still is the same one by its build id, or else from the debug file that the
    /// distribution installed for that build id (`/usr/lib/debug/.build-id`). The first call reads them for all frames in the
    /// binary. Without debug information there is a name at most, and in a stripped binary nothing.
    ///
    /// # Platform
    ///
    /// Needs the feature `stacks`.
    #[must_use]
    pub fn symbols(&self) -> &[Symbol] {
        self.module.as_ref().map_or(&[], |module| module.symbols(self.kind.instruction(self.offset)))
    }
}

impl fmt::Debug for StackFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut frame = f.debug_struct("StackFrame");
        frame.field("module", &self.module()).field("offset", &format_args!("{:#x}", self.offset));
        frame.field("kind", &self.kind).finish()
    }
}

impl fmt::Debug for CodeModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeModule").field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_call_is_that_before_its_return_address() {
        let symbol = Symbol { function: "f".to_owned(), ..Symbol::default() };
        let module = Arc::new(CodeModule::with_symbols("/bin/a", vec![(0x10, vec![symbol])]));
        let frame = |offset, kind| StackFrame { module: Some(Arc::clone(&module)), offset, kind };
        let found = [(0x10, AddressKind::Exact), (0x11, AddressKind::Return), (0x11, AddressKind::Guessed)];
        assert!(found.iter().all(|(offset, kind)| frame(*offset, *kind).symbols().len() == 1));
        assert!(frame(0x10, AddressKind::Return).symbols().is_empty());
        assert!(frame(0, AddressKind::Return).symbols().is_empty());
        assert_eq!(frame(0x10, AddressKind::Exact).build_id(), Some(&[0xab, 0xcd][..]));
    }

    #[test]
    fn code_in_no_file_has_no_symbols() {
        let frame = StackFrame { module: None, offset: 0x7fff_0000, kind: AddressKind::Exact };
        assert_eq!((frame.module(), frame.build_id(), frame.symbols()), (None, None, &[][..]));
    }
}
