//! `Binary`: a mapped ELF file, as its headers in memory describe it.
//!
//! The headers in memory are there also if the file is deleted or in another mount namespace, and those of the vdso are
//! nowhere else.

use super::image::{Image, Memory};
use super::maps::Mapping;

/// The most program headers that are read. Common binaries have 10 to 14.
const HEADERS: u16 = 64;

/// The most bytes of notes that are searched for the build id.
const NOTES_LIMIT: u64 = 4096;

/// The most bytes of a build id; usual are 16 and 20.
const BUILD_ID_LIMIT: usize = 64;

pub(super) const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
pub(super) const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
const NT_GNU_BUILD_ID: u32 = 3;

/// A binary in the memory of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Binary {
    /// The difference between an address in memory and the address in the file.
    pub(super) bias: u64,
    /// The address of the program's first function; a library has none.
    pub(super) entry: Option<u64>,
    /// The address and the length of the table that leads to the unwind information (`.eh_frame_hdr`).
    pub(super) unwind_table: Option<(u64, u64)>,
    pub(super) build_id: Vec<u8>,
}

/// A program header of ELF.
struct ProgramHeader {
    kind: u32,
    offset: u64,
    address: u64,
    file_size: u64,
}

impl Binary {
    /// Reads the headers at the beginning of a binary; `None` if there is no 64-bit ELF file.
    pub(super) fn read<M: Memory>(image: &mut Image<'_, M>, beginning: &Mapping) -> Option<Self> {
        let begin = beginning.addresses.start;
        let mut header = [0; 64];
        image.read_binary(begin, &mut header)?;
        // The magic number, 64 bits, little-endian.
        if !header.starts_with(b"\x7fELF\x02\x01") {
            return None;
        }
        let half = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let table = begin.checked_add(number(&header, 32)?)?;
        let (size, count) = (u64::from(half(54)), half(56));
        if size < 56 || count > HEADERS {
            return None;
        }
        let mut headers = Vec::new();
        for index in 0..u64::from(count) {
            let mut bytes = [0; 56];
            image.read_binary(table.checked_add(index * size)?, &mut bytes)?;
            headers.push(ProgramHeader {
                kind: u32::from_le_bytes(*bytes.first_chunk()?),
                offset: number(&bytes, 8)?,
                address: number(&bytes, 16)?,
                file_size: number(&bytes, 32)?,
            });
        }
        // The segment with these headers begins where the mapping begins.
        let first = headers.iter().find(|header| header.kind == PT_LOAD && header.offset < 4096)?;
        let bias = begin.wrapping_sub(first.address.wrapping_sub(first.offset));
        let place = |header: &ProgramHeader| (bias.wrapping_add(header.address), header.file_size);
        let entry = number(&header, 24).filter(|entry| *entry != 0).map(|entry| bias.wrapping_add(entry));
        let unwind_table = headers.iter().find(|header| header.kind == PT_GNU_EH_FRAME).map(place);
        let mut notes = headers.iter().filter(|header| header.kind == PT_NOTE).map(place);
        let build_id = notes.find_map(|(address, length)| build_id(image, address, length));
        Some(Self { bias, entry, unwind_table, build_id: build_id.unwrap_or_default() })
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Returns the build id, if these notes have one.
fn build_id<M: Memory>(image: &mut Image<'_, M>, address: u64, length: u64) -> Option<Vec<u8>> {
    let mut notes = vec![0; usize::try_from(length.min(NOTES_LIMIT)).ok()?];
    image.read_binary(address, &mut notes)?;
    let mut rest = notes.as_slice();
    while let Some((header, after)) = rest.split_first_chunk::<12>() {
        let field = |index: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| header[4 * index + byte]));
        let [name_length, length] = [field(0), field(1)].map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        let (name, after) = after.split_at_checked(name_length.checked_next_multiple_of(4)?)?;
        let (value, after) = after.split_at_checked(length.checked_next_multiple_of(4)?)?;
        if field(2) == NT_GNU_BUILD_ID && name == b"GNU\0" {
            return Some(value[..length.min(BUILD_ID_LIMIT)].to_vec());
        }
        rest = after;
    }
    None
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::image::tests::Written;
    use super::super::maps::Maps;
    use super::*;

    /// Returns an ELF file with these program headers: kind, offset, address, size.
    pub(in super::super) fn elf(headers: &[(u32, u64, u64, u64)]) -> Vec<u8> {
        let mut elf = vec![0; 64 + 56 * headers.len()];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[32] = 64;
        elf[54] = 56;
        elf[56] = u8::try_from(headers.len()).expect("there are few");
        for (index, (kind, offset, address, size)) in headers.iter().enumerate() {
            let at = 64 + 56 * index;
            elf[at..at + 4].copy_from_slice(&kind.to_le_bytes());
            for (field, value) in [(8, offset), (16, address), (32, size)] {
                elf[at + field..at + field + 8].copy_from_slice(&value.to_le_bytes());
            }
        }
        elf
    }

    fn read(elf: &[u8]) -> Option<Binary> {
        let maps = Maps::parse(b"10000-20000 r-xp 0 1:1 7 /a\n");
        let memory = Written::default().with(0x10000, elf);
        Binary::read(&mut Image::new(&memory, &maps), maps.find(0x10000)?)
    }

    #[test]
    fn a_binary_is_described_by_its_headers() {
        let mut file =
            elf(&[(PT_LOAD, 0, 0x4000, 0x1000), (PT_GNU_EH_FRAME, 0x800, 0x4800, 0x40), (PT_NOTE, 0x400, 0x4400, 36)]);
        file.resize(0x400, 0);
        for word in [4_u32, 3, 1] {
            file.extend(word.to_le_bytes());
        }
        file.extend(b"abc\0xyz\0");
        for word in [4_u32, 3, NT_GNU_BUILD_ID] {
            file.extend(word.to_le_bytes());
        }
        file.extend(b"GNU\0\x01\x02\x03\0");
        file[64 + 56 * 2 + 32] = 40;
        file[24..26].copy_from_slice(&0x4004_u16.to_le_bytes());
        let binary = read(&file).expect("it is one");
        assert_eq!(
            binary,
            Binary { bias: 0xc000, entry: Some(0x10004), unwind_table: Some((0x10800, 0x40)), build_id: vec![1, 2, 3] }
        );
    }

    #[test]
    fn headers_that_make_no_sense_are_refused() {
        let valid = elf(&[(PT_LOAD, 0, 0, 0x1000)]);
        assert!(read(&valid).is_some());
        for (at, value) in [(0, 0), (4, 1), (5, 2), (32, 0xff), (39, 0xff), (54, 8), (56, 0), (57, 1), (64, 9)] {
            let mut invalid = valid.clone();
            invalid[at] = value;
            assert_eq!(read(&invalid), None, "byte {at}");
        }
        assert_eq!(read(&[]), None);
        // Notes that are nowhere.
        let lost = read(&elf(&[(PT_LOAD, 0, 0, 0x1000), (PT_NOTE, u64::MAX, u64::MAX, u64::MAX)]));
        assert_eq!(lost.map(|binary| binary.build_id), Some(Vec::new()));
    }
}
