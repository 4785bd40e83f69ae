//! `Maps`: the mappings of a process, from `/proc/PID/maps`.

use std::ops::Range;

/// The most mappings that are kept. A process may have 65,530 by default.
const MAPPINGS: usize = 80 << 10;

/// The number of lines after which the time is looked at.
const LINES: usize = 1 << 10;

/// The most bytes of a path that are kept.
const PATH_LIMIT: usize = 512;

/// A mapping: a range of addresses with the same rights and the same file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) addresses: Range<u64>,
    is_readable: bool,
    is_writable: bool,
    pub(super) is_executable: bool,
    /// Where the mapping begins in the file.
    pub(super) offset: u64,
    /// The device and the inode of the file; an inode of 0 is none.
    file: (u64, u64),
    /// The file, or a name in brackets.
    pub(super) path: String,
}

/// The mappings of a process, by address.
#[derive(Clone, Debug, Default)]
pub(in crate::process::linux::stacks) struct Maps(Vec<Mapping>);

impl Maps {
    /// Parses the file, whose whole text is there.
    #[cfg(any(test, fuzzing))]
    pub(super) fn parse(text: &[u8]) -> Self {
        Self::parse_while(text, || true)
    }

    /// Parses the file. A line that makes no sense is left out, and so are mappings beyond the limit, or once there is no more time.
    pub(in crate::process::linux::stacks) fn parse_while(text: &[u8], has_time: impl Fn() -> bool) -> Self {
        let mut mappings: Vec<Mapping> = Vec::new();
        for (index, line) in text.split(|byte| *byte == b'\n').take(MAPPINGS).enumerate() {
            if index % LINES == LINES - 1 && !has_time() {
                break;
            }
            let Some(mapping) = Mapping::parse(line) else { continue };
            // The kernel lists them in order; a search depends on it.
            if mappings.last().is_none_or(|last| last.addresses.end <= mapping.addresses.start) {
                mappings.push(mapping);
            }
        }
        Self(mappings)
    }

    /// Returns the mapping with this address.
    pub(super) fn find(&self, address: u64) -> Option<&Mapping> {
        self.index(address).map(|index| &self.0[index])
    }

    fn index(&self, address: u64) -> Option<usize> {
        let after = self.0.partition_point(|mapping| mapping.addresses.start <= address);
        let index = after.checked_sub(1)?;
        self.0[index].addresses.contains(&address).then_some(index)
    }

    /// Returns the mapping of the beginning of the binary to which this address belongs.
    pub(super) fn beginning(&self, address: u64) -> Option<&Mapping> {
        /// The most mappings between the beginning of a binary and its code.
        const DISTANCE: usize = 64;
        let index = self.index(address)?;
        let mapping = &self.0[index];
        if !mapping.is_image() {
            return None;
        }
        let before = self.0[..=index].iter().rev().take(DISTANCE);
        before.filter(|other| other.file == mapping.file && other.path == mapping.path).find(|other| other.offset == 0)
    }
}

impl Mapping {
    /// Parses a line: `7f00-7f10 r-xp 00001000 fe:01 4711   /usr/lib/x.so`.
    fn parse(line: &[u8]) -> Option<Self> {
        let line = String::from_utf8_lossy(line);
        let mut fields = line.splitn(6, ' ');
        let (start, end) = fields.next()?.split_once('-')?;
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        let addresses = hex(start)?..hex(end)?;
        let rights = fields.next()?.as_bytes().first_chunk::<3>()?;
        let offset = hex(fields.next()?)?;
        let (major, minor) = fields.next()?.split_once(':')?;
        let device = hex(major)? << 32 | hex(minor)?;
        let inode = fields.next()?.parse().ok()?;
        let path = fields.next().unwrap_or_default().trim_start();
        let limit =
            (0..=PATH_LIMIT.min(path.len())).rev().find(|index| path.is_char_boundary(*index)).unwrap_or_default();
        let [readable, writable, executable] = *rights;
        (!addresses.is_empty()).then(|| Self {
            addresses,
            is_readable: readable == b'r',
            is_writable: writable == b'w',
            is_executable: executable == b'x',
            offset,
            file: (device, inode),
            // The kernel escapes nothing else.
            path: path[..limit].replace("\\012", "\n"),
        })
    }

