//! Random bytes, to tell runs apart and to spread retries.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Returns random bytes. The keys of the standard library's hash maps are good enough against accidents.
pub(crate) fn random_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    // A fork has the keys of its parent, and would get the same bytes.
    let process = std::process::id();
    for half in bytes.chunks_exact_mut(8) {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(process);
        half.copy_from_slice(&hasher.finish().to_le_bytes());
    }
    bytes
}
