//! `DecodeContext`: the state of decoding one value: the number of its bytes, and the schema under which it was written.

use std::cell::{Cell, RefCell};

use serde::de::Error;

use super::shape::{SchemaEntry, ShapeHasher, differ_only_in_style};

/// The source of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ValueSource {
    /// One of our own messages, which are read as they are written.
    Message,
    /// A user's value in the compact encoding.
    Compact,
    /// A user's value in the self-describing encoding.
    SelfDescribing,
}

/// The state of decoding one value.
#[derive(Debug)]
pub(super) struct DecodeContext {
    source: ValueSource,
    /// The number of all bytes.
    bytes: usize,
    pub(super) shape: ShapeHasher,
    schema: Vec<SchemaEntry<String>>,
    /// The matches in the schema that were found so far.
    field_matches: RefCell<Vec<FieldMatch>>,
    variant_matches: RefCell<Vec<VariantMatch>>,
    /// The reason why the compact encoding can't carry the value, once it is known.
    fault: Cell<Option<CompactFault>>,
}

/// A reason why a value in the compact encoding can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CompactFault {
    /// The type asks the encoding for the kind of the next value.
    NotSelfDescribing,
    /// The type reads other parts than were written.
    Differs,
}

/// The content that a type asks for.
#[derive(Clone, Copy)]
pub(super) enum Content<'c> {
    /// A single value, elements, or keys and values.
    Plain,
    /// Fields in their declared order, and the hash of their schema entry, which is noted at their end.
    OrderedFields(u64),
    /// Fields of these names, and the hash of their schema entry, which is noted at their end.
    NamedFields(&'c [String], u64),
    /// One of the variants of an enum: the enum's name and theirs.
    Variants(&'static str, &'static [&'static str]),
    /// Anything: the encoding decides, and null is a unit.
    Any,
}

/// The order in which the fields of a struct arrive.
pub(super) enum FieldOrder<'c> {
    /// The requested fields, in their order.
    InOrder(Content<'c>),
    /// The fields of these names, and the hash of their schema entry.
    ByName(&'c [String], u64),
}

/// A variant that was found in the schema.
pub(super) struct ResolvedVariant<'c> {
    pub(super) written_as: &'c str,
    /// The variant's name in the type that reads it. Its index may differ: a skipped variant counts when it is written, not
    /// when it is read.
    pub(super) read_as: &'static str,
    pub(super) hash: u64,
}

#[derive(Debug)]
struct FieldMatch {
    owner: String,
    fields: &'static [&'static str],
    place: usize,
    hash: u64,
    in_their_order: bool,
}

#[derive(Debug)]
struct VariantMatch {
    owner: String,
    variants: &'static [&'static str],
    index: u32,
    place: usize,
    hash: u64,
    /// One of `variants`.
    read_as: &'static str,
}

impl DecodeContext {
    fn new(source: ValueSource, bytes: usize, schema: Vec<SchemaEntry<String>>) -> Self {
        Self {
            source,
            bytes,
            shape: ShapeHasher::new(),
            schema,
            field_matches: RefCell::default(),
            variant_matches: RefCell::default(),
            fault: Cell::new(None),
        }
    }

    pub(super) fn of_message(bytes: usize) -> Self {
        Self::new(ValueSource::Message, bytes, Vec::new())
    }

    pub(super) fn compact(bytes: usize, schema: Vec<SchemaEntry<String>>) -> Self {
        Self::new(ValueSource::Compact, bytes, schema)
    }

    #[cfg(feature = "cbor")]
    pub(super) fn self_describing(bytes: usize) -> Self {
        Self::new(ValueSource::SelfDescribing, bytes, Vec::new())
    }

    pub(super) fn is_self_describing(&self) -> bool {
        self.source == ValueSource::SelfDescribing
    }

    /// Returns whether the value has a schema.
    pub(super) fn has_schema(&self) -> bool {
        self.source == ValueSource::Compact
    }

    /// Returns a size hint that is at most the number of bytes.
    pub(super) fn bounded_hint(&self, hint: Option<usize>) -> Option<usize> {
        hint.filter(|length| *length <= self.bytes)
    }

    /// Returns the reason why the compact encoding can't carry the value, if it is known.
    pub(super) fn fault(&self) -> Option<CompactFault> {
        self.fault.get()
    }

    /// Refuses a type that asks for the kind of the next value.
    pub(super) fn needs_self_describing<E: Error>(&self) -> E {
        self.fault.set(Some(CompactFault::NotSelfDescribing));
        E::custom("the compact encoding isn't self-describing")
    }

    /// Refuses a type that reads fewer parts than were written.
    pub(super) fn has_unread_parts<E: Error>(&self) -> E {
        self.differs_from_serialize()
    }

    fn differs_from_serialize<E: Error>(&self) -> E {
        self.fault.set(Some(CompactFault::Differs));
        E::custom(DIFFERS)
    }

