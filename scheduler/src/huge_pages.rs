//! `reserve`: reserves large buffers in huge pages.
//!
//! A fresh page costs more than copying bytes into it: the kernel clears it, and faults again after 4 KiB. Huge pages cost a small
//! part of that (`madvise(2)`, `MADV_HUGEPAGE`), on kernels that provide them to programs which request them, as most do.
//!
//! They pay off if the whole capacity is reserved at once: a buffer that grows is moved to an address where huge pages don't fit, and
//! splitting them costs more than they saved.

/// The size in bytes from which a buffer is worth the call.
const LARGE: usize = 4 << 20;

/// Reserves capacity for `more` bytes, which will be written at once.
pub(crate) fn reserve(bytes: &mut Vec<u8>, more: usize) {
    let before = bytes.capacity();
    bytes.reserve(more);
    if more >= LARGE && bytes.capacity() != before {
        prefer_huge(bytes);
    }
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "advice on memory has no safe API")]
fn prefer_huge(bytes: &mut Vec<u8>) {
    use rustix::mm::{Advice, madvise};

    let page = rustix::param::page_size();
    let room = bytes.spare_capacity_mut();
    let first = room.as_mut_ptr().align_offset(page);
    let whole = room.len().saturating_sub(first) / page * page;
    if whole > 0 {
        // SAFETY: The range is within our own allocation, and the advice doesn't change its contents. A kernel without huge pages
        // refuses, which is fine.
        let _ = unsafe { madvise(room[first..].as_mut_ptr().cast(), whole, Advice::LinuxHugepage) };
    }
}

#[cfg(not(target_os = "linux"))]
fn prefer_huge(_: &mut Vec<u8>) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_keeps_its_contents_at_any_size() {
        let mut bytes = b"begun".to_vec();
        reserve(&mut bytes, LARGE);
        assert!(bytes.capacity() >= LARGE + 5);
        bytes.resize(LARGE, 7);
        reserve(&mut bytes, 2 * LARGE);
        assert_eq!(&bytes[..6], b"begun\x07");
        assert_eq!(bytes.last(), Some(&7));
    }

    #[test]
    #[cfg(all(target_os = "linux", not(miri)))]
    fn huge_pages_are_requested_for_the_buffer() {
        let mut bytes = Vec::new();
        reserve(&mut bytes, 8 * LARGE);
        let middle = bytes.spare_capacity_mut()[4 * LARGE..].as_ptr().addr();
        let maps = std::fs::read_to_string("/proc/self/smaps").expect("/proc is mounted");
        let mut is_ours = false;
        let flags = maps.lines().find(|line| {
            let range = line.split_once(' ').and_then(|(range, _)| range.split_once('-'));
            let address = |text| usize::from_str_radix(text, 16).ok();
            if let Some((Some(from), Some(to))) = range.map(|(from, to)| (address(from), address(to))) {
                is_ours = (from..to).contains(&middle);
            }
            is_ours && line.starts_with("VmFlags:")
        });
        // The kernel may be built without them.
        let has_any = std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists();
        assert_eq!(flags.is_some_and(|flags| flags.split(' ').any(|flag| flag == "hg")), has_any, "{flags:?}");
    }
}
