//! Tests of the compact encoding.

use super::*;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::CString;

#[test]
fn values_appended_one_after_the_other_are_one_tuple() {
    let mut bytes = Vec::new();
    append(&mut bytes, "path").expect("text encodes");
    append(&mut bytes, &200_u32).expect("numbers encode");
    assert_eq!(Ok(bytes), encode(&("path", 200_u32)));
}

#[test]
fn a_value_is_decoded_as_it_was_encoded() {
    let value = BTreeMap::from([("a".to_owned(), vec![Some(1.5), None])]);
    let bytes = encode(&value).expect("maps encode");
    assert_eq!(decode::<BTreeMap<String, Vec<Option<f64>>>>(&bytes), Ok(value));
}

#[test]
fn values_of_every_shape_are_decoded_as_they_were_encoded() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Unit;
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Pair(char, bool);
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Shape {
        Unit,
        New(Box<Tree>),
        Tuple(i128, u128),
        Struct { text: String, unit: Unit },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Tree {
        shapes: Vec<Shape>,
        pair: Option<Pair>,
        names: BTreeMap<String, Option<CString>>,
    }
    let leaf = Tree { shapes: vec![], pair: None, names: BTreeMap::new() };
    let shapes = vec![
        Shape::Unit,
        Shape::New(Box::new(leaf)),
        Shape::Tuple(i128::MIN, u128::MAX),
        Shape::Struct { text: "ü".to_owned(), unit: Unit },
    ];
    let names = BTreeMap::from([("a".to_owned(), None), ("b".to_owned(), Some(c"c".to_owned()))]);
    let tree = Tree { shapes, pair: Some(Pair('ß', true)), names };
    let bytes = encode(&tree).expect("trees encode");
    assert_eq!(receive(&mut Payload::new(Vec::new(), bytes.len() as u64, &*bytes)).as_ref(), Ok(&tree));
    assert_eq!(decode(&bytes), Ok(tree));
}

#[test]
fn values_are_decoded_from_a_payload_while_it_arrives() {
    // Longer than one read; shorter under Miri, which is slow.
    let long = "x".repeat(if cfg!(miri) { 300 } else { 200_000 });
    let mut bytes = Vec::new();
    append(&mut bytes, "path").expect("text encodes");
    append(&mut bytes, &vec![Some(1_u64 << 40), None]).expect("lists encode");
    append(&mut bytes, &long).expect("text encodes");
    let length = bytes.len() as u64;
    bytes.extend(b"what follows");
    let stream = bytes.split_off(3);
    let mut payload = Payload::new(bytes, length, &*stream);
    assert_eq!(receive(&mut payload), Ok("path".to_owned()));
    assert_eq!(receive(&mut payload), Ok(vec![Some(1_u64 << 40), None]));
    assert_eq!(receive(&mut payload), Ok(long));
    assert_eq!(receive::<u8>(&mut payload).expect_err("it is at its end").to_string(), ENDS_TOO_EARLY);
    assert_eq!((payload.left(), payload.into_stream()), (0, &b"what follows"[..]));
}

#[test]
fn numbers_may_take_more_memory_than_their_bytes() {
    let numbers = vec![1_u128; 1000];
    let bytes = encode(&numbers).expect("numbers encode");
    let mut payload = Payload::new(Vec::new(), bytes.len() as u64, &*bytes);
    assert_eq!(receive(&mut payload), Ok(numbers));
}

#[test]
fn a_length_takes_no_memory_before_its_bytes_are_there() {
    for length in [6, 1 << 40, 1 << 60, u64::MAX] {
        let mut bytes = encode(&length).expect("numbers encode");
        bytes.extend(b"short");
        let error = ENDS_TOO_EARLY;
        assert_eq!(decode::<String>(&bytes).expect_err("five bytes follow").to_string(), error);
        let mut payload = Payload::new(Vec::new(), bytes.len() as u64, &*bytes);
        assert_eq!(receive::<String>(&mut payload).expect_err("five bytes follow").to_string(), error);
        assert_eq!(decode::<CString>(&bytes).expect_err("five bytes follow").to_string(), error);
        assert_eq!(
            decode::<Vec<Option<String>>>(&[&[1, 1], &*bytes].concat()).expect_err("so they do").to_string(),
            error
        );
    }
}

#[test]
fn a_length_that_exceeds_the_bytes_is_no_size_hint() {
    /// The size hint that a visitor receives.
    #[derive(Debug, PartialEq)]
    struct SizeHint(Option<usize>);
    impl<'de> Deserialize<'de> for SizeHint {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_seq(Self(None))
        }
    }
    impl<'de> serde::de::Visitor<'de> for SizeHint {
        type Value = Self;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, list: A) -> Result<Self, A::Error> {
            Ok(Self(list.size_hint()))
        }
    }
    let bytes = |length: u64| encode(&length).expect("numbers encode");
    let received = |bytes: &[u8]| receive(&mut Payload::new(Vec::new(), bytes.len() as u64, bytes));
    for (bytes, announced) in [([bytes(3), vec![0; 3]].concat(), Some(3)), (bytes(1 << 30), None)] {
        assert_eq!(take(&mut &*bytes), Ok(SizeHint(announced)));
        assert_eq!(received(&bytes), Ok(SizeHint(announced)));
    }
}

#[test]
fn bytes_left_over_are_refused() {
    let bytes = encode(&(1_u8, 2_u8)).expect("numbers encode");
    let error = decode::<u8>(&bytes).expect_err("one byte is left over");
    assert!(error.to_string().contains("1 byte was left over"), "{error}");
}

#[test]
fn a_panic_in_user_code_is_an_error() {
    struct Panics;
    impl Serialize for Panics {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("no way")
        }
    }
    let mut bytes = vec![7];
    let error = append(&mut bytes, &Panics).expect_err("it panics");
    assert_eq!(error.to_string(), "it panicked: no way");
    assert_eq!(bytes, [7]);
}
