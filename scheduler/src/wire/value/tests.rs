//! Tests of the encodings of users' values: no value is ever read as another one.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ffi::{CString, OsString};
use std::fmt::Debug;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::ops::{Bound, Range};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serializer};

use super::*;

/// The encodings of this build.
const ENCODINGS: &[Encoding] = &[
    Encoding::Compact,
    #[cfg(feature = "cbor")]
    Encoding::Cbor,
];

/// Returns a value after a round trip: decoded from a slice, and from a payload.
fn round_trip<T: Serialize + DeserializeOwned>(value: &T, encoding: Encoding) -> Result<[T; 2], String> {
    let bytes = encode(value, encoding).map_err(CodecError::into_message)?;
    let from_slice = decode(&bytes).map_err(CodecError::into_message)?;
    let stream = [&bytes[..], b"next"].concat();
    let mut payload = Payload::new(Vec::new(), stream.len() as u64, &*stream);
    let from_payload = receive(&mut payload).map_err(CodecError::into_message)?;
    assert_eq!(payload.left(), 4, "no more than the value is read");
    Ok([from_slice, from_payload])
}

/// Asserts that each encoding carries the value unchanged.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "it is a value of a table")]
fn assert_carried<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
    for encoding in ENCODINGS {
        let [from_slice, from_payload] =
            round_trip(&value, *encoding).unwrap_or_else(|error| panic!("{encoding:?}: {error}"));
        assert_eq!((&from_slice, &from_payload), (&value, &value), "{encoding:?}");
    }
    // The compact encoding is enough.
    assert_eq!(encode(&value, Encoding::Compact).expect("it was sent")[0], COMPACT);
}

/// Asserts that the compact encoding refuses the value with this message, when it is written or read.
#[track_caller]
fn assert_refused<T: Serialize + DeserializeOwned + Debug>(value: &T, message: &str) {
    let error = round_trip(value, Encoding::Compact).expect_err("it can't be carried");
    assert!(error.contains(message), "{error}");
}

/// Asserts that the compact encoding refuses the value when it is read, and that the self-describing one carries it.
#[track_caller]
fn assert_refused_by_compact<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    assert_refused(value, "#[job(encoding = \"cbor\")]");
    #[cfg(feature = "cbor")]
    assert_eq!(round_trip(value, Encoding::Cbor).map(|[value, _]| value).as_ref(), Ok(value));
}

/// Asserts that the encoder replaces the compact encoding of the value by the self-describing one.
#[track_caller]
fn assert_carried_by_fallback<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    #[cfg(feature = "cbor")]
    for encoding in ENCODINGS {
        let values = round_trip(value, *encoding);
        assert!(values.iter().flatten().all(|round_trip| round_trip == value) && values.is_ok(), "{values:?}");
    }
    #[cfg(not(feature = "cbor"))]
    assert_refused(value, "turn on the feature `cbor` of `scheduler`");
}

macro_rules! types {
    ($($item:item)*) => {$(
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        $item
    )*};
}

types! {
    struct Unit {}
    struct Pair(char, bool);
    struct New(u8);
    #[serde(transparent)]
    struct Transparent { only: u32 }
    struct Renamed {
        #[serde(rename = "type")]
        kind: u8,
        #[serde(alias = "weight", alias = "heft")]
        mass: u16,
        #[serde(default)]
        name: String,
    }
    #[serde(rename_all(serialize = "camelCase", deserialize = "SCREAMING_SNAKE_CASE"))]
    struct TwoStyles { file_name: String, line_number: u32 }
    #[serde(from = "(u8, u8)", into = "(u8, u8)")]
    struct Point { x: u8, y: u8 }
    enum Shape {
        Unit,
        New(Box<Tree>),
        Tuple(i128, u128),
        Struct { text: String, unit: Unit },
    }
    struct Tree { shapes: Vec<Shape>, pair: Option<Pair>, names: BTreeMap<String, Option<CString>> }
    struct Generic<T> { value: T, nothing: PhantomData<T> }
}

impl From<(u8, u8)> for Point {
    fn from((x, y): (u8, u8)) -> Self {
        Self { x, y }
    }
}

impl From<Point> for (u8, u8) {
    fn from(point: Point) -> Self {
        (point.x, point.y)
    }
}

fn tree() -> Tree {
    let leaf = Tree { shapes: vec![], pair: None, names: BTreeMap::new() };
    let shapes = vec![
        Shape::Unit,
        Shape::New(Box::new(leaf)),
        Shape::Tuple(i128::MIN, u128::MAX),
        Shape::Struct { text: "ü".to_owned(), unit: Unit {} },
        Shape::Unit,
    ];
    let names = BTreeMap::from([("a".to_owned(), None), ("b".to_owned(), Some(c"c".to_owned()))]);
    Tree { shapes, pair: Some(Pair('ß', true)), names }
}

