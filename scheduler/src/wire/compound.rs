//! What has parts, as [`Recording`](super::recording::Recording) writes it: lists, maps, tuples and structs.

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::recording::{Known, Need, Recorded, Recorder};
use super::shape::Labels;

/// What has parts.
pub(super) struct Compound<'a, C> {
    inner: C,
    recorder: &'a Recorder,
    announced: Option<usize>,
    parts: usize,
    fields: Fields,
}

impl<'a, C> Compound<'a, C> {
    pub(super) fn new(recorder: &'a Recorder, owner: &'static str, announced: Option<usize>, inner: C) -> Self {
        Self { inner, recorder, announced, parts: 0, fields: Fields::of(recorder, owner) }
    }
}

/// The names of the fields of a struct, compared with those of the one before, which are usually the same.
struct Fields {
    owner: &'static str,
    /// Where the labels are that fit so far.
    place: Option<usize>,
    /// The names, where no labels fit.
    names: Vec<&'static str>,
}

impl Fields {
    fn of(recorder: &Recorder, owner: &'static str) -> Self {
        let is_unnoted = !recorder.has_labels() || owner.is_empty();
        let place =
            if is_unnoted { None } else { recorder.place(|of| of.labels.index.is_none() && of.labels.owner == owner) };
        Self { owner, place, names: Vec::new() }
    }

    fn next(&mut self, recorder: &Recorder, number: usize, name: &'static str) {
        if let Some(place) = self.place {
            let known = &recorder.labels.borrow()[place].labels.names;
            if known.get(number) == Some(&name) {
                return;
            }
            self.names.extend(&known[..number.min(known.len())]);
            self.place = None;
        }
        self.names.push(name);
    }

    fn end(mut self, recorder: &Recorder, count: usize) {
        if let Some(place) = self.place {
            let known = &recorder.labels.borrow()[place].labels.names;
            if known.len() == count {
                self.names.clear();
            } else {
                self.names.extend(&known[..count]);
                self.place = None;
            }
        }
        let Self { owner, place, names } = self;
        let place = place.or_else(|| {
            let is_it = |of: &Known| of.labels.index.is_none() && of.labels.owner == owner && of.labels.names == names;
            recorder.place(is_it)
        });
        recorder.note(place.unwrap_or_else(|| recorder.add_fields(Labels { owner, index: None, names })));
    }
}

impl<C> Compound<'_, C> {
    /// Checks that there were as many parts as were announced, where what reads them believes that.
    fn check<E: Error>(&self) -> Result<(), E> {
        let parts = self.parts;
        match self.announced.filter(|announced| *announced != parts) {
            None => Ok(()),
            Some(announced) => {
                let elements = if announced == 1 { "element" } else { "elements" };
                Err(E::custom(format!("its `Serialize` announces {announced} {elements} and writes {parts}")))
            }
        }
    }

    fn check_if_named<E: Error>(&self) -> Result<(), E> {
        if self.recorder.is_named() { self.check() } else { Ok(()) }
    }

    fn field(&mut self, name: &'static str) {
        if self.recorder.has_labels() {
            self.fields.next(self.recorder, self.parts, name);
        }
        self.parts += 1;
    }
}

macro_rules! parts {
    ($($trait:ident::$method:ident, $check:ident;)*) => {$(
        impl<C: $trait> $trait for Compound<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                self.parts += 1;
                self.inner.$method(&Recorded { value, recorder: self.recorder })
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.$check()?;
                self.recorder.trace.end(self.parts);
                self.inner.end()
            }
        }
    )*};
}

parts! {
    SerializeSeq::serialize_element, check;
    SerializeTuple::serialize_element, check_if_named;
    SerializeTupleStruct::serialize_field, check_if_named;
    SerializeTupleVariant::serialize_field, check_if_named;
}

macro_rules! fields {
    ($($trait:ident),* $(,)?) => {$(
        impl<C: $trait> $trait for Compound<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), C::Error> {
                self.field(key);
                self.inner.serialize_field(key, &Recorded { value, recorder: self.recorder })
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), C::Error> {
                self.recorder.needs(Need::SkippedField);
                self.inner.skip_field(key)
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.check_if_named()?;
                self.recorder.trace.end(self.parts);
                if self.recorder.has_labels() {
                    self.fields.end(self.recorder, self.parts);
                }
                self.inner.end()
            }
        }
    )*};
}

fields!(SerializeStruct, SerializeStructVariant);

impl<C: SerializeMap> SerializeMap for Compound<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        self.parts += 1;
        self.inner.serialize_key(&Recorded { value: key, recorder: self.recorder })
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        self.inner.serialize_value(&Recorded { value, recorder: self.recorder })
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        self.check()?;
        self.recorder.trace.end(self.parts);
        self.inner.end()
    }
}
