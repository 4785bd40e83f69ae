//! The names of functions, binaries and files, as a reader wants them.

use std::fmt::Write as _;
use std::path::Path;

use crate::symbols::Symbol;

/// The beginnings of the paths of functions in the standard library, and in this crate.
const LIBRARY: [&str; 6] = ["std::", "core::", "alloc::", "__rustc::", "__rust_try", "scheduler::"];

/// The folder of this crate's sources, as they were compiled: functions that were inlined have no path in their name.
const OWN_SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/");

/// The packages of runtimes and pools, which call a program's tasks, of locks, and of system calls.
const RUNTIMES: [&str; 8] =
    ["tokio", "mio", "rayon", "rayon-core", "parking-lot", "parking-lot-core", "lock-api", "rustix"];

/// The most characters of the arguments of a generic function that are shown.
const ARGUMENTS_LENGTH: usize = 40;

/// The beginnings of the file names of the C library and its parts.
const SYSTEM_MODULES: [&str; 6] = ["libc.so", "libc-2", "libpthread", "ld-linux", "ld-musl", "[vdso]"];

/// The functions with which a thread or a program begins. What called them is of no interest.
const STARTS: [&str; 9] = [
    "start_thread",
    "clone",
    "clone3",
    "__clone",
    "__clone3",
    "_start",
    "__libc_start_main",
    "__libc_start_main_impl",
    "__libc_start_call_main",
];

/// Returns whether a function is one of the standard library, or of this crate.
pub(super) fn is_library(symbol: &Symbol) -> bool {
    library_path(symbol).is_some()
        || LIBRARY.iter().any(|prefix| defining_path(&symbol.function).starts_with(prefix))
        || symbol.file.as_deref().is_some_and(|file| file.starts_with(OWN_SOURCES))
}

/// Returns the path that tells in which package a function is, such as `std::io::stdio::Stdout as …` of
/// `<&std::io::stdio::Stdout as std::io::Write>::write_fmt`: that of the type which a method belongs to, or of the trait, if the type
/// is built into the language.
fn defining_path(function: &str) -> &str {
    let Some(mut method) = function.strip_prefix('<') else {
        return function;
    };
    while let Some(rest) = ["&", "*const ", "*mut ", "mut ", "dyn "].iter().find_map(|sign| method.strip_prefix(sign)) {
        method = rest;
    }
    let first_name = method.split(|character: char| !character.is_alphanumeric() && character != '_').next();
    if first_name.is_some_and(|name| !name.is_empty() && method[name.len()..].starts_with("::")) {
        return method;
    }
    // A slice, a tuple, a number. A method without a trait is the library's.
    method.split_once(" as ").map_or("core::", |(_, of_trait)| of_trait)
}

/// Returns whether a function is one of a runtime, a pool of threads or a lock: by its name, or by its file if it was inlined.
pub(super) fn is_runtime(symbol: &Symbol) -> bool {
    let name = defining_path(&symbol.function).split_once("::").map(|(package, _)| package.replace('_', "-"));
    let in_registry = symbol.file.as_deref().and_then(|file| file.split_once("/registry/src/"));
    let package = in_registry.and_then(|(_, path)| path.split('/').nth(1)?.rsplit_once('-'));
    let package = package.map(|(name, _)| name.replace('_', "-"));
    RUNTIMES.iter().any(|runtime| [&name, &package].into_iter().any(|name| name.as_deref() == Some(runtime)))
}

/// Returns the name of a function with `<…>` for long arguments.
pub(super) fn without_long_arguments(name: &str) -> String {
    let mut depth = 0_usize;
    for (index, character) in name.char_indices().rev().take_while(|_| name.ends_with('>')) {
        match character {
            // Not in `fn() -> T`.
            '>' if !name[..index].ends_with('-') => depth += 1,
            '<' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            let is_long = index > 0 && name.len() - index > ARGUMENTS_LENGTH;
            return if is_long { format!("{}<…>", &name[..index]) } else { name.to_owned() };
        }
    }
    name.to_owned()
}

/// Returns whether a binary belongs to the C library.
pub(super) fn is_system(module: &str) -> bool {
    let name = file_name(module);
    SYSTEM_MODULES.iter().any(|system| name.starts_with(system))
}

/// Returns whether this is the generated function that calls a job's, or a test's body.
pub(super) fn is_job_entry(symbol: &Symbol) -> bool {
    symbol.function.ends_with("__scheduler_run")
}

/// Returns whether a thread, a program or a job begins with this function.
pub(super) fn is_start(symbol: &Symbol) -> bool {
    is_job_entry(symbol) || is_thread_entry(symbol) || STARTS.contains(&symbol.function.as_str())
}

/// Returns whether this is the function of the standard library that calls a thread's.
pub(super) fn is_thread_entry(symbol: &Symbol) -> bool {
    symbol.function.contains("__rust_begin_short_backtrace")
}

