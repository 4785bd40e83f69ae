//! `Reading`: what is known of a value while it is read: how many bytes there are, and the labels under which it was
//! written.

use std::cell::{Cell, RefCell};

use serde::de::Error;

use super::bounded::Parts;
use super::shape::{Labels, Trace, are_alike};

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// One of our own messages: it is written as it is read.
    Message,
    /// A user's value without names.
    Compact,
    /// A user's value with its names.
    Named,
}

/// What is known of a value while it is read.
#[derive(Debug)]
pub(super) struct Reading {
    source: Source,
    /// How many bytes there are in all.
    bytes: usize,
    pub(super) trace: Trace,
    labels: Vec<Labels<String>>,
    /// What has been found there, for each list of fields and for each variant.
    found_fields: RefCell<Vec<FoundFields>>,
    found_variants: RefCell<Vec<FoundVariant>>,
    /// That it can't be read has to do with how it was written.
    cannot: Cell<Option<Cannot>>,
}

/// Why a value without names can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cannot {
    /// Its type asks what comes next.
    Tell,
    /// Its type reads something else.
    Match,
}

/// Which fields come.
pub(super) enum Fields<'c> {
    /// Those that are asked for, in their order.
    AsTheyCome(Parts<'c>),
    /// Those of these names, and the label of all of them.
    ByName(&'c [String], u64),
}

/// Which variant comes.
pub(super) struct Variant<'c> {
    pub(super) written_as: &'c str,
    /// The name by which its type knows it: by its number another one may be meant, as a variant that is left out has
    /// one when it is written, and none when it is read.
    pub(super) read_as: &'static str,
    pub(super) label: u64,
}

#[derive(Debug)]
struct FoundFields {
    owner: String,
    fields: &'static [&'static str],
    place: usize,
    label: u64,
    in_their_order: bool,
}

#[derive(Debug)]
struct FoundVariant {
    owner: String,
    variants: &'static [&'static str],
    index: u32,
    place: usize,
    label: u64,
    /// The name among the variants.
    read_as: &'static str,
}

impl Reading {
    fn new(source: Source, bytes: usize, labels: Vec<Labels<String>>) -> Self {
        Self {
            source,
            bytes,
            trace: Trace::new(),
            labels,
            found_fields: RefCell::default(),
            found_variants: RefCell::default(),
            cannot: Cell::new(None),
        }
    }

    pub(super) fn of_message(bytes: usize) -> Self {
        Self::new(Source::Message, bytes, Vec::new())
    }

    pub(super) fn compact(bytes: usize, labels: Vec<Labels<String>>) -> Self {
        Self::new(Source::Compact, bytes, labels)
    }

    #[cfg(feature = "cbor")]
    pub(super) fn named(bytes: usize) -> Self {
        Self::new(Source::Named, bytes, Vec::new())
    }

    pub(super) fn is_named(&self) -> bool {
        self.source == Source::Named
    }

    /// Says whether the labels are there.
    pub(super) fn is_checked(&self) -> bool {
        self.source == Source::Compact
    }

    pub(super) fn believable(&self, hint: Option<usize>) -> Option<usize> {
        hint.filter(|length| *length <= self.bytes)
    }

    /// Returns why it can't be read, if that has to do with how it was written.
    pub(super) fn cannot(&self) -> Option<Cannot> {
        self.cannot.get()
    }

    /// Refuses to tell what comes next.
    pub(super) fn cannot_tell<E: Error>(&self) -> E {
        self.cannot.set(Some(Cannot::Tell));
        E::custom("a compact encoding can't tell what comes next")
    }

    /// Refuses a value of which its type takes fewer parts than there are.
    pub(super) fn takes_less<E: Error>(&self) -> E {
        self.cannot_match()
    }

    fn cannot_match<E: Error>(&self) -> E {
        self.cannot.set(Some(Cannot::Match));
        E::custom(NO_MIRROR)
    }

