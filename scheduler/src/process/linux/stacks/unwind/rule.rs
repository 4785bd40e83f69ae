//! `Rule`: how to find a function's caller, from the unwind information of its binary.
//!
//! The table of a binary (`.eh_frame_hdr`) leads from an address to the entry of its function (FDE) in `.eh_frame`, and that
//! to an entry with what many functions have in common (CIE). Both are copied, one behind the other, into a section of their
//! own, which `gimli` reads. So it sees a few hundred bytes, however large the binary is, and whatever its tables claim.
//!
//! The format is that of the Linux Standard Base, Core, section 10.6.

use gimli::{
    BaseAddresses, CfaRule, EhFrame, Encoding, EndianSlice, Evaluation, EvaluationResult, Expression, Format,
    LittleEndian, RegisterRule, UnwindContext, UnwindExpression, UnwindSection, Value, Vendor,
};

use super::image::{Image, Memory};
use super::registers::{Architecture, Registers};

/// The most bytes of an entry. That of a function of 100,000 lines has some thousand.
const ENTRY_LIMIT: u32 = 16 << 10;

/// The most bytes of an expression, and the most of its operations that are evaluated.
const EXPRESSION_LIMIT: usize = 256;
const OPERATIONS: u32 = 256;

/// How to find the caller of a function, at one of its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// The address of the caller's frame (CFA).
    frame: FrameRule,
    registers: Vec<(usize, ValueRule)>,
    return_address: usize,
    /// The frame is that of a signal: what it returns to is no call.
    pub(super) is_signal_frame: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum FrameRule {
    Offset { register: usize, offset: i64 },
    Expression(Vec<u8>),
}

/// What a register was in the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ValueRule {
    Unknown,
    Same,
    /// It is saved this far from the caller's frame.
    SavedAt(i64),
    /// It is the address of the caller's frame, and this.
    Frame(i64),
    InRegister(usize),
    /// It is saved at the address that an expression gives.
    SavedAtExpression(Vec<u8>),
    Expression(Vec<u8>),
}

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// Finds rules. It keeps what `gimli` needs for each, which is large.
#[derive(Debug, Default)]
pub(super) struct RegisterRules {
    context: UnwindContext<usize>,
}

impl RegisterRules {
    /// Returns the rule at this address, from the table of its binary.
    pub(super) fn find<M: Memory>(
        &mut self,
        image: &mut Image<'_, M>,
        architecture: Architecture,
        table: (u64, u64),
        address: u64,
    ) -> Option<Rule> {
        let entry = entry_address(image, table, address)?;
        let (section, base, at) = copy_entries(image, entry)?;
        let bases = BaseAddresses::default().set_eh_frame(base);
        let mut frames = EhFrame::new(&section, LittleEndian);
        frames.set_address_size(8);
        if architecture == Architecture::Aarch64 {
            frames.set_vendor(Vendor::AArch64);
        }
        let entry = frames.fde_from_offset(&bases, at.into(), EhFrame::cie_from_offset).ok()?;
        let row = entry.unwind_info_for_address(&frames, &bases, &mut self.context, address).ok()?;
        let bytes = |expression: &UnwindExpression<usize>| {
            let expression: Expression<Slice<'_>> = expression.get(&frames).ok()?;
            let bytes = expression.0.slice();
            (bytes.len() <= EXPRESSION_LIMIT).then(|| bytes.to_vec())
        };
        let frame = match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => {
                FrameRule::Offset { register: register.0.into(), offset: *offset }
            }
            CfaRule::Expression(expression) => FrameRule::Expression(bytes(expression)?),
        };
        let mut registers = Vec::new();
        for (register, rule) in row.registers() {
            let rule = match rule {
                RegisterRule::Undefined => ValueRule::Unknown,
                RegisterRule::SameValue => ValueRule::Same,
                RegisterRule::Offset(offset) => ValueRule::SavedAt(*offset),
                RegisterRule::ValOffset(offset) => ValueRule::Frame(*offset),
                RegisterRule::Register(register) => ValueRule::InRegister(register.0.into()),
                RegisterRule::Expression(expression) => ValueRule::SavedAtExpression(bytes(expression)?),
                RegisterRule::ValExpression(expression) => ValueRule::Expression(bytes(expression)?),
                // Of no register here: the signature of return addresses on aarch64.
                _ => continue,
            };
            registers.push((register.0.into(), rule));
        }
        Some(Rule {
            frame,
            registers,
            return_address: entry.cie().return_address_register().0.into(),
            is_signal_frame: entry.is_signal_trampoline(),
        })
    }
}

