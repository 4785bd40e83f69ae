//! Values of every shape, each with a job that takes it and a job that returns it.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use scheduler::{AnyJob, Record, job};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What becomes of a value on its way.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// It arrives as it was sent.
    Arrives,
    /// It arrives as this, as its type wishes.
    ArrivesAs(&'static str),
    /// It is refused, with these words.
    Refused(&'static str),
}

/// A value, and what is to become of it.
#[derive(Debug)]
pub struct Case {
    /// What is sent.
    pub value: String,
    /// What becomes of it.
    pub fate: Fate,
    /// Takes it, and returns what it has got, as text.
    pub takes: AnyJob,
    /// Returns it.
    pub returns: AnyJob,
    /// Reads what that job has returned, as text.
    pub result: fn(&Record) -> Result<String, String>,
}

fn read<T: Debug + Serialize + for<'de> Deserialize<'de> + 'static>(record: &Record) -> Result<String, String> {
    match record.error() {
        Some(error) => Err(error),
        None => Ok(format!("{:?}", record.result::<T>().map_err(|error| error.to_string())?)),
    }
}

macro_rules! values {
    ($($name:ident $(($encoding:literal))?: $type:ty = [$(($value:expr, $fate:expr $(,)?)),* $(,)?];)*) => {
        $(
            #[expect(missing_docs, reason = "the macro writes them")]
            pub mod $name {
                use super::*;

                #[job $((encoding = $encoding))?]
                pub fn takes(value: $type) -> String {
                    format!("{value:?}")
                }

                #[job $((encoding = $encoding))?]
                pub fn returns(place: usize) -> $type {
                    values().swap_remove(place)
                }

                fn values() -> Vec<$type> {
                    vec![$($value),*]
                }

                pub fn cases() -> Vec<Case> {
                    let fates = [$($fate),*];
                    let case = |(place, value): (usize, $type)| Case {
                        value: format!("{value:?}"),
                        fate: fates[place],
                        takes: takes::job(value).into(),
                        returns: returns::job(place).into(),
                        result: read::<$type>,
                    };
                    values().into_iter().enumerate().map(case).collect()
                }
            }
        )*

        /// Returns all of them.
        #[must_use]
        pub fn cases() -> Vec<Case> {
            [$($name::cases()),*].into_iter().flatten().collect()
        }
    };
}

macro_rules! types {
    ($($item:item)*) => {$(
        #[derive(Clone, Debug, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "they are there for their attributes")]
        $item
    )*};
}

