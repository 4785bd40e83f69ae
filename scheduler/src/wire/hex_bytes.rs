//! `HexBytes`: bytes that formats for people have as hexadecimal digits, and others in one block.

use std::fmt::Write as _;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Encoded values inside of another document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HexBytes(pub(crate) Vec<u8>);

impl Serialize for HexBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return self.0.serialize(serializer);
        }
        let mut text = String::with_capacity(2 * self.0.len());
        for byte in &self.0 {
            write!(text, "{byte:02x}").expect("a `String` takes everything");
        }
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for HexBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return Vec::deserialize(deserializer).map(Self);
        }
        let text = String::deserialize(deserializer)?;
        let bytes = text.as_bytes().chunks(2).map(|pair| {
            let pair = str::from_utf8(pair).ok().filter(|pair| pair.len() == 2 && !pair.starts_with('+'));
            pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())
        });
        let bytes: Option<Vec<u8>> = bytes.collect();
        bytes.map(Self).ok_or_else(|| D::Error::custom("expected bytes as pairs of hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::value::{self, Encoding};

    #[test]
    fn bytes_are_digits_in_json_and_one_block_in_the_compact_encoding() {
        let bytes = HexBytes((0..=255).collect());
        let json = serde_json::to_string(&bytes).expect("it is text");
        assert!(json.starts_with("\"000102") && json.ends_with("fdfeff\""), "{json}");
        assert_eq!(serde_json::from_str::<HexBytes>(&json).expect("it was written by this"), bytes);
        let encoded = value::encode(&bytes, Encoding::Compact).expect("it is bytes");
        assert!(encoded.len() < 256 + 32, "{}", encoded.len());
        assert_eq!(value::decode::<HexBytes>(&encoded).expect("it was written by this"), bytes);
        for wrong in ["\"0\"", "\"0g\"", "\"+1\"", "\"ää\"", "[1]"] {
            assert!(serde_json::from_str::<HexBytes>(wrong).is_err(), "{wrong}");
        }
    }
}