    /// Returns whether it may hold a stack: readable and writable memory without a file.
    pub(super) fn is_stack(&self) -> bool {
        self.is_readable && self.is_writable && self.file.1 == 0 && !self.path.starts_with("anon_inode:")
    }

    /// Returns whether it may belong to a binary: a file that is no device, or the vdso.
    pub(super) fn is_image(&self) -> bool {
        let is_file = self.file.1 != 0 && self.path.starts_with('/') && !self.path.starts_with("/dev/");
        self.is_readable && (is_file || self.path == "[vdso]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
00400000-00401000 r--p 00000000 fe:01 4711                               /usr/bin/a b
00401000-00403000 r-xp 00001000 fe:01 4711                               /usr/bin/a b
00403000-00404000 rw-p 00002000 fe:01 4711                               /usr/bin/a b
00404000-00405000 rw-p 00000000 00:00 0 
7f0000000000-7f0000010000 rw-s 00000000 00:06 9                          /dev/dri/card0
7f0000010000-7f0000020000 rw-p 00000000 00:00 0                          [stack]
7f0000020000-7f0000021000 r-xp 00000000 00:00 0                          [vdso]
nonsense
7f0000000000-7f0000000001 rw-p 00000000 00:00 0                          out of order
";

    #[test]
    fn mappings_are_found_by_address() {
        let maps = Maps::parse(TEXT.as_bytes());
        assert_eq!(maps.0.len(), 7);
        let code = maps.find(0x401_fff).expect("it is mapped");
        assert_eq!(
            (code.path.as_str(), code.is_executable, code.is_image(), code.is_stack()),
            ("/usr/bin/a b", true, true, false)
        );
        assert_eq!(maps.beginning(0x401_fff).map(|begin| begin.addresses.clone()), Some(0x400_000..0x401_000));
        assert!(maps.find(0x404_000).expect("it is mapped").is_stack());
        assert!(maps.find(0x405_000).is_none() && maps.find(0).is_none() && maps.find(u64::MAX).is_none());
        let device = maps.find(0x7f00_0000_0000).expect("it is mapped");
        assert!(!device.is_image() && !device.is_stack());
        assert!(maps.find(0x7f00_0001_0000).expect("it is mapped").is_stack());
        assert_eq!(maps.beginning(0x7f00_0002_0010).map(|vdso| vdso.path.as_str()), Some("[vdso]"));
    }

    #[test]
    fn as_many_mappings_as_a_process_may_have_are_kept_if_there_is_time() {
        let lines = (1..=65_530).map(|number| format!("{number:x}000-{number:x}800 r--p 0 0:0 0\n"));
        let text = lines.collect::<String>() + "7f0000000000-7f0000001000 r-xp 0 1:1 7 /a\\012b\n";
        let maps = Maps::parse(text.as_bytes());
        let last = maps.find(0x7f00_0000_0000).expect("it is mapped");
        assert_eq!((maps.0.len(), last.path.as_str()), (65_531, "/a\nb"));
        assert_eq!(Maps::parse_while(text.as_bytes(), || false).0.len(), LINES - 1);
    }

    #[test]
    fn lines_that_make_no_sense_are_left_out() {
        for line in [
            "",
            "-",
            "1-2",
            "2-1 r-xp 0 0:0 0",
            "1-1 r-xp 0 0:0 0",
            "1-2 r 0 0:0 0",
            "1-2 r-xp 0 0 0",
            "x-y r-xp 0 0:0 0",
            "11111111111111111-2 r-xp 0 0:0 0",
            "1-2 r-xp 0 0:0 x",
        ] {
            assert!(Maps::parse(line.as_bytes()).0.is_empty(), "{line}");
        }
        assert_eq!(Maps::parse(b"1-2 r-xp 0 0:0 0\n1-2 r-xp 0 0:0 0\n\xff").0.len(), 1);
    }
}
