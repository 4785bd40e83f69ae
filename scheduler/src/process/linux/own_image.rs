//! Finding the file of this program, and the way to execute it again.
//!
//! `/proc/self/exe` leads to the file that was executed. That is another file if the dynamic loader was called explicitly
//! (`ld.so ./app`), or if valgrind or an emulator runs the program. The program headers are in memory in any case, and
//! `/proc/self/maps` has the file that they are mapped from.

#![expect(unsafe_code, reason = "rustix has neither `AT_BASE` nor the list of loaded objects")]

use std::env;
use std::ffi::{CStr, OsString, c_int, c_void};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::ptr;
use std::sync::OnceLock;

use crate::process::OwnImage;

/// The kernel's link to the executed image, which stays valid if the file is replaced, or if the main thread has exited.
pub(crate) const EXECUTED: &str = "/proc/thread-self/exe";

/// Returns the image of this process.
pub(crate) fn own_image() -> &'static OwnImage {
    static IMAGE: OnceLock<OwnImage> = OnceLock::new();
    IMAGE.get_or_init(find)
}

fn find() -> OwnImage {
    let Ok(executed) = rustix::fs::stat(EXECUTED) else {
        return OwnImage::Unknown;
    };
    let program = MainProgram::find();
    let is_loaded = program.needs_a_loader && !was_given_a_loader();
    // Two `stat` calls suffice, unless the program was started in an unusual way, or replaced.
    let named = name_of_executed().and_then(|name| rustix::fs::stat(name).ok());
    if !is_loaded && named.is_some_and(|file| (file.st_dev, file.st_ino) == (executed.st_dev, executed.st_ino)) {
        return OwnImage::Kept;
    }
    let maps = fs::read(MAPS).unwrap_or_default();
    let link = fs::read_link(EXECUTED).unwrap_or_default();
    match mapped_from(&maps, program.headers) {
        Some(file) if file != link && is_loaded => OwnImage::Loaded { options: loader_options(), file },
        Some(file) if file != link => OwnImage::Interpreted { file },
        _ => OwnImage::Kept,
    }
}

const MAPS: &str = "/proc/thread-self/maps";

/// The main program, which is the first of the loaded objects.
#[derive(Debug, Default)]
struct MainProgram {
    /// The address of its headers.
    headers: usize,
    /// Whether it requests a loader (`PT_INTERP`).
    needs_a_loader: bool,
}

impl MainProgram {
    fn find() -> Self {
        let mut program = Self::default();
        // SAFETY: `take_first` has the right signature, and `program` outlives the call.
        unsafe { libc::dl_iterate_phdr(Some(take_first), (&raw mut program).cast()) };
        program
    }
}

/// Reads the first object, and stops the iteration.
unsafe extern "C" fn take_first(info: *mut libc::dl_phdr_info, _: usize, program: *mut c_void) -> c_int {
    // SAFETY: The C library passes a valid object, and the pointer that `find` has passed to it.
    let (info, program) = unsafe { (&*info, &mut *program.cast::<MainProgram>()) };
    if !info.dlpi_phdr.is_null() {
        program.headers = info.dlpi_phdr.addr();
        // SAFETY: The program has this many headers, which stay mapped.
        let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
        program.needs_a_loader = headers.iter().any(|header| header.p_type == libc::PT_INTERP);
    }
    1
}

/// Returns whether the kernel has loaded a loader beside the executed file (`AT_BASE`).
fn was_given_a_loader() -> bool {
    // SAFETY: `getauxval` reads a value that the kernel left for this process; it has no preconditions.
    unsafe { libc::getauxval(libc::AT_BASE) != 0 }
}

/// Returns the path by which this process was executed. rustix's function takes it for granted that there is one.
fn name_of_executed() -> Option<&'static CStr> {
    // SAFETY: As above.
    let name = unsafe { libc::getauxval(libc::AT_EXECFN) };
    let name = ptr::with_exposed_provenance::<libc::c_char>(usize::try_from(name).ok()?);
    // SAFETY: The kernel left a text there that ends in a zero, at the very end of the stack of the main thread.
    (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) })
}

/// Returns the file that is mapped at this address.
fn mapped_from(maps: &[u8], address: usize) -> Option<PathBuf> {
    maps.split(|byte| *byte == b'\n').find_map(|line| {
        let text = str::from_utf8(line.get(..line.iter().position(|byte| *byte == b' ')?)?).ok()?;
        let (from, to) = text.split_once('-')?;
        let [from, to] = [from, to].map(|bound| usize::from_str_radix(bound, 16));
        if !(from.ok()?..to.ok()?).contains(&address) {
            return None;
        }
        let path = &line[line.iter().position(|byte| *byte == b'/')?..];
        Some(PathBuf::from(OsString::from_vec(unescaped(path))))
    })
}

/// Replaces `\012`, which is how the kernel writes a newline in a path.
fn unescaped(path: &[u8]) -> Vec<u8> {
    let mut unescaped = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(b"\\012") {
            unescaped.push(b'\n');
            rest = after;
        } else {
            unescaped.push(*first);
            rest = after;
        }
    }
    unescaped
}

/// Returns the options that the loader was called with, such as `--library-path`.
fn loader_options() -> Vec<OsString> {
    let line = fs::read("/proc/thread-self/cmdline").unwrap_or_default();
    let line: Vec<&[u8]> = line.strip_suffix(b"\0").unwrap_or(&line).split(|byte| *byte == 0).collect();
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    options_before(&line, &arguments)
}

/// Returns the words between the loader's name and the program's, which has these arguments. Returns none if the program
/// has overwritten its command line.
fn options_before(line: &[&[u8]], arguments: &[OsString]) -> Vec<OsString> {
    let Some((program, given)) =
        line.len().checked_sub(arguments.len()).filter(|at| *at >= 2).map(|at| line.split_at(at))
    else {
        return Vec::new();
    };
    if !given.iter().zip(arguments).all(|(given, argument)| *given == argument.as_bytes()) {
        return Vec::new();
    }
    program[1..program.len() - 1].iter().map(|option| OsString::from_vec(option.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_keeps_this_program() {
        assert_eq!(find(), OwnImage::Kept);
    }

    #[test]
    fn the_main_programs_headers_are_mapped_from_its_file() {
        let maps = fs::read(MAPS).expect("this is Linux");
        let link = fs::read_link(EXECUTED).expect("this is Linux");
        assert_eq!(mapped_from(&maps, MainProgram::find().headers), Some(link));
    }

    #[test]
    fn a_file_is_found_by_an_address() {
        let maps = b"1000-2000 r--p 00000000 fe:00 7    /opt/a\\012 b\n2000-3000 rw-p 00000000 00:00 0 \n";
        assert_eq!(mapped_from(maps, 0x1fff), Some(PathBuf::from("/opt/a\n b")));
        assert_eq!(mapped_from(maps, 0x2000), None);
        assert_eq!(mapped_from(maps, 0), None);
    }

    #[test]
    fn the_loaders_options_are_the_words_before_the_program() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        let table = [
            ("ld.so ./app", "", ""),
            ("ld.so ./app 1 2", "1 2", ""),
            ("ld.so --library-path /opt/lib ./app 1", "1", "--library-path /opt/lib"),
            // The program has set another title.
            ("app: idle", "1 2", ""),
            ("app: working on it now", "1 2", ""),
        ];
        for (line, arguments, options) in table {
            let line: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            let [arguments, options] =
                [arguments, options].map(|text| if text.is_empty() { Vec::new() } else { words(text) });
            assert_eq!(options_before(&line, &arguments), options);
        }
    }
}
