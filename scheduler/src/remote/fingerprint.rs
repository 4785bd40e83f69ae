//! The fingerprint of a build: checksum and length of the program's file. An agent of another build would decode a job's arguments as
//! other values, so it is refused.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::OnceLock;

use crate::launcher;

/// Returns the fingerprint of the running program; 0 if its file can't be read.
pub(super) fn of_this_build() -> u64 {
    static FINGERPRINT: OnceLock<u64> = OnceLock::new();
    *FINGERPRINT.get_or_init(|| of_file(&launcher::image_path()).unwrap_or_default())
}

fn of_file(path: &Path) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let (mut checksum, mut length) = (crc32fast::Hasher::new(), 0_u64);
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((u64::from(checksum.finalize()) << 32) | (length & u64::from(u32::MAX))),
            Ok(count) => {
                checksum.update(&buffer[..count]);
                length += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "it reads files")]
    fn a_changed_byte_and_another_length_change_the_fingerprint() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("app");
        let of = |bytes: &[u8]| {
            fs::write(&path, bytes).expect("a file");
            of_file(&path).expect("it was just written")
        };
        let one = of(b"one build");
        assert_eq!(of(b"one build"), one);
        assert_ne!(of(b"one_build"), one);
        assert_ne!(of(b"one build\0"), one);
        assert_ne!(of_this_build(), 0);
    }
}