    /// Returns the order in which the fields of a struct, or of a variant with fields, arrive.
    pub(super) fn fields<E: Error>(&self, owner: &str, fields: &'static [&'static str]) -> Result<FieldOrder<'_>, E> {
        if !self.has_schema() {
            return Ok(FieldOrder::InOrder(Content::Plain));
        }
        let is_known = |found: &FieldMatch| std::ptr::eq(found.fields, fields) && found.owner == owner;
        let known = self.field_matches.borrow().iter().position(is_known);
        let known =
            known.map_or_else(|| self.find_fields(owner, fields).ok_or_else(|| self.differs_from_serialize()), Ok)?;
        let FieldMatch { place, hash, in_their_order, .. } = self.field_matches.borrow()[known];
        Ok(if in_their_order {
            FieldOrder::InOrder(Content::OrderedFields(hash))
        } else {
            FieldOrder::ByName(&self.schema[place].names, hash)
        })
    }

    /// Adds the match of these fields in the schema, and returns its place.
    fn find_fields(&self, owner: &str, fields: &'static [&'static str]) -> Option<usize> {
        let all = || self.schema.iter().enumerate().filter(|(_, entry)| entry.index.is_none());
        let is_same = |entry: &SchemaEntry<String>| entry.names == fields;
        let is_same_but_style = |entry: &SchemaEntry<String>| {
            entry.names.len() == fields.len() && entry.names.iter().zip(fields).all(|(a, b)| differ_only_in_style(a, b))
        };
        let in_their_order = all()
            .find(|(_, entry)| entry.owner == owner && is_same(entry))
            .or_else(|| all().find(|(_, entry)| is_same(entry)))
            .or_else(|| all().find(|(_, entry)| entry.owner == owner && is_same_but_style(entry)));
        // If two types of this name were written, the right one is unknown.
        let mut by_name = all().filter(|(_, entry)| entry.owner == owner);
        let only = by_name.next().filter(|_| by_name.next().is_none());
        let (place, entry) = in_their_order.or(only)?;
        // A struct with the name of an enum is adjacently tagged: its tag must arrive under a key.
        let is_tagged = self.schema.iter().any(|entry| entry.index.is_some() && entry.owner == owner);
        let in_their_order = in_their_order.is_some() && !is_tagged;
        let found = FieldMatch { owner: owner.to_owned(), fields, place, hash: entry.hash(), in_their_order };
        let mut all_found = self.field_matches.borrow_mut();
        all_found.push(found);
        Some(all_found.len() - 1)
    }

    /// Returns the variant of an enum that was written with this index.
    pub(super) fn variant<E: Error>(
        &self,
        owner: &str,
        variants: &'static [&'static str],
        index: u32,
    ) -> Result<ResolvedVariant<'_>, E> {
        let is_known = |found: &VariantMatch| {
            std::ptr::eq(found.variants, variants) && found.index == index && found.owner == owner
        };
        let known = self.variant_matches.borrow().iter().position(is_known);
        let known = known.map_or_else(
            || self.find_variant(owner, variants, index).ok_or_else(|| self.differs_from_serialize()),
            Ok,
        )?;
        let VariantMatch { place, hash, read_as, .. } = self.variant_matches.borrow()[known];
        Ok(ResolvedVariant { written_as: &self.schema[place].names[0], read_as, hash })
    }

    /// Adds the match of this variant in the schema, and returns its place.
    fn find_variant(&self, owner: &str, variants: &'static [&'static str], index: u32) -> Option<usize> {
        let all = || {
            let is_written = |entry: &SchemaEntry<String>| entry.index == Some(index) && entry.names.len() == 1;
            self.schema.iter().enumerate().filter(move |(_, entry)| is_written(entry))
        };
        let of_owner = || all().filter(|(_, entry)| entry.owner == owner);
        let (place, entry, at) = of_owner()
            .find_map(|(place, entry)| Some((place, entry, position(variants, &entry.names[0])?)))
            .or_else(|| all().find_map(|(place, entry)| Some((place, entry, position(variants, &entry.names[0])?))))?;
        let (owner, hash, read_as) = (owner.to_owned(), entry.hash(), variants[at]);
        let found = VariantMatch { owner, variants, index, place, hash, read_as };
        let mut all_found = self.variant_matches.borrow_mut();
        all_found.push(found);
        Some(all_found.len() - 1)
    }
}

/// Returns the place of a variant: of this name, or the only one whose name differs in style alone.
fn position(variants: &[&str], name: &str) -> Option<usize> {
    variants.iter().position(|variant| *variant == name).or_else(|| {
        let mut alike = (0..variants.len()).filter(|at| differ_only_in_style(variants[*at], name));
        alike.next().filter(|_| alike.next().is_none())
    })
}

pub(super) const DIFFERS: &str = "its `Deserialize` reads other parts than its `Serialize` writes";