types! {
    pub struct SkipIf {
        #[serde(skip_serializing_if = "Option::is_none")]
        a: Option<u8>,
        b: u8,
        c: u32,
    }
    pub enum SkipIfInVariant { Struct { #[serde(skip_serializing_if = "Option::is_none")] a: Option<u8>, b: u8 } }
    pub struct SkipIfInTuple(#[serde(skip_serializing_if = "Option::is_none")] Option<u8>, u8, u32);
    pub struct OneWay { #[serde(skip_serializing, default)] pub secret: u8, data: Vec<u8> }
    pub struct BothWays {
        #[serde(skip_serializing)]
        pub password: String,
        #[serde(skip_deserializing)]
        id: String,
        name: String,
    }
    pub struct Skipped { #[serde(skip)] pub a: u8, b: u8 }
    pub struct Flat { a: u8, #[serde(flatten)] rest: BTreeMap<String, i64> }
    #[serde(untagged)]
    pub enum Untagged { Nothing, Number(u64), Text(String), List(Vec<Untagged>) }
    #[serde(tag = "t")]
    pub enum Internal { Unit, Struct { a: Option<u8> } }
    #[serde(tag = "t", content = "c")]
    pub enum Adjacent { Unit, New(u8) }
    pub enum Numbered { #[serde(skip)] _Never, #[serde(alias = "eins")] One, Two(u8), Three { a: u8 } }
    pub struct Renamed { #[serde(rename = "type")] kind: u8, #[serde(alias = "heft")] mass: u16, #[serde(default)] name: String }
    #[serde(transparent)]
    pub struct Transparent { only: f64 }
    #[serde(from = "(u8, u8)", into = "(u8, u8)")]
    pub struct Point { x: u8, y: u8 }
    #[serde(remote = "Duration")]
    pub struct Remote {
        #[serde(getter = "Duration::as_secs")]
        secs: u64,
        #[serde(getter = "Duration::subsec_nanos")]
        nanos: u32,
    }
    pub struct OfRemote { #[serde(with = "Remote")] a: Duration, b: u8 }
    pub struct OneHalf { #[serde(serialize_with = "as_wide")] a: u8, b: u8, c: u8 }
    pub struct Tree<T> { value: T, children: Vec<Tree<T>> }
    pub struct Sieve { #[serde(serialize_with = "sieved")] list: Vec<u8>, after: u8 }
    pub struct BytesWithin { #[serde(with = "serde_bytes")] a: Vec<u8>, b: Vec<u8>, c: Option<Box<[u8]>> }
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

impl From<Remote> for Duration {
    fn from(remote: Remote) -> Self {
        Self::new(remote.secs, remote.nanos)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "`serde` gives a reference")]
fn as_wide<S: serde::Serializer>(number: &u8, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32((*number).into())
}

fn sieved<S: serde::Serializer>(list: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(list.iter().filter(|number| **number > 0))
}

const CBOR: Fate = Refused("put `#[job(encoding = \"cbor\")]` above the job");
const NULL: Fate = Refused("`Some(None)`, `Some(())` and `Some(serde_json::Value::Null)` read back as `None`");

use Fate::{Arrives, ArrivesAs, Refused};

values! {
    skip_if: SkipIf = [
        (SkipIf { a: None, b: 1, c: 251 }, Arrives),
        (SkipIf { a: Some(251), b: 251, c: 0 }, Arrives),
    ];
    skip_if_in_variant: Vec<SkipIfInVariant> = [
        (vec![SkipIfInVariant::Struct { a: None, b: 1 }, SkipIfInVariant::Struct { a: Some(1), b: 2 }], Arrives),
    ];
    skip_if_in_tuple: SkipIfInTuple = [(SkipIfInTuple(None, 1, 251), CBOR), (SkipIfInTuple(Some(9), 1, 251), Arrives)];
    skip_if_in_named_tuple("cbor"): SkipIfInTuple = [
        (SkipIfInTuple(None, 1, 251), Refused("a tuple can't leave elements out; give its fields names")),
    ];
    one_way: OneWay = [(OneWay { secret: 7, data: vec![1, 9] }, ArrivesAs("OneWay { secret: 0, data: [1, 9] }"))];
    both_ways: BothWays = [(BothWays { password: "p".into(), id: "i".into(), name: "n".into() }, CBOR)];
    skipped: Skipped = [(Skipped { a: 7, b: 8 }, ArrivesAs("Skipped { a: 0, b: 8 }"))];
    flat: Flat = [(Flat { a: 1, rest: BTreeMap::from([("b".into(), -2)]) }, Arrives)];
    untagged: Untagged = [(Untagged::Number(7), CBOR), (Untagged::Text("a".into()), CBOR)];
    untagged_named("cbor"): Untagged = [
        (Untagged::List(vec![Untagged::Nothing, Untagged::Number(u64::MAX), Untagged::Text("ü".into())]), Arrives),
    ];
    internal: Internal = [(Internal::Unit, CBOR), (Internal::Struct { a: Some(1) }, CBOR)];
    internal_named("cbor"): Internal = [(Internal::Unit, Arrives), (Internal::Struct { a: None }, Arrives)];
    adjacent: Vec<Adjacent> = [(vec![Adjacent::New(7)], Arrives), (vec![Adjacent::Unit, Adjacent::New(7)], Arrives)];
    json_value: serde_json::Value = [(json!({"a": [null, 1]}), CBOR)];
    json_value_named("cbor"): serde_json::Value = [
        (json!({"a": [null, 1, -2, 2.5, "c", true], "": {"b": u64::MAX}}), Arrives),
        (json!(null), Arrives),
    ];
    numbered: Vec<Numbered> = [(vec![Numbered::One, Numbered::Two(7), Numbered::Three { a: 1 }], Arrives)];
    renamed: Renamed = [(Renamed { kind: 1, mass: 300, name: "a".into() }, Arrives)];
    transparent: Transparent = [(Transparent { only: f64::NAN }, Arrives)];
    transparent_named("cbor"): Transparent = [(Transparent { only: f64::NAN }, Arrives)];
    from_into: Point = [(Point { x: 1, y: 2 }, Arrives)];
    of_remote: OfRemote = [(OfRemote { a: Duration::new(1, 2), b: 3 }, Arrives)];
    one_half: OneHalf = [(OneHalf { a: 7, b: 7, c: 7 }, CBOR)];
    sieve: Sieve = [(Sieve { list: vec![1, 2], after: 3 }, Arrives)];
    tree: Tree<Option<char>> = [(
        Tree { value: Some('ß'), children: vec![Tree { value: None, children: vec![] }] },
        Arrives,
    )];
    wide: (u128, i128) = [((u128::MAX, i128::MIN), Arrives)];
    wide_named("cbor"): (u128, i128) = [((u128::MAX, i128::MIN), Arrives), ((7, -7), Arrives)];
    twice_optional: Option<Option<u8>> = [(None, Arrives), (Some(None), Arrives), (Some(Some(7)), Arrives)];
    twice_optional_named("cbor"): Option<Option<u8>> = [(None, Arrives), (Some(None), NULL), (Some(Some(7)), Arrives)];
    results: Vec<Option<Result<(), String>>> = [(vec![None, Some(Ok(())), Some(Err("no".into()))], Arrives)];
    tuple_keys: BTreeMap<(u8, String), Vec<u8>> = [(BTreeMap::from([((1, "a".into()), vec![1, 2])]), Arrives)];
    tuple_keys_named("cbor"): BTreeMap<(u8, String), Vec<u8>> = [(BTreeMap::from([((1, "a".into()), vec![1])]), Arrives)];
    hash_map: HashMap<char, f32> = [(HashMap::from([('a', 1.5)]), Arrives)];
    bytes: Vec<u8> = [(vec![0, 250, 255], Arrives), (vec![], Arrives)];
    bytes_named("cbor"): Option<Box<[u8]>> = [(Some([0, 250, 255].into()), Arrives), (None, Arrives)];
    array: [u8; 32] = [([255; 32], Arrives)];
    bytes_within: BytesWithin = [
        (BytesWithin { a: vec![1, 255], b: vec![2, 255], c: Some([3, 255].into()) }, Arrives),
    ];
    bytes_within_named("cbor"): BytesWithin = [
        (BytesWithin { a: vec![1, 255], b: vec![2, 255], c: Some([3, 255].into()) }, Arrives),
    ];
    address: (IpAddr, PathBuf, Duration) = [(([127, 0, 0, 1].into(), "/a".into(), Duration::new(1, 2)), Arrives)];
    unique_id: uuid::Uuid = [(uuid::Uuid::from_u128(7), Arrives)];
    unique_id_named("cbor"): uuid::Uuid = [(uuid::Uuid::from_u128(7), Arrives)];
    time: chrono::NaiveDateTime = [(chrono::NaiveDateTime::default(), Arrives)];
    time_named("cbor"): chrono::NaiveDateTime = [(chrono::NaiveDateTime::default(), Arrives)];
}

/// Returns how many bytes there are.
#[job]
#[must_use]
pub fn takes_bytes(bytes: Vec<u8>) -> usize {
    bytes.len()
}

/// Returns how many bytes of text there are.
#[job]
#[must_use]
pub fn takes_text(text: String) -> usize {
    text.len()
}

/// Returns bytes.
///
/// # Errors
///
/// Never: `Result` is what it is about.
#[job]
pub fn returns_bytes(length: usize) -> Result<Option<Vec<u8>>, String> {
    Ok(Some(vec![7; length]))
}

/// Returns text.
#[job]
#[must_use]
pub fn returns_text(length: usize) -> String {
    "a".repeat(length)
}