/// Returns the address of the entry for the function at this address.
fn entry_address<M: Memory>(image: &mut Image<'_, M>, (table, length): (u64, u64), address: u64) -> Option<u64> {
    /// Unsigned numbers of 4 bytes, and signed ones, relative to the table.
    const COUNT: u8 = 0x03;
    const ROWS: u8 = 0x3b;
    let mut header = [0; 4];
    image.read_binary(table, &mut header)?;
    let [1, pointer, COUNT, ROWS] = header else { return None };
    // The pointer to the section is not needed, only its length.
    let pointer_length = match pointer & 0x0f {
        0x03 | 0x0b => 4,
        0x04 | 0x0c | 0x00 => 8,
        _ => return None,
    };
    let count_at = table.checked_add(4 + pointer_length)?;
    let rows = count_at.checked_add(4)?;
    let most = length.saturating_sub(8 + pointer_length) / 8;
    let count = u64::from(image.read_u32(count_at)?).min(most);
    let relative = |offset: u32| table.wrapping_add_signed(i64::from(offset.cast_signed()));
    // The last row that begins at the address or before it.
    let (mut begin, mut end) = (0, count);
    while begin < end {
        let middle = begin + (end - begin) / 2;
        let function = relative(image.read_u32(rows.checked_add(8 * middle)?)?);
        if function <= address { begin = middle + 1 } else { end = middle }
    }
    let row = rows.checked_add(8 * begin.checked_sub(1)?)?;
    Some(relative(image.read_u32(row.checked_add(4)?)?))
}

/// Returns a section with an entry and, before it, the one that it refers to; the address that the section has in memory, to which
/// addresses in the entry are relative; and the entry's position in it.
fn copy_entries<M: Memory>(image: &mut Image<'_, M>, entry: u64) -> Option<(Vec<u8>, u64, usize)> {
    let distance = u64::from(image.read_u32(entry.checked_add(4)?)?);
    let common = entry.checked_add(4)?.checked_sub(distance)?;
    let mut section = copy_entry(image, common)?;
    let at = section.len();
    section.extend(copy_entry(image, entry)?);
    // The distance from this field back to the common entry.
    let moved = u32::try_from(at).ok()?.checked_add(4)?;
    section.get_mut(at + 4..at + 8)?.copy_from_slice(&moved.to_le_bytes());
    Some((section, entry.wrapping_sub(at as u64), at))
}

/// Returns an entry with its length.
fn copy_entry<M: Memory>(image: &mut Image<'_, M>, address: u64) -> Option<Vec<u8>> {
    // Longer ones begin with another form of the length.
    let length = image.read_u32(address).filter(|length| (4..=ENTRY_LIMIT).contains(length))?;
    let mut entry = vec![0; 4 + usize::try_from(length).ok()?];
    image.read_binary(address, &mut entry)?;
    Some(entry)
}

impl Rule {
    /// Returns whether the function was called by nothing: it is the first one of its thread.
    pub(super) fn is_outermost(&self) -> bool {
        self.registers.iter().any(|(register, rule)| *register == self.return_address && *rule == ValueRule::Unknown)
    }

    /// Returns the registers of the caller of the frame with these registers; `None` if they can't be found.
    pub(super) fn caller<M: Memory>(&self, image: &mut Image<'_, M>, registers: &Registers) -> Option<Registers> {
        let frame = match &self.frame {
            FrameRule::Offset { register, offset } => registers.get(*register)?.wrapping_add_signed(*offset),
            FrameRule::Expression(expression) => evaluate(expression, image, registers, None)?,
        };
        let mut caller = *registers;
        // The frame of the caller begins where the call pushed its return address, or jumped.
        caller.set_stack_pointer(frame);
        let mut return_address = registers.get(self.return_address);
        for (register, rule) in &self.registers {
            let value = match rule {
                ValueRule::Unknown => None,
                ValueRule::Same => registers.get(*register),
                ValueRule::SavedAt(offset) => image.read_stack(frame.wrapping_add_signed(*offset)),
                ValueRule::Frame(offset) => Some(frame.wrapping_add_signed(*offset)),
                ValueRule::InRegister(other) => registers.get(*other),
                ValueRule::SavedAtExpression(expression) => {
                    evaluate(expression, image, registers, Some(frame)).and_then(|address| image.read_stack(address))
                }
                ValueRule::Expression(expression) => evaluate(expression, image, registers, Some(frame)),
            };
            if *register == self.return_address {
                return_address = Some(value?);
            }
            // The signature of return addresses has a number of its own, which is no register.
            if *register < registers.count() {
                caller.set(*register, value);
            }
        }
        caller.set_program_counter(return_address?);
        Some(caller)
    }
}

/// Evaluates an expression; `frame` is on its stack at the beginning, if there is one.
fn evaluate<M: Memory>(
    expression: &[u8],
    image: &mut Image<'_, M>,
    registers: &Registers,
    frame: Option<u64>,
) -> Option<u64> {
    let encoding = Encoding { address_size: 8, format: Format::Dwarf32, version: 4 };
    let mut evaluation: Evaluation<Slice<'_>> =
        Expression(EndianSlice::new(expression, LittleEndian)).evaluation(encoding);
    evaluation.set_max_iterations(OPERATIONS);
    if let Some(frame) = frame {
        evaluation.set_initial_value(frame);
    }
    let mut step = evaluation.evaluate().ok()?;
    loop {
        step = match step {
            EvaluationResult::Complete => break,
            EvaluationResult::RequiresMemory { address, size: 8, .. } => {
                evaluation.resume_with_memory(Value::Generic(image.read_stack(address)?)).ok()?
            }
            EvaluationResult::RequiresRegister { register, .. } => {
                evaluation.resume_with_register(Value::Generic(registers.get(register.0.into())?)).ok()?
            }
            _ => return None,
        };
    }
    evaluation.value_result()?.to_u64(u64::MAX).ok()
}
