//! Reads symbols from ELF files: inlined functions and lines from DWARF, and names from the symbol tables.
//!
//! A file may be of the job's making, so nothing in it is trusted: what is read is bounded by the file's length, and what is
//! kept and done by the limits below. The file is read, not mapped: the job may shorten it meanwhile.

use std::borrow::Cow;
use std::cell::Cell;
use std::fs::File;

use addr2line::Context;
use addr2line::gimli::{self, Dwarf, EndianSlice, NativeEndian, SectionId};
use object::read::elf::NativeElfFile;
use object::{Object, ObjectSection, ObjectSymbol, ReadCache, SymbolKind};

use super::Symbol;

/// The most bytes of debug information that are read: more is taken for none.
const DEBUG_INFO_LIMIT: u64 = 1 << 30;
/// The most functions at one address.
const INLINED_LIMIT: usize = 64;
/// The most bytes of a name or path.
const TEXT_LIMIT: usize = 1024;
/// The most pairs of a symbol and an address in it that are looked at.
const PAIRS_LIMIT: usize = 10_000_000;

type ElfFile<'a> = NativeElfFile<'a, &'a ReadCache<File>>;

/// Reads the symbols at these addresses, which are sorted, from a file, if it has this build id. What was `found` before is
/// kept where the file knows no more.
pub(super) fn read(file: File, build_id: &[u8], addresses: &[u64], found: &mut [Vec<Symbol>]) {
    let cache = ReadCache::new(file);
    let Ok(elf) = ElfFile::parse(&cache) else { return };
    if elf.build_id().ok().flatten().unwrap_or_default() == build_id {
        read_lines(&elf, addresses, found);
        read_names(&elf, addresses, found);
    }
}

/// Reads functions and lines from the debug information.
fn read_lines(elf: &ElfFile<'_>, addresses: &[u64], found: &mut [Vec<Symbol>]) {
    let left = Cell::new(DEBUG_INFO_LIMIT);
    let section = |id: SectionId| -> Result<_, gimli::Error> {
        let section = elf.section_by_name(id.name());
        let data = section.and_then(|section| {
            left.set(left.get().checked_sub(section.size())?);
            section.uncompressed_data().ok()
        });
        // A compressed section is an error, as the crate is compiled without compression.
        let data = if let Some(Cow::Borrowed(data)) = data { data } else { &[] };
        Ok(EndianSlice::new(data, NativeEndian))
    };
    let Ok(context) = Dwarf::load(section).and_then(Context::from_dwarf) else { return };
    for (address, symbols) in addresses.iter().zip(found) {
        if symbols.last().is_none_or(|outermost| outermost.line.is_none()) {
            let in_debug_info = functions(&context, *address);
            if !in_debug_info.is_empty() {
                *symbols = in_debug_info;
            }
        }
    }
}

/// Returns the functions at an address, the innermost first.
fn functions(context: &Context<EndianSlice<'_, NativeEndian>>, address: u64) -> Vec<Symbol> {
    let mut symbols = Vec::new();
    // The debug information of functions may be in files of its own (`split-debuginfo`); the lines are here.
    let Ok(mut frames) = context.find_frames(address).skip_all_loads() else { return symbols };
    while symbols.len() < INLINED_LIMIT
        && let Ok(Some(frame)) = frames.next()
    {
        let name = frame.function.as_ref().and_then(|name| name.raw_name().ok());
        let location = frame.location.as_ref();
        symbols.push(Symbol {
            function: name.map(|name| demangled(&name)).unwrap_or_default(),
            file: location.and_then(|location| location.file).map(shortened),
            line: location.and_then(|location| location.line).filter(|line| *line > 0),
            inlined: true,
        });
    }
    if let Some(outermost) = symbols.last_mut() {
        outermost.inlined = false;
    }
    symbols
}

