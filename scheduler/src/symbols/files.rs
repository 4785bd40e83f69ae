//! The files that may describe a binary: the binary itself, and the system's debug file for its build id.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The suffix by which the kernel marks the path of a file that was deleted or replaced.
const DELETED: &str = " (deleted)";

const OWN_IMAGE: &str = "/proc/thread-self/exe";

/// Opens, one after the other, the files that may be the binary with this path and build id, or describe it.
pub(super) fn candidates(path: &str, build_id: &[u8]) -> impl Iterator<Item = File> {
    [image(path, build_id), debug_file(build_id)].into_iter().flatten().filter_map(|path| open(&path))
}

/// Returns the path of the binary.
fn image(path: &str, build_id: &[u8]) -> Option<PathBuf> {
    // A job runs the image of this process, even if the file has been deleted or replaced since.
    if fs::read_link(OWN_IMAGE).is_ok_and(|target| target.to_str().is_some_and(|own| is_same(own, path, build_id))) {
        return Some(OWN_IMAGE.into());
    }
    let path = match path.strip_suffix(DELETED) {
        // Without a build id nothing shows whether the file that now has the path is the same.
        Some(_) if build_id.is_empty() => return None,
        Some(replaced) => replaced,
        None => path,
    };
    path.starts_with('/').then(|| path.into())
}

/// Returns whether the path of this process's own image is that of a job's, which may have been read before the file was deleted or
/// replaced.
fn is_same(own: &str, path: &str, build_id: &[u8]) -> bool {
    own == path || !build_id.is_empty() && own.strip_suffix(DELETED) == Some(path)
}

/// Returns the path at which distributions install the debug file of a binary.
fn debug_file(build_id: &[u8]) -> Option<PathBuf> {
    let (first, rest) = build_id.split_first().filter(|(_, rest)| !rest.is_empty())?;
    let mut path = format!("/usr/lib/debug/.build-id/{first:02x}/");
    rest.iter().try_for_each(|byte| write!(path, "{byte:02x}")).expect("a string takes all");
    path.push_str(".debug");
    Some(path.into())
}

/// Opens a regular file: a job may map any other one as code.
fn open(path: &Path) -> Option<File> {
    let is_file = fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    if is_file { File::open(path).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debug_file_is_found_by_the_build_id() {
        let path = debug_file(&[0xab, 0x0c, 0xff]).expect("it has one");
        assert_eq!(path, Path::new("/usr/lib/debug/.build-id/ab/0cff.debug"));
        assert_eq!((debug_file(&[]), debug_file(&[1])), (None, None));
    }

    #[test]
    fn a_replaced_file_counts_only_if_its_build_id_can_be_compared() {
        assert_eq!(image("/bin/a (deleted)", &[1, 2]).as_deref(), Some(Path::new("/bin/a")));
        assert_eq!(image("/bin/a (deleted)", &[]), None);
        assert_eq!(image("/bin/a", &[]).as_deref(), Some(Path::new("/bin/a")));
        assert_eq!(image("[vdso]", &[1, 2]), None);
    }

    #[test]
    #[cfg_attr(miri, ignore = "it reads files")]
    fn the_own_image_needs_no_file() {
        let own = fs::read_link("/proc/self/exe").expect("there is /proc");
        let path = own.to_str().expect("its path is UTF-8");
        assert_eq!(image(path, &[]).as_deref(), Some(Path::new(OWN_IMAGE)));
    }

    #[test]
    fn the_own_image_is_recognized_after_its_file_was_deleted() {
        assert!(is_same("/bin/a (deleted)", "/bin/a", &[1]) && is_same("/bin/a (deleted)", "/bin/a (deleted)", &[]));
        assert!(!is_same("/bin/a (deleted)", "/bin/a", &[]) && !is_same("/bin/a (deleted)", "/bin/b", &[1]));
        assert!(!is_same("/bin/a", "/bin/a (deleted)", &[1]));
    }

    #[test]
    fn only_regular_files_are_opened() {
        assert!(open(Path::new("/dev/null")).is_none() && open(Path::new("/")).is_none());
    }
}
