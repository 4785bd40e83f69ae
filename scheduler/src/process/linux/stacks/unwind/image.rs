//! `Image`: the memory of a process, read where the maps allow it.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::maps::{Mapping, Maps};

/// The size of a page, or a part of one.
const PAGE: usize = 4096;

/// The most pages that are kept at a time.
const PAGES: usize = 1024;

/// Memory that can be read by pages.
pub(in crate::process::linux::stacks) trait Memory {
    /// Reads the page that begins at this address; `None` if it can't be read.
    fn read_page(&self, address: u64) -> Option<Box<[u8; PAGE]>>;
}

/// The memory of a process.
///
/// It is read through `/proc/PID/mem`: the kernel doesn't wait there for a page that the program itself would have to provide
/// (`userfaultfd`), as it does in `process_vm_readv`.
#[derive(Debug)]
pub(in crate::process::linux::stacks) struct ProcessMemory(File);

impl ProcessMemory {
    /// Opens the memory of the process of this thread, which has not exited.
    pub(in crate::process::linux::stacks) fn open(thread: &str) -> io::Result<Self> {
        File::open(format!("/proc/{thread}/mem")).map(Self)
    }
}

impl Memory for ProcessMemory {
    fn read_page(&self, address: u64) -> Option<Box<[u8; PAGE]>> {
        let mut page = Box::new([0; PAGE]);
        self.0.read_exact_at(&mut *page, address).ok()?;
        Some(page)
    }
}

/// The memory of a process with its maps, and the pages that were read.
#[derive(Debug)]
pub(super) struct Image<'a, M> {
    memory: &'a M,
    pub(super) maps: &'a Maps,
    pages: HashMap<u64, Option<Box<[u8; PAGE]>>>,
}

impl<'a, M: Memory> Image<'a, M> {
    pub(super) fn new(memory: &'a M, maps: &'a Maps) -> Self {
        Self { memory, maps, pages: HashMap::new() }
    }

    /// Reads from a binary.
    pub(super) fn read_binary(&mut self, address: u64, bytes: &mut [u8]) -> Option<()> {
        self.read(address, bytes, Mapping::is_image)
    }

    /// Reads a word of a stack.
    pub(super) fn read_stack(&mut self, address: u64) -> Option<u64> {
        let mut word = [0; 8];
        self.read(address, &mut word, Mapping::is_stack)?;
        Some(u64::from_le_bytes(word))
    }

    /// Reads a number of a binary.
    pub(super) fn read_u32(&mut self, address: u64) -> Option<u32> {
        let mut number = [0; 4];
        self.read_binary(address, &mut number)?;
        Some(u32::from_le_bytes(number))
    }

    fn read(&mut self, mut address: u64, mut bytes: &mut [u8], allows: fn(&Mapping) -> bool) -> Option<()> {
        while !bytes.is_empty() {
            let begin = address & !(PAGE as u64 - 1);
            self.maps.find(address).filter(|mapping| allows(mapping))?;
            if !self.pages.contains_key(&begin) {
                if self.pages.len() >= PAGES {
                    self.pages.clear();
                }
                self.pages.insert(begin, self.memory.read_page(begin));
            }
            let page = self.pages.get(&begin)?.as_ref()?;
            let rest = &page[usize::try_from(address - begin).ok()?..];
            let count = rest.len().min(bytes.len());
            bytes[..count].copy_from_slice(&rest[..count]);
            bytes = &mut bytes[count..];
            address = address.checked_add(count as u64)?;
        }
        Some(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Memory that a test has written.
    #[derive(Debug, Default)]
    pub(in super::super) struct Written(BTreeMap<u64, Vec<u8>>);

    impl Written {
        pub(in super::super) fn with(mut self, address: u64, bytes: &[u8]) -> Self {
            self.0.insert(address, bytes.to_vec());
            self
        }
    }

    impl Memory for Written {
        fn read_page(&self, address: u64) -> Option<Box<[u8; PAGE]>> {
            let mut page = Box::new([0; PAGE]);
            for (begin, bytes) in &self.0 {
                for (byte, at) in bytes.iter().zip(*begin..) {
                    if let Some(offset) = at.checked_sub(address).and_then(|offset| usize::try_from(offset).ok())
                        && let Some(slot) = page.get_mut(offset)
                    {
                        *slot = *byte;
                    }
                }
            }
            Some(page)
        }
    }

    #[test]
    fn memory_is_read_only_where_the_maps_allow_it() {
        let maps = Maps::parse(b"1000-3000 rw-p 0 0:0 0\n3000-4000 r--p 0 1:1 7 /a\n4000-5000 rw-s 0 1:1 8 /dev/mem\n");
        let memory = Written::default().with(0x1ffc, &[1, 0, 0, 0, 2, 0, 0, 0]).with(0x3000, &[3, 0, 0, 0]);
        let mut image = Image::new(&memory, &maps);
        assert_eq!(image.read_stack(0x1ffc), Some(0x2_0000_0001));
        assert_eq!(image.read_u32(0x3000), Some(3));
        for address in [0x0, 0xffc, 0x2ffc, 0x3000, 0x4000, u64::MAX - 3] {
            assert_eq!(image.read_stack(address), None, "{address:x}");
        }
        for address in [0x1000, 0x3ffd, 0x4000, u64::MAX] {
            assert_eq!(image.read_u32(address), None, "{address:x}");
        }
    }
}