/// Reads the names of the functions that have none yet, or none with a module, from the symbol tables.
fn read_names(elf: &ElfFile<'_>, addresses: &[u64], found: &mut [Vec<Symbol>]) {
    // Line tables alone name a function without its module.
    let is_wanted = |symbols: &Vec<Symbol>| symbols.last().is_none_or(|outermost| !outermost.function.contains("::"));
    let mut wanted: Vec<_> = found.iter().map(is_wanted).collect();
    let mut left = wanted.iter().filter(|is_wanted| **is_wanted).count();
    let mut pairs = 0;
    for symbol in elf.symbols().chain(elf.dynamic_symbols()) {
        if left == 0 || pairs > PAIRS_LIMIT {
            break;
        }
        let is_function = symbol.kind() == SymbolKind::Text && symbol.is_definition();
        let end = symbol.address().saturating_add(symbol.size());
        let first = addresses.partition_point(|address| *address < symbol.address());
        let covered = addresses[first..].iter().take_while(|address| is_function && **address < end).count();
        for index in first..first + covered {
            pairs += 1;
            let name = symbol.name_bytes().ok().filter(|name| wanted[index] && !name.is_empty());
            let Some(name) = name.map(String::from_utf8_lossy) else { continue };
            (wanted[index], left) = (false, left - 1);
            let function = demangled(&name);
            match found[index].last_mut() {
                None => found[index].push(Symbol { function, ..Symbol::default() }),
                Some(outermost) if outermost.function.is_empty() || function.contains("::") => {
                    outermost.function = function;
                }
                Some(_) => {}
            }
        }
    }
}

/// Returns a function's name as its author wrote it, without the hash.
fn demangled(name: &str) -> String {
    match rustc_demangle::try_demangle(name) {
        Ok(demangled) => shortened(&format!("{demangled:#}")),
        Err(_) => shortened(name),
    }
}

/// Returns the beginning of a text.
fn shortened(text: &str) -> String {
    match text.char_indices().find(|(index, _)| *index >= TEXT_LIMIT) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn here() -> u64 {
        std::hint::black_box(here as fn() -> u64 as usize as u64)
    }

    /// Returns the address of a function in the file of this process.
    fn offset_of(function: u64) -> u64 {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("there is /proc");
        let exe = std::fs::read_link("/proc/self/exe").expect("there is /proc");
        let base = maps.lines().find(|line| line.ends_with(&*exe.to_string_lossy())).expect("it is mapped");
        let base = u64::from_str_radix(base.split('-').next().expect("a range"), 16).expect("an address");
        function - base
    }

    fn own_build_id() -> Vec<u8> {
        let cache = ReadCache::new(File::open("/proc/self/exe").expect("there is /proc"));
        let elf = ElfFile::parse(&cache).expect("it is an ELF file");
        elf.build_id().expect("its notes are valid").unwrap_or_default().to_vec()
    }

    #[test]
    #[cfg_attr(miri, ignore = "it reads files")]
    fn a_function_of_this_binary_has_its_name_and_line() {
        let exe = std::fs::read_link("/proc/self/exe").expect("there is /proc");
        let address = offset_of(here());
        let symbols = super::super::resolve(&exe.to_string_lossy(), &own_build_id(), &[address]);
        let outermost = symbols[0].last().expect("it has a symbol table");
        assert!(outermost.function().ends_with("symbols::elf::tests::here"), "{outermost:?}");
        assert!(outermost.file().is_some_and(|file| file.ends_with("symbols/elf.rs")), "{outermost:?}");
        assert!(outermost.line().is_some() && !outermost.is_inlined(), "{outermost:?}");
    }

    #[test]
    #[cfg_attr(miri, ignore = "it reads files")]
    fn a_file_with_another_build_id_is_not_read() {
        let exe = std::fs::read_link("/proc/self/exe").expect("there is /proc");
        let symbols = super::super::resolve(&exe.to_string_lossy(), b"another build", &[offset_of(here())]);
        assert_eq!(symbols, [Box::default()]);
    }

    #[test]
    #[cfg_attr(miri, ignore = "it reads files")]
    fn a_damaged_file_gives_nothing_and_never_panics() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("damaged");
        let original = std::fs::read("/proc/self/exe").expect("there is /proc");
        let head = &original[..original.len().min(1 << 20)];
        for length in [0, 1, 16, 63, 64, 65, 1000, head.len()] {
            std::fs::write(&path, &head[..length]).expect("the folder is ours");
            let mut found = vec![Vec::new()];
            read(File::open(&path).expect("it exists"), &own_build_id(), &[0x1000], &mut found);
        }
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let name = "é".repeat(TEXT_LIMIT);
        let short = shortened(&name);
        assert!(short.ends_with("é…") && short.len() <= TEXT_LIMIT + 4, "{}", short.len());
        assert_eq!(demangled("_ZN3foo3bar17h05af221e174051e9E"), "foo::bar");
        assert_eq!(demangled("pthread_mutex_lock"), "pthread_mutex_lock");
    }
}