/// Returns the path of a file of the standard library, without the folder that it was compiled in.
fn library_path(symbol: &Symbol) -> Option<&str> {
    let (folder, path) = symbol.file.as_deref()?.split_once("/library/")?;
    // Debian's compiler has the third form.
    let is_library = folder.starts_with("/rustc/") || folder.ends_with("/rustlib/src/rust");
    (is_library || folder.starts_with("/usr/src/rustc-")).then_some(path)
}

/// Returns the function of a thread that was inlined into the standard library's one which calls it. Names in the newer form, which
/// has the arguments of generic functions, tell which one that is.
pub(super) fn thread_function(entry: &Symbol) -> &str {
    let arguments = entry.function.split_once("__rust_begin_short_backtrace::<").map_or("", |(_, arguments)| arguments);
    let mut depth = 0_usize;
    let end = arguments.char_indices().find(|(index, character)| {
        match character {
            '<' | '(' | '[' => depth += 1,
            // Not in `fn() -> T`.
            '>' if arguments[..*index].ends_with('-') => {}
            '>' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && *character == ','
    });
    end.map_or("<the thread's function>", |(end, _)| &arguments[..end])
}

/// Returns the name of a function with its module.
///
/// A test's body is in a generated function, which is left out. With line tables only, the debug information has no modules for
/// functions that were inlined: that of a job is its caller's, the generated function, and those of the standard library follow
/// from its files.
pub(super) fn function_name(symbol: &Symbol, caller: Option<&Symbol>) -> String {
    let function = &symbol.function;
    if let Some(module) = function.strip_suffix("::_::__scheduler_run").filter(|_| symbol.file.is_none()) {
        return format!("{module}::<the job's function>");
    }
    if let Some((test, _)) = function.split_once("::_::__scheduler_run::") {
        return test.to_owned();
    }
    let has_module = function.split('<').next().is_some_and(|name| name.is_empty() || name.contains("::"));
    if let Some(module) = caller.and_then(|caller| caller.function.strip_suffix("::_::__scheduler_run"))
        && !has_module
    {
        return format!("{module}::{function}");
    }
    let path = library_path(symbol).filter(|_| !has_module).and_then(|path| path.strip_suffix(".rs"));
    match path.and_then(|path| path.split_once("/src/")) {
        None => function.clone(),
        Some((library, module)) => {
            let module = module.strip_suffix("/mod").unwrap_or(module).replace('/', "::");
            if module == "lib" { format!("{library}::{function}") } else { format!("{library}::{module}::{function}") }
        }
    }
}

/// Returns a shorter path of a source file: relative to `folder`, to the standard library, or to the sources of its package.
pub(super) fn source_path(path: &str, folder: Option<&Path>) -> String {
    let relative = folder.and_then(|folder| Path::new(path).strip_prefix(folder).ok());
    if let Some(relative) = relative.and_then(Path::to_str) {
        return relative.to_owned();
    }
    let in_registry = path.split_once("/registry/src/").and_then(|(_, path)| path.split_once('/'));
    let in_library = path.strip_prefix("/rustc/").and_then(|path| path.split_once('/'));
    in_registry.or(in_library).map_or(path, |(_, path)| path).to_owned()
}

/// Returns the last part of a path.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Returns bytes as a number in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    bytes.iter().try_for_each(|byte| write!(text, "{byte:02x}")).expect("a string takes all");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(function: &str, file: &str) -> Symbol {
        Symbol { function: function.to_owned(), file: Some(file.to_owned()), ..Symbol::default() }
    }

    #[test]
    fn an_inlined_function_of_the_library_has_the_module_of_its_file() {
        let lock = symbol("lock<u32>", "/rustc/59807616e1/library/std/src/sync/poison/mutex.rs");
        assert!(is_library(&lock));
        assert_eq!(function_name(&lock, None), "std::sync::poison::mutex::lock<u32>");
        let read = symbol("read_to_string<std::process::ChildStdout>", "/rustc/1/library/std/src/io/mod.rs");
        assert_eq!(function_name(&read, None), "std::io::read_to_string<std::process::ChildStdout>");
        let named = symbol("<std::sys::fs::File>::read", "/rustc/1/library/std/src/fs.rs");
        assert_eq!(function_name(&named, None), "<std::sys::fs::File>::read");
        let source = symbol("f", "/home/me/.rustup/toolchains/a/lib/rustlib/src/rust/library/core/src/lib.rs");
        assert_eq!((is_library(&source), function_name(&source, None).as_str()), (true, "core::f"));
        let own = symbol("lock<u32>", "/home/a/library/std/src/mutex.rs");
        assert_eq!((is_library(&own), function_name(&own, None).as_str()), (false, "lock<u32>"));
    }

    #[test]
    fn a_method_is_the_library_s_if_its_type_is_or_its_trait_for_a_type_of_the_language() {
        for library in [
            "<std::sys::fs::File>::read",
            "<&std::io::stdio::Stdout as std::io::Write>::write_fmt",
            "<&mut dyn core::fmt::Write as core::fmt::Write>::write_str",
            "<[app::A]>::sort_by::<app::f::{closure#0}>",
            "<[u8] as alloc::slice::Concat<u8>>::concat",
            "<u64 as core::fmt::Display>::fmt",
            "__rustc::rust_begin_unwind",
        ] {
            assert!(is_library(&symbol(library, "")), "{library}");
        }
        for program in
            ["<&app::A as core::fmt::Debug>::fmt", "<u8 as app::T>::f", "<(u8, u8) as app::T>::f", "app::std::f"]
        {
            assert!(!is_library(&symbol(program, "")), "{program}");
        }
    }

    #[test]
    fn a_runtime_is_recognized_by_a_name_or_a_file() {
        let registry = |package: &str| format!("/home/me/.cargo/registry/src/index.crates.io-1/{package}/src/a.rs");
        assert!(is_runtime(&symbol("tokio::runtime::run", "")));
        assert!(is_runtime(&symbol("<rayon_core::job::StackJob<F> as rayon_core::job::Job>::execute", "")));
        assert!(is_runtime(&symbol("block_on<F>", &registry("tokio-1.54.1"))));
        assert!(is_runtime(&symbol("park", &registry("parking_lot_core-0.9.12"))));
        assert!(!is_runtime(&symbol("tokio_util::run", &registry("tokio-util-0.7.1"))));
        assert!(!is_runtime(&symbol("app::run", "/home/me/tokio-1.54.1/src/a.rs")));
    }

    #[test]
    fn a_function_of_this_crate_is_recognized_by_its_name_or_by_its_file_if_it_was_inlined() {
        let own = concat!(env!("CARGO_MANIFEST_DIR"), "/src/runtime.rs");
        assert!(is_library(&symbol("{async_block#0}<()>", own)) && is_library(&symbol("scheduler::child::run", "")));
        assert!(!is_library(&symbol("scheduler_tests::run", "/home/me/scheduler/src/runtime.rs")));
    }

    #[test]
    fn long_arguments_of_a_generic_function_are_left_out() {
        let long = "core::pin::Pin<&mut dyn core::future::future::Future<Output=()>>";
        assert_eq!(without_long_arguments(&format!("block_on<{long}>")), "block_on<…>");
        assert_eq!(without_long_arguments(&format!("f<fn({long}) -> u8>")), "f<…>");
        for name in ["lock<u32>", "app::f", &format!("<{long} as app::T>::f"), &format!("<{long}>"), "a>", ">", ""] {
            assert_eq!(without_long_arguments(name), name);
        }
    }

    #[test]
    fn the_body_of_a_test_has_the_name_of_the_test() {
        let body = symbol("app::tests::hangs::_::__scheduler_run::hangs", "src/lib.rs");
        assert_eq!((function_name(&body, None).as_str(), is_start(&body)), ("app::tests::hangs", false));
    }

    #[test]
    fn a_thread_s_function_that_was_inlined_is_named_where_the_name_tells_it() {
        let function = |arguments: &str| {
            let entry = symbol(&format!("std::sys::backtrace::__rust_begin_short_backtrace{arguments}"), "");
            assert!(is_thread_entry(&entry));
            thread_function(&entry).to_owned()
        };
        assert_eq!(function("::<app::three::{closure#0}, ()>"), "app::three::{closure#0}");
        assert_eq!(function("::<app::f<u8, (u8, u16)>::{closure#1}, u8>"), "app::f<u8, (u8, u16)>::{closure#1}");
        assert_eq!(function("::<fn(u8) -> (u8, u8), ()>"), "fn(u8) -> (u8, u8)");
        for unknown in ["", "::<", "::<app"] {
            assert_eq!(function(unknown), "<the thread's function>");
        }
    }

    #[test]
    fn a_job_that_was_inlined_has_the_module_of_the_function_that_calls_it() {
        let entry = symbol("app::jobs::_::__scheduler_run", "src/jobs.rs");
        assert_eq!(function_name(&symbol("hangs", "src/jobs.rs"), Some(&entry)), "app::jobs::hangs");
        assert_eq!(function_name(&symbol("app::hangs", "src/jobs.rs"), Some(&entry)), "app::hangs");
        assert_eq!(function_name(&symbol("hangs", "src/jobs.rs"), None), "hangs");
    }

    #[test]
    fn paths_are_relative_to_the_folder_the_library_or_the_package() {
        let shown = |path| source_path(path, Some(Path::new("/home/a/app")));
        assert_eq!(shown("/home/a/app/src/lib.rs"), "src/lib.rs");
        assert_eq!(shown("/home/a/.cargo/registry/src/index-1/b-1.0.0/src/lib.rs"), "b-1.0.0/src/lib.rs");
        assert_eq!(shown("/rustc/59807616e1/library/std/src/fs.rs"), "library/std/src/fs.rs");
        assert_eq!(shown("/opt/c.c"), "/opt/c.c");
    }
}