    /// Returns how the fields of a struct come, or of a variant with fields, as a type asks for them.
    pub(super) fn fields<E: Error>(&self, owner: &str, fields: &'static [&'static str]) -> Result<Fields<'_>, E> {
        if !self.is_checked() {
            return Ok(Fields::AsTheyCome(Parts::Some));
        }
        let is_known = |found: &FoundFields| std::ptr::eq(found.fields, fields) && found.owner == owner;
        let known = self.found_fields.borrow().iter().position(is_known);
        let known = known.map_or_else(|| self.find_fields(owner, fields).ok_or_else(|| self.cannot_match()), Ok)?;
        let FoundFields { place, label, in_their_order, .. } = self.found_fields.borrow()[known];
        Ok(if in_their_order {
            Fields::AsTheyCome(Parts::Labeled(label))
        } else {
            Fields::ByName(&self.labels[place].names, label)
        })
    }

    /// Returns where it is found how these fields come.
    fn find_fields(&self, owner: &str, fields: &'static [&'static str]) -> Option<usize> {
        let all = || self.labels.iter().enumerate().filter(|(_, labels)| labels.index.is_none());
        let is_same = |labels: &Labels<String>| labels.names == fields;
        let is_alike = |labels: &Labels<String>| {
            labels.names.len() == fields.len() && labels.names.iter().zip(fields).all(|(a, b)| are_alike(a, b))
        };
        let in_their_order = all()
            .find(|(_, labels)| labels.owner == owner && is_same(labels))
            .or_else(|| all().find(|(_, labels)| is_same(labels)))
            .or_else(|| all().find(|(_, labels)| labels.owner == owner && is_alike(labels)));
        // Where two types of one name were written, which of them it was is not known.
        let mut by_name = all().filter(|(_, labels)| labels.owner == owner);
        let only = by_name.next().filter(|_| by_name.next().is_none());
        let (place, labels) = in_their_order.or(only)?;
        // A struct with the name of an enum is one that is adjacently tagged, which knows its tag by a key alone.
        let is_tagged = self.labels.iter().any(|labels| labels.index.is_some() && labels.owner == owner);
        let in_their_order = in_their_order.is_some() && !is_tagged;
        let found = FoundFields { owner: owner.to_owned(), fields, place, label: labels.hash(), in_their_order };
        let mut all_found = self.found_fields.borrow_mut();
        all_found.push(found);
        Some(all_found.len() - 1)
    }

    /// Returns which variant of an enum the number means that was written.
    pub(super) fn variant<E: Error>(
        &self,
        owner: &str,
        variants: &'static [&'static str],
        index: u32,
    ) -> Result<Variant<'_>, E> {
        let is_known = |found: &FoundVariant| {
            std::ptr::eq(found.variants, variants) && found.index == index && found.owner == owner
        };
        let known = self.found_variants.borrow().iter().position(is_known);
        let known =
            known.map_or_else(|| self.find_variant(owner, variants, index).ok_or_else(|| self.cannot_match()), Ok)?;
        let FoundVariant { place, label, read_as, .. } = self.found_variants.borrow()[known];
        Ok(Variant { written_as: &self.labels[place].names[0], read_as, label })
    }

    /// Returns where it is found which variant this is.
    fn find_variant(&self, owner: &str, variants: &'static [&'static str], index: u32) -> Option<usize> {
        let all = || {
            let written = |labels: &Labels<String>| labels.index == Some(index) && labels.names.len() == 1;
            self.labels.iter().enumerate().filter(move |(_, labels)| written(labels))
        };
        let of_owner = || all().filter(|(_, labels)| labels.owner == owner);
        let (place, labels, at) = of_owner()
            .find_map(|(place, labels)| Some((place, labels, position(variants, &labels.names[0])?)))
            .or_else(|| {
                all().find_map(|(place, labels)| Some((place, labels, position(variants, &labels.names[0])?)))
            })?;
        let (owner, label, read_as) = (owner.to_owned(), labels.hash(), variants[at]);
        let found = FoundVariant { owner, variants, index, place, label, read_as };
        let mut all_found = self.found_variants.borrow_mut();
        all_found.push(found);
        Some(all_found.len() - 1)
    }
}

/// Returns where a variant is, or the only one whose name differs in its style alone.
fn position(variants: &[&str], name: &str) -> Option<usize> {
    variants.iter().position(|variant| *variant == name).or_else(|| {
        let mut alike = (0..variants.len()).filter(|at| are_alike(variants[*at], name));
        alike.next().filter(|_| alike.next().is_none())
    })
}

pub(super) const NO_MIRROR: &str = "its `Deserialize` reads other parts than its `Serialize` writes";
