//! Large buffers, and the pages that the kernel backs them with.
//!
//! A fresh page costs more than the bytes that are copied into it: the kernel clears it, and looks for the next one after
//! 4 KiB. Huge pages cost a small part of that (`madvise(2)`, `MADV_HUGEPAGE`), where the kernel leaves it to programs to
//! ask for them, as most do.
//!
//! They are worth it where the whole room is reserved at once: a buffer that grows is moved, to where huge pages don't
//! fit, and to split them costs more than they saved.

/// A buffer of fewer bytes is not worth the call.
const LARGE: usize = 4 << 20;

/// Reserves room for so many bytes more, that are to be written at once.
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
        // SAFETY: The range is within memory of ours, and the advice changes nothing of what is in it. A kernel that has no
        // huge pages refuses, which is as good.
        let _ = unsafe { madvise(room[first..].as_mut_ptr().cast(), whole, Advice::LinuxHugepage) };
    }
}

#[cfg(not(target_os = "linux"))]
fn prefer_huge(_: &mut Vec<u8>) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_keeps_what_is_in_it_however_large_it_becomes() {
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
    fn huge_pages_are_asked_for_where_the_buffer_lies() {
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
