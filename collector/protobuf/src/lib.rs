//! Writes protobuf messages from borrowed values, and reads them into borrowed values. It is used for stored rows, and for agents'
//! messages of which only the names are read.
//!
//! A generated type would copy every text, which took most of the time of loading a million instances. As in any protobuf reader,
//! fields may have any order, absent fields have their default, and unknown fields are skipped.

#![warn(missing_docs)]

use std::iter;

/// Why a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed message")]
pub struct Malformed;

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Wire type 0: `int32`, `int64`, `sint32`, `bool`.
    Varint(u64),
    /// Wire type 2: `string`, `bytes`, messages.
    Bytes(&'a [u8]),
    /// Wire types 1 and 5, which no field of this build uses.
    Fixed,
}

const VARINT: u32 = 0;
const FIXED_64: u32 = 1;
const BYTES: u32 = 2;
const FIXED_32: u32 = 5;

/// Appends a number, unless it is 0, the default.
pub fn put_varint(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        put_raw(out, u64::from(field << 3 | VARINT));
        put_raw(out, value);
    }
}

/// Appends an `int64`, unless it is 0.
pub fn put_int64(out: &mut Vec<u8>, field: u32, value: i64) {
    put_varint(out, field, value.cast_unsigned());
}

/// Appends a `sint32`, unless it is 0. Numbers near 0 are short, whatever their sign.
pub fn put_sint32(out: &mut Vec<u8>, field: u32, value: i32) {
    let zigzag = (value << 1) ^ (value >> 31);
    put_varint(out, field, u64::from(zigzag.cast_unsigned()));
}

/// Appends a `string`, even an empty one.
pub fn put_text(out: &mut Vec<u8>, field: u32, text: &str) {
    put_bytes(out, field, text.as_bytes());
}

/// Appends `bytes` or a message, even an empty one.
pub fn put_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_raw(out, u64::from(field << 3 | BYTES));
    put_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends a message of two `string`s, its fields 1 and 2.
pub fn put_pair(out: &mut Vec<u8>, field: u32, (first, second): (&str, &str)) {
    let text_len = |text: &str| 1 + length_len(text.len()) + text.len();
    put_raw(out, u64::from(field << 3 | BYTES));
    put_length(out, text_len(first) + text_len(second));
    put_text(out, 1, first);
    put_text(out, 2, second);
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    // No platform has a usize of more than 64 bits.
    put_raw(out, u64::try_from(length).unwrap_or(u64::MAX));
}

fn put_raw(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        let [low, ..] = value.to_le_bytes();
        out.push(low | 0x80);
        value >>= 7;
    }
    let [low, ..] = value.to_le_bytes();
    out.push(low);
}

/// The number of bytes that encode a length.
fn length_len(length: usize) -> usize {
    iter::successors(Some(length), |rest| {
        Some(rest >> 7).filter(|rest| *rest > 0)
    })
    .count()
}

/// Decodes a `sint32`.
pub fn sint32(value: u64) -> Result<i32, Malformed> {
    let zigzag = u32::try_from(value).map_err(|_too_large| Malformed)?;
    Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
}

/// Decodes an `int32`; `None` if it is out of range.
pub fn int32(value: u64) -> Option<i32> {
    i32::try_from(value.cast_signed()).ok()
}

/// Decodes a `string`.
pub fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    str::from_utf8(bytes).map_err(|_not_utf8| Malformed)
}

/// The numbered fields of a message, in their written order. The iteration ends after the first error.
#[derive(Clone, Debug)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The fields of a message.
    pub const fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn field(&mut self) -> Result<(u32, Value<'a>), Malformed> {
        let key = u32::try_from(self.varint()?).map_err(|_too_large| Malformed)?;
        let value = match key & 7 {
            VARINT => Value::Varint(self.varint()?),
            BYTES => {
                let length = usize::try_from(self.varint()?).map_err(|_too_large| Malformed)?;
                Value::Bytes(self.take(length)?)
            }
            FIXED_64 => self.take(8).map(|_skipped| Value::Fixed)?,
            FIXED_32 => self.take(4).map(|_skipped| Value::Fixed)?,
            _ => return Err(Malformed),
        };
        Ok((key >> 3, value))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(Malformed)?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(message: &[u8]) -> Result<Vec<(u32, Value<'_>)>, Malformed> {
        Fields::of(message).collect()
    }

    #[test]
    fn the_bytes_are_those_of_the_protobuf_specification() {
        // The examples of the specification's chapter "Encoding".
        let mut out = Vec::new();
        put_varint(&mut out, 1, 150);
        put_text(&mut out, 2, "testing");
        assert_eq!(out, b"\x08\x96\x01\x12\x07testing");
        for (number, zigzag) in [
            (-1, 1),
            (1, 2),
            (-2, 3),
            (i32::MAX, u64::from(u32::MAX) - 1),
            (i32::MIN, u64::from(u32::MAX)),
        ] {
            let (mut signed, mut unsigned) = (Vec::new(), Vec::new());
            put_sint32(&mut signed, 1, number);
            put_varint(&mut unsigned, 1, zigzag);
            assert_eq!(signed, unsigned);
            assert_eq!(sint32(zigzag), Ok(number));
        }
    }

    #[test]
    fn every_number_comes_back_whole() {
        for value in [i64::MIN, -1, 1, 127, 128, i64::MAX] {
            let mut out = Vec::new();
            put_int64(&mut out, 15, value);
            assert_eq!(
                fields(&out),
                Ok(vec![(15, Value::Varint(value.cast_unsigned()))])
            );
        }
    }

    #[test]
    fn a_pair_is_a_message_of_its_own() {
        for length in [0, 1, 120, 128, 20_000] {
            let long = "x".repeat(length);
            let mut out = Vec::new();
            put_pair(&mut out, 6, ("name", &long));
            let [(6, Value::Bytes(pair))] = fields(&out).unwrap()[..] else {
                panic!("{out:?}")
            };
            let expected = [
                (1, Value::Bytes(b"name")),
                (2, Value::Bytes(long.as_bytes())),
            ];
            assert_eq!(fields(pair).unwrap(), expected);
        }
    }

    #[test]
    fn fields_of_later_releases_can_be_skipped() {
        let message = b"\x09........\x15....\x18\x01";
        let expected = [(1, Value::Fixed), (2, Value::Fixed), (3, Value::Varint(1))];
        assert_eq!(fields(message).unwrap(), expected);
    }

    #[test]
    fn malformed_messages_are_refused() {
        for garbage in [
            &b"\x08"[..],
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x12\x05four",
            b"\x09.......",
            b"\x0b",
            b"\xff\xff\xff\xff\x7f\x01",
        ] {
            assert_eq!(fields(garbage), Err(Malformed), "{garbage:?}");
        }
    }
}