#[test]
fn values_of_every_shape_arrive_unchanged() {
    assert_carried(());
    assert_carried(Unit {});
    assert_carried(New(7));
    assert_carried(Pair('ß', false));
    assert_carried(Transparent { only: 7 });
    assert_carried(Point { x: 1, y: 2 });
    assert_carried(tree());
    assert_carried(vec![tree(), tree()]);
    assert_carried(Generic { value: Generic { value: 1_u8, nothing: PhantomData }, nothing: PhantomData });
    assert_carried((1_u8, -1_i8, 300_u16, -300_i16, u32::MAX, i32::MIN, u64::MAX, i64::MIN, u128::MAX, i128::MIN));
    assert_carried((true, 'x', 1.5_f32, f64::INFINITY, String::from("ü"), Some(vec![0_u8; 300])));
    assert_carried([[1_u8, 2], [3, 4]]);
    assert_carried(vec![Some(1_u64 << 40), None]);
    assert_carried(vec![Some(Ok::<_, String>(Some(3_u16))), Some(Ok(None)), Some(Err("no".to_owned())), None]);
    assert_carried(BTreeMap::from([((1_u8, 'a'), vec![(); 3]), ((2, 'b'), vec![])]));
    assert_carried(HashMap::from([(Some(1_u8), 1), (None, 2)]));
    assert_carried(BTreeSet::from([[1_u8, 2], [0, 9]]));
    assert_carried(VecDeque::from([1_u8, 2, 3]));
    assert_carried(Duration::new(7, 3));
    assert_carried(UNIX_EPOCH + Duration::from_nanos(123_456_789));
    assert_carried((OsString::from("a"), PathBuf::from("/a/b"), c"c".to_owned()));
    assert_carried((Bound::Included(1), Bound::Excluded(2), Bound::<u8>::Unbounded, Range { start: 1, end: 9 }));
    assert_carried((NonZeroU32::MIN, std::num::Wrapping(7_u8), std::cmp::Reverse(7)));
    assert_carried((IpAddr::V4(Ipv4Addr::LOCALHOST), "[::1]:80".parse::<SocketAddr>().expect("an address")));
    assert_carried(std::borrow::Cow::<'static, str>::Owned("a".to_owned()));
}

#[test]
fn nan_keeps_its_bits() {
    for bits in [f64::NAN.to_bits(), 0x7ff8_0000_0000_0123, 0xfff8_0000_0000_0000, (-0.0_f64).to_bits()] {
        for encoding in ENCODINGS {
            let round_trip = round_trip(&f64::from_bits(bits), *encoding).expect("a number is carried");
            assert_eq!(round_trip.map(f64::to_bits), [bits; 2]);
        }
    }
    let round_trip =
        ENCODINGS.iter().flat_map(|encoding| round_trip(&f32::NAN, *encoding).expect("a number is carried"));
    assert!(round_trip.into_iter().all(|number| number.to_bits() == f32::NAN.to_bits()));
}

#[test]
fn names_that_differ_in_both_directions_are_matched() {
    assert_carried(Renamed { kind: 1, mass: 300, name: "a".to_owned() });
    let two_styles = TwoStyles { file_name: "a".to_owned(), line_number: 7 };
    let round_trip = round_trip(&two_styles, Encoding::Compact).expect("they are alike");
    assert_eq!(round_trip, [two_styles.clone(), two_styles]);
}

types! {
    /// A skipped variant has an index when it is written, and none when it is read.
    enum Numbered {
        #[serde(skip)]
        _Never,
        #[serde(alias = "first", alias = "A")]
        First,
        Second(u8),
        #[serde(alias = "Aa")]
        Third { a: u8 },
    }
    #[serde(tag = "t", content = "c")]
    enum Adjacent { Unit, New(u8), Struct { a: u8 } }
    struct Skips { #[serde(skip)] left_out: u8, kept: u8 }
}

#[test]
fn variants_are_found_by_their_names() {
    assert_carried(vec![Numbered::First, Numbered::Second(7), Numbered::Third { a: 1 }, Numbered::First]);
    assert_carried(Adjacent::Unit);
    assert_carried(vec![Adjacent::New(7), Adjacent::New(8)]);
    assert_refused_by_compact(&Adjacent::Struct { a: 1 });
    let with_unit = vec![Adjacent::Unit, Adjacent::New(7), Adjacent::Struct { a: 1 }];
    for encoding in ENCODINGS {
        let round_trip = round_trip(&with_unit, *encoding);
        assert!(
            round_trip.as_ref().map_or(!cfg!(feature = "cbor"), |round_trip| round_trip[0] == with_unit),
            "{round_trip:?}"
        );
    }
}

#[test]
fn a_field_that_is_never_sent_arrives_as_its_default() {
    for encoding in ENCODINGS {
        let round_trip = round_trip(&Skips { left_out: 1, kept: 2 }, *encoding).expect("it is carried");
        assert_eq!(round_trip[1], Skips { left_out: 0, kept: 2 });
    }
}

types! {
    struct SkipIf {
        #[serde(skip_serializing_if = "Option::is_none", default)]
        a: Option<u8>,
        b: u8,
        c: u32,
    }
    enum SkipIfInVariant {
        Struct {
            #[serde(skip_serializing_if = "Option::is_none", default)]
            a: Option<u8>,
            b: u8,
        },
    }
    struct SkipIfInTuple(#[serde(skip_serializing_if = "Option::is_none")] Option<u8>, u8, u32);
    struct OneWay {
        #[serde(skip_serializing, default)]
        secret: u8,
        data: Vec<u8>,
    }
    struct BothWays {
        #[serde(skip_serializing, default)]
        password: String,
        #[serde(skip_deserializing)]
        id: String,
        name: String,
    }
    struct Flat { a: u8, #[serde(flatten)] inner: Inner, #[serde(flatten)] rest: HashMap<String, i64> }
    struct Inner { b: Option<u8> }
    #[serde(untagged)]
    enum Untagged { Number(u64), Text(String), List(Vec<Untagged>), Nothing }
    #[serde(tag = "t")]
    enum Internal { Unit, New(Inner), Struct { a: Option<u8>, b: Vec<u8> } }
}

#[test]
fn a_skipped_field_is_not_read_as_another_field() {
    let [some, none] = [Some(251), None].map(|a| SkipIf { a, b: 1, c: 251 });
    assert_carried(some.clone());
    assert_carried_by_fallback(&none);
    assert_carried_by_fallback(&vec![some, none]);
    assert_carried_by_fallback(&SkipIfInVariant::Struct { a: None, b: 1 });
    assert_carried(SkipIfInVariant::Struct { a: Some(1), b: 1 });
}

#[test]
fn a_skipped_element_is_not_read_as_another_element() {
    assert_carried(SkipIfInTuple(Some(251), 1, 251));
    assert_refused(&SkipIfInTuple(None, 1, 251), "reads other parts than its `Serialize` writes");
    assert_refused(&vec![SkipIfInTuple(None, 1, 0), SkipIfInTuple(Some(1), 1, 0)], "#[job(encoding = \"cbor\")]");
    #[cfg(feature = "cbor")]
    {
        let error = round_trip(&SkipIfInTuple(None, 1, 251), Encoding::Cbor).expect_err("a tuple has no names");
        assert!(error.contains("a tuple can't leave elements out; give its fields names"), "{error}");
    }
}

#[test]
fn a_field_that_is_only_written_or_only_read_takes_no_other_field_s_value() {
    let value = OneWay { secret: 7, data: vec![1, 9] };
    for encoding in ENCODINGS {
        // As in every self-describing format.
        let round_trip = round_trip(&value, *encoding).expect("what is left out has a default");
        assert_eq!(round_trip[0], OneWay { secret: 0, data: vec![1, 9] });
    }
    let both = BothWays { password: "p".to_owned(), id: "i".to_owned(), name: "n".to_owned() };
    assert_refused(&both, "#[job(encoding = \"cbor\")]");
    #[cfg(feature = "cbor")]
    {
        let round_trip = round_trip(&both, Encoding::Cbor).expect("what is left out has a default");
        assert_eq!(round_trip[0], BothWays { password: String::new(), id: String::new(), name: "n".to_owned() });
    }
}

#[test]
fn a_type_that_needs_names_gets_them() {
    assert_carried_by_fallback(&Flat { a: 1, inner: Inner { b: Some(2) }, rest: HashMap::from([("c".into(), -3)]) });
    assert_refused_by_compact(&Untagged::Number(7));
    let list = Untagged::List(vec![Untagged::Text("a".to_owned()), Untagged::Nothing, Untagged::Number(u64::MAX)]);
    assert_refused_by_compact(&list);
    assert_refused_by_compact(&Internal::Unit);
    assert_refused_by_compact(&Internal::New(Inner { b: None }));
    assert_refused_by_compact(&Internal::Struct { a: None, b: vec![1, 2] });
    let json = serde_json::json!({"a": null, "b": [1, -2, 2.5, "c", {"d": true}], "": u64::MAX});
    assert_refused_by_compact(&json);
    assert_refused_by_compact(&serde_json::Value::Null);
}

/// A list that doesn't announce its length.
fn endless<S: Serializer>(list: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(list.iter().filter(|number| **number > 0))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "`serde` gives a reference")]
fn as_text<S: Serializer>(number: &u8, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "`serde` gives a reference")]
fn as_wide<S: Serializer>(number: &u8, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32((*number).into())
}

fn from_wide<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    u32::deserialize(deserializer)?.try_into().map_err(serde::de::Error::custom)
}

/// A list that announces a wrong length.
fn boasting<S: Serializer>(list: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    use serde::ser::SerializeSeq;
    let mut elements = serializer.serialize_seq(Some(list.len() + 1))?;
    list.iter().try_for_each(|element| elements.serialize_element(element))?;
    elements.end()
}

types! {
    struct Endless { #[serde(serialize_with = "endless")] list: Vec<u8>, after: u8 }
    struct Boasting { #[serde(serialize_with = "boasting")] list: Vec<u8>, after: u8 }
    struct TwoHalves { #[serde(serialize_with = "as_text")] a: u8, b: u8 }
    struct Wide { #[serde(serialize_with = "as_wide", deserialize_with = "from_wide")] a: u8, b: u8 }
    struct WideOneWay { #[serde(serialize_with = "as_wide")] a: u8, b: u8, c: u8 }
    #[serde(remote = "Duration")]
    struct Remote { #[serde(getter = "Duration::as_secs")] secs: u64, #[serde(getter = "Duration::subsec_nanos")] nanos: u32 }
    struct OfRemote { #[serde(with = "Remote")] a: Duration, b: u8 }
}

impl From<Remote> for Duration {
    fn from(remote: Remote) -> Self {
        Self::new(remote.secs, remote.nanos)
    }
}

#[test]
fn hand_written_implementations_are_read_as_written_or_refused() {
    assert_carried_by_fallback(&Endless { list: vec![1, 2], after: 3 });
    assert_carried(Wide { a: 251, b: 7 });
    assert_carried(OfRemote { a: Duration::new(1, 2), b: 7 });
    for encoding in ENCODINGS {
        let error = round_trip(&Boasting { list: vec![1, 2], after: 3 }, *encoding).expect_err("the length is wrong");
        assert_eq!(error, "its `Serialize` announces 3 elements and writes 2");
        assert!(round_trip(&TwoHalves { a: 7, b: 7 }, *encoding).is_err());
    }
    // The bytes are those of another value.
    assert_refused(&WideOneWay { a: 7, b: 7, c: 7 }, "its `Deserialize` reads other parts than its `Serialize` writes");
    assert_refused(&WideOneWay { a: 251, b: 0, c: 7 }, "reads other parts");
}

fn take<S: Serializer>(number: &std::cell::Cell<Option<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    number.take().serialize(serializer)
}

/// Writes the rest of a list, which is empty the second time, with an unknown length.
fn drain<S: Serializer>(list: &std::cell::RefCell<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    let drained = list.take();
    serializer.collect_seq(drained.iter().filter(|_| true))
}

/// Counts how often it is written.
fn count<S: Serializer>(times: &std::cell::Cell<u8>, serializer: S) -> Result<S::Ok, S::Error> {
    times.set(times.get() + 1);
    serializer.serialize_u8(times.get())
}

/// Skips one field the first time, and another one the second time.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
struct Alternates {
    a: u8,
    b: u8,
    #[serde(skip)]
    times: std::cell::Cell<u8>,
}

impl Default for Alternates {
    fn default() -> Self {
        Self { a: 5, b: 5, times: std::cell::Cell::new(0) }
    }
}

impl Serialize for Alternates {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        self.times.set(self.times.get() + 1);
        let [written, left_out] = if self.times.get() == 1 { ["a", "b"] } else { ["b", "a"] };
        let mut fields = serializer.serialize_struct("Alternates", 1)?;
        fields.serialize_field(written, &5_u8)?;
        fields.skip_field(left_out)?;
        fields.end()
    }
}

types! {
    struct Once {
        #[serde(serialize_with = "take")]
        taken: std::cell::Cell<Option<u8>>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        a: Option<u8>,
    }
    struct OnceBehind {
        #[serde(skip_serializing_if = "Option::is_none", default)]
        a: Option<u8>,
        #[serde(serialize_with = "take")]
        taken: std::cell::Cell<Option<u8>>,
    }
    struct Drained { #[serde(serialize_with = "drain")] list: std::cell::RefCell<Vec<u8>> }
    struct Counted {
        #[serde(skip_serializing_if = "Option::is_none", default)]
        a: Option<u8>,
        #[serde(serialize_with = "count")]
        times: std::cell::Cell<u8>,
    }
}

#[test]
fn a_value_that_differs_in_the_second_pass_is_refused() {
    use std::cell::{Cell, RefCell};
    fn refused_twice<T: Serialize + DeserializeOwned + Debug>(value: &T) {
        let error = encode(value, Encoding::Compact).expect_err("it is not what it was");
        let message = if cfg!(feature = "cbor") {
            "its `Serialize` writes another value the second time"
        } else {
            "turn on the feature `cbor` of `scheduler`"
        };
        assert!(error.to_string().contains(message), "{error}");
    }
    let once = || Cell::new(Some(5));
    refused_twice(&Once { taken: once(), a: None });
    refused_twice(&OnceBehind { taken: once(), a: None });
    refused_twice(&Drained { list: RefCell::new(vec![1, 2]) });
    refused_twice(&Counted { a: None, times: Cell::new(0) });
    refused_twice(&Alternates::default());
    // A value that is written once arrives.
    carried_once(|| Once { taken: once(), a: Some(1) }, Encoding::Compact);
    #[cfg(feature = "cbor")]
    carried_once(|| Once { taken: once(), a: None }, Encoding::Cbor);
    #[cfg(feature = "cbor")]
    carried_once(|| Drained { list: RefCell::new(vec![1, 2]) }, Encoding::Cbor);
}

#[track_caller]
fn carried_once<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: impl Fn() -> T, encoding: Encoding) {
    assert_eq!(round_trip(&value(), encoding).map(|[value, _]| value).as_ref(), Ok(&value()));
}

#[cfg(feature = "cbor")]
#[test]
fn two_passes_over_a_constant_value_agree() {
    types! {
        struct Everything {
            #[serde(skip_serializing_if = "Option::is_none", default)]
            a: Option<u8>,
            tree: Tree,
            bytes: (Vec<u8>, VecDeque<u8>, [i8; 2], String, char, ()),
            numbers: (i8, i16, i32, i64, u16, u32, u64, f32, f64, bool, u128, i128),
            choices: Vec<Numbered>,
            rest: BTreeMap<String, Option<u8>>,
            adjacent: Adjacent,
        }
    }
    let value = Everything {
        a: None,
        tree: tree(),
        bytes: (vec![0, 250, 251, 255], VecDeque::from([251, 1]), [-1, 1], "ü".repeat(300), 'ß', ()),
        numbers: (-1, -300, i32::MIN, i64::MIN, 300, u32::MAX, u64::MAX, 0.1, 0.1, true, u128::MAX, i128::MIN),
        choices: vec![Numbered::First, Numbered::Second(7), Numbered::Third { a: 1 }],
        rest: BTreeMap::from([("a".to_owned(), Some(1)), ("b".to_owned(), None)]),
        adjacent: Adjacent::New(7),
    };
    assert_carried_by_fallback(&value);
}

#[test]
fn an_error_says_what_to_write() {
    types! {
        struct TwoNumbers { #[serde(serialize_with = "as_pair")] a: u8 }
        struct Ignores { a: u8, #[serde(skip_deserializing)] b: u8 }
    }
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "`serde` gives a reference")]
    fn as_pair<S: Serializer>(number: &u8, serializer: S) -> Result<S::Ok, S::Error> {
        (number, number).serialize(serializer)
    }
    let agree = "if `Serialize` and `Deserialize` differ in form, make them agree; if only in order or names, put \
        `#[job(encoding = \"cbor\")]` above the job";
    assert_refused(&TwoNumbers { a: 7 }, agree);
    assert_refused(&WideOneWay { a: 7, b: 7, c: 7 }, agree);
    assert_refused(
        &Ignores { a: 7, b: 7 },
        "its `Deserialize` skips or ignores a field, or asks the encoding for the kind of the next value",
    );
    #[cfg(feature = "cbor")]
    for error in [
        round_trip(&TwoNumbers { a: 7 }, Encoding::Cbor).expect_err("a pair is no number"),
        round_trip(&Narrow { a: 300 }, Encoding::Cbor).expect_err("it is too large"),
        round_trip(&Less { list: vec![1, 2] }, Encoding::Cbor).expect_err("it takes one"),
    ] {
        assert!(error.ends_with("; make `into` and `from` (or the two functions of `with`) agree"), "{error}");
    }
}

#[cfg(feature = "cbor")]
fn from_narrow<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    u8::deserialize(deserializer).map(u32::from)
}

#[cfg(feature = "cbor")]
fn first_alone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    struct First;
    impl<'de> serde::de::Visitor<'de> for First {
        type Value = Vec<u8>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list")
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Vec<u8>, A::Error> {
            Ok(list.next_element::<u8>()?.into_iter().collect())
        }
    }
    deserializer.deserialize_seq(First)
}

#[cfg(feature = "cbor")]
types! {
    struct Narrow { #[serde(deserialize_with = "from_narrow")] a: u32 }
    struct Less { #[serde(deserialize_with = "first_alone")] list: Vec<u8> }
    #[serde(untagged)]
    enum WideUntagged { Signed(i128), Unsigned(u128) }
    #[serde(tag = "t")]
    enum WideInternal { Wide { a: u128 } }
    struct WideInside { a: i128 }
    struct WideFlat { #[serde(flatten)] inner: WideInside }
}

#[cfg(feature = "cbor")]
#[test]
fn the_error_of_a_128_bit_integer_that_serde_drops_says_so() {
    for error in [
        round_trip(&WideUntagged::Signed(i128::MIN), Encoding::Cbor).expect_err("it is lost"),
        round_trip(&WideUntagged::Unsigned(u128::MAX), Encoding::Cbor).expect_err("it is lost"),
        round_trip(&WideInternal::Wide { a: u128::MAX }, Encoding::Cbor).map(drop).expect_err("it is lost"),
        round_trip(&WideInternal::Wide { a: 7 }, Encoding::Cbor).map(drop).expect_err("it is refused all the same"),
        round_trip(&WideFlat { inner: WideInside { a: i128::MIN } }, Encoding::Cbor).map(drop).expect_err("it is lost"),
    ] {
        let message = "; serde keeps no 128-bit integers in `flatten`, `untagged` and internally tagged types; send it as text, \
            or in a field outside of them";
        assert!(error.ends_with(message), "{error}");
    }
}

#[test]
fn the_error_of_a_panic_in_deserialize_advises_no_encoding() {
    #[derive(Debug, Serialize)]
    struct Panics(u8);
    impl<'de> Deserialize<'de> for Panics {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            u8::deserialize(deserializer)?;
            panic!("no way")
        }
    }
    for encoding in ENCODINGS {
        assert_eq!(round_trip(&Panics(7), *encoding).expect_err("it panics"), "it panicked: no way");
    }
}

#[test]
fn one_element_is_announced_in_the_singular() {
    let error = round_trip(&Boasting { list: vec![], after: 3 }, Encoding::Compact).expect_err("the length is wrong");
    assert_eq!(error, "its `Serialize` announces 1 element and writes 0");
}

#[cfg(feature = "cbor")]
#[test]
fn some_none_is_refused_where_it_would_become_none() {
    assert_carried(Some(Some(1_u8)));
    for value in [None, Some(None), Some(Some(1_u8))] {
        assert_eq!(round_trip(&value, Encoding::Compact).as_ref(), Ok(&[value; 2]));
    }
    assert!(round_trip(&None::<Option<u8>>, Encoding::Cbor).is_ok());
    let message = "`Some(None)`, `Some(())` and `Some(serde_json::Value::Null)` read back as `None` where names are written (so a \
        double `Option` can't tell null from a field that is missing); give the inner type";
    for error in [
        round_trip(&Some(None::<u8>), Encoding::Cbor).expect_err("it is lost"),
        round_trip(&Some(()), Encoding::Cbor).map(drop).expect_err("it is lost"),
        round_trip(&Some(serde_json::Value::Null), Encoding::Cbor).map(drop).expect_err("it is lost"),
        round_trip(&Some(PhantomData::<u8>), Encoding::Cbor).map(drop).expect_err("it is lost"),
    ] {
        assert!(error.starts_with(message), "{error}");
    }
    assert_eq!(round_trip(&(Some(1_u8), ()), Encoding::Cbor), Ok([(Some(1), ()); 2]));
}

mod one {
    use super::*;
    types! {
        pub(super) struct Same { #[serde(skip_serializing, default)] pub(super) a: u8, #[serde(skip_deserializing)] pub(super) b: u8 }
        pub(super) enum Choice { #[serde(skip)] _Never, B(u8), C(u8) }
    }
}

mod two {
    use super::*;
    types! {
        pub(super) struct Same { pub(super) a: u8 }
        pub(super) enum Choice { C(u8), B(u8) }
    }
}

#[test]
fn two_types_of_one_name_are_not_confused() {
    // In the self-describing encoding a skipped field has its default.
    let (one, two) = (one::Same { a: 1, b: 9 }, two::Same { a: 3 });
    let there = round_trip(&(one.clone(), two.clone()), Encoding::Compact);
    assert!(there.is_ok() == cfg!(feature = "cbor"), "{there:?}");
    for first in there.into_iter().flatten() {
        assert_eq!(first, (one::Same { a: 0, b: 0 }, two.clone()));
    }
    for value in [
        (one::Choice::B(1), two::Choice::B(2), one::Choice::C(3), two::Choice::C(4)),
        (one::Choice::C(1), two::Choice::C(2), one::Choice::B(3), two::Choice::B(4)),
    ] {
        // It may be refused, but never changed.
        if let Ok(round_trip) = round_trip(&value, Encoding::Compact) {
            assert_eq!(round_trip, [value.clone(), value]);
        }
    }
}

#[test]
fn a_list_of_bytes_and_one_block_have_the_same_encoding() {
    let bytes = vec![7_u8, 250, 251, 255];
    for value in [bytes.clone(), vec![], vec![9]] {
        let list = VecDeque::from(value.clone());
        assert_eq!(encode(&value, Encoding::Compact), encode(&list, Encoding::Compact));
        let round_trip: VecDeque<u8> =
            decode(&encode(&value, Encoding::Compact).expect("bytes encode")).expect("and decode");
        assert_eq!(round_trip, list);
        assert_carried(value.clone());
        assert_carried(value.clone().into_boxed_slice());
        assert_carried(Some(value.clone()));
        assert_carried((value.clone(), Ok::<_, String>(value)));
    }
    // Bytes alone are one block in every encoding.
    for encoding in ENCODINGS {
        assert_eq!(encode(&bytes, *encoding), encode(&bytes, Encoding::Compact));
        assert_eq!(encode(&Some(bytes.clone()), *encoding), encode(&Some(bytes.clone()), Encoding::Compact));
    }
}

#[test]
fn a_type_with_its_own_visitor_of_bytes_is_called() {
    fn reversed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Reversed;
        impl<'de> serde::de::Visitor<'de> for Reversed {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Vec<u8>, A::Error> {
                let mut bytes = VecDeque::new();
                while let Some(byte) = list.next_element()? {
                    bytes.push_front(byte);
                }
                Ok(bytes.into())
            }
        }
        deserializer.deserialize_seq(Reversed)
    }
    types! {
        struct Backwards { #[serde(deserialize_with = "reversed")] bytes: Vec<u8> }
    }
    let round_trip = round_trip(&Backwards { bytes: vec![1, 2, 3] }, Encoding::Compact).expect("a list is carried");
    assert_eq!(round_trip[0].bytes, [3, 2, 1]);
}

#[test]
fn a_tuple_that_is_appended_part_by_part_is_read_as_its_parts() {
    let value = (Some("a".to_owned()), vec![1_u8, 2], 7_u64);
    let mut whole = Vec::new();
    append_each(&mut whole, &value, Encoding::Compact).expect("its parts encode");
    let mut parts = encode(&value.0, Encoding::Compact).expect("text encodes");
    append(&mut parts, &value.1, Encoding::Compact).expect("bytes encode");
    append(&mut parts, &value.2, Encoding::Compact).expect("numbers encode");
    assert_eq!(whole, parts);
    let mut nothing = Vec::new();
    append_each(&mut nothing, &(), Encoding::Compact).expect("there is nothing to encode");
    assert_eq!(nothing, [0; 0]);
    assert!(append_each(&mut nothing, &7, Encoding::Compact).is_err());
}

#[test]
fn bytes_left_over_are_refused() {
    for encoding in ENCODINGS {
        let mut bytes = encode(&tree(), *encoding).expect("it encodes");
        bytes.push(0);
        assert_eq!(decode::<Tree>(&bytes).expect_err("there is one more").to_string(), "1 byte was left over");
    }
}

#[test]
fn no_bytes_cause_a_panic_or_take_much_memory() {
    for encoding in ENCODINGS {
        let bytes = encode(&tree(), *encoding).expect("it encodes");
        for length in 0..bytes.len() {
            assert!(decode::<Tree>(&bytes[..length]).is_err(), "{length}");
        }
        for at in 0..bytes.len() {
            for byte in [0, 1, 0x7f, 0x80, 0x9f, 0xbf, 0xfb, 0xfd, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = byte;
                let _ = decode::<Tree>(&changed);
                let _ = receive::<Tree>(&mut Payload::new(Vec::new(), changed.len() as u64, &*changed));
            }
        }
    }
    assert!(decode::<u8>(&[]).is_err() && decode::<u8>(&[9, 9]).is_err());
}

#[cfg(feature = "cbor")]
types! { struct Deep { inner: Option<Box<Deep>> } }

#[cfg(feature = "cbor")]
#[test]
fn cbor_takes_no_memory_before_its_bytes_are_there_and_bounded_stack() {
    let framed = |value: &[u8]| [&[CBOR][..], &(value.len() as u64).to_le_bytes(), value].concat();
    for start in [0x5b, 0x7b, 0x9b, 0xbb] {
        let hostile = framed(&[start, 0x10, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert!(decode::<String>(&hostile).is_err() && decode::<Vec<String>>(&hostile).is_err());
        assert!(decode::<serde_json::Value>(&hostile).is_err() && decode::<BTreeMap<u8, u8>>(&hostile).is_err());
    }
    for hostile in [framed(&vec![0x81; 1 << 20]), framed(&b"\xa1\x65inner".repeat(1 << 16))] {
        let error = decode::<serde_json::Value>(&hostile).expect_err("it has no end").to_string();
        assert!(error.ends_with("levels deep; send it flat"), "{error}");
        assert!(decode::<Deep>(&hostile).is_err());
    }
    let length_of_more = [&[CBOR][..], &u64::MAX.to_le_bytes(), &[0x81]].concat();
    assert!(decode::<u8>(&length_of_more).is_err());
    assert!(receive::<u8>(&mut Payload::new(Vec::new(), 10, &*length_of_more)).is_err());
}

#[test]
fn a_panic_in_user_code_is_an_error() {
    struct Panics;
    impl Serialize for Panics {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("no way")
        }
    }
    for encoding in ENCODINGS {
        let mut bytes = vec![7];
        let error = append(&mut bytes, &Panics, *encoding).expect_err("it panics");
        assert_eq!((error.to_string().as_str(), &bytes[..]), ("it panicked: no way", &[7][..]));
    }
}

mod generated {
    use proptest::collection::{btree_map, vec};
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    types! {
        enum Any {
            Nothing,
            Number(i64),
            Wide(u128, i128),
            Text(String),
            Bytes(Vec<u8>),
            Choice(Option<Box<Any>>),
            Result(Result<Box<Any>, char>),
            List(Vec<Any>),
            Map(BTreeMap<(u8, bool), Any>),
            #[serde(rename = "REC")]
            Record { #[serde(alias = "x")] first: Box<Any>, second: Option<u16>, third: (u8, f32) },
            Sparse(Sparse),
        }
        struct Sparse {
            #[serde(skip_serializing_if = "Option::is_none", default)]
            a: Option<u8>,
            #[serde(skip_serializing_if = "Vec::is_empty", default)]
            b: Vec<u8>,
            c: u8,
        }
    }

    fn anything() -> impl Strategy<Value = Any> {
        let sparse = (option::of(any::<u8>()), vec(any::<u8>(), 0..3), any::<u8>());
        let leaf = prop_oneof![
            Just(Any::Nothing),
            proptest::num::i64::ANY.prop_map(Any::Number),
            (any::<u128>(), any::<i128>()).prop_map(|(a, b)| Any::Wide(a, b)),
            ".*".prop_map(Any::Text),
            vec(any::<u8>(), 0..400).prop_map(Any::Bytes),
            sparse.prop_map(|(a, b, c)| Any::Sparse(Sparse { a, b, c })),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                option::of(inner.clone().prop_map(Box::new)).prop_map(Any::Choice),
                prop_oneof![inner.clone().prop_map(|value| Ok(Box::new(value))), proptest::char::any().prop_map(Err)]
                    .prop_map(Any::Result),
                vec(inner.clone(), 0..6).prop_map(Any::List),
                btree_map(any::<(u8, bool)>(), inner.clone(), 0..4).prop_map(Any::Map),
                (inner, option::of(any::<u16>()), (any::<u8>(), proptest::num::f32::NORMAL))
                    .prop_map(|(first, second, third)| Any::Record { first: Box::new(first), second, third }),
            ]
        })
    }

    fn holds_sparse(value: &Any) -> bool {
        match value {
            Any::Sparse(Sparse { a, b, .. }) => a.is_none() || b.is_empty(),
            Any::Choice(Some(inner)) | Any::Result(Ok(inner)) => holds_sparse(inner),
            Any::Record { first, .. } => holds_sparse(first),
            Any::List(values) => values.iter().any(holds_sparse),
            Any::Map(values) => values.values().any(holds_sparse),
            _ => false,
        }
    }

    /// A tuple struct in a list: a skipped element would be read from the next one.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Gap(#[serde(skip_serializing_if = "is_zero")] u8, u8);

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "`serde` gives a reference")]
    fn is_zero(number: &u8) -> bool {
        *number == 0
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 400 }) })]

        #[test]
        fn a_value_arrives_as_it_is_or_not_at_all(value in anything()) {
            for encoding in ENCODINGS {
                match round_trip(&value, *encoding) {
                    Ok(round_trip) => prop_assert!(round_trip.iter().all(|round_trip| *round_trip == value), "{round_trip:?}"),
                    Err(error) => {
                        prop_assert!(!cfg!(feature = "cbor") && holds_sparse(&value), "{error}");
                        prop_assert!(error.contains("turn on the feature `cbor`"), "{error}");
                    }
                }
            }
        }

        #[test]
        fn what_is_left_out_is_never_made_up_of_what_comes_next(
            list in vec((0_u8..3, 0_u8..3).prop_map(|(a, b)| Gap(a, b)), 0..6),
            after in vec(0_u8..3, 0..6),
        ) {
            let is_whole = list.iter().all(|gap| gap.0 != 0);
            for encoding in ENCODINGS {
                match round_trip(&(list.clone(), after.clone()), *encoding) {
                    Ok(round_trip) => prop_assert_eq!(&round_trip[0], &(list.clone(), after.clone())),
                    Err(_) => prop_assert!(!is_whole),
                }
            }
        }
    }
}
