//! Decodes the segment in [`UpstreamSegment::segment`](crate::trace::UpstreamSegment), which has one of two layouts.
//!
//! The generations number the fields of `TraceSegmentObject` and `SpanObject` differently and send both to
//! `/TraceSegmentService/collect`. Field 3 shows the layout: 3.2.6 has the spans there (length-delimited), 5.x the application
//! id (a varint). The field is always present, because a segment has at least one span and an application id other than 0.

use prost::{
    DecodeError, Message,
    bytes::Buf,
    encoding::{self, DecodeContext, WireType},
};

pub use crate::wire::{v3, v5};

/// The field that distinguishes the layouts.
const LAYOUT_FIELD: u32 = 3;

/// A decoded segment in one of the layouts.
#[derive(Clone, Debug, PartialEq)]
pub enum Segment {
    /// From a 3.2.6 agent.
    V3(v3::TraceSegmentObject),
    /// From a 5.x agent.
    V5(v5::TraceSegmentObject),
}

/// The generation whose field numbers a segment uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// The layout of 3.2.6 agents.
    V3,
    /// The layout of 5.x agents.
    V5,
}

/// The reason why bytes are not a segment.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// Field 3, which shows the layout, is missing.
    #[error("a segment with neither spans (3.2.6) nor an application id (5.x) in field 3")]
    NoLayout,
    /// Field 3 has a type that neither layout uses.
    #[error("field 3 of a segment is neither spans (3.2.6) nor an application id (5.x)")]
    UnknownLayout,
    /// The bytes are not a message of that layout.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
}

impl Segment {
    /// Decodes a segment of either layout.
    ///
    /// # Errors
    ///
    /// The errors of [`Layout::of`], and [`Error::Malformed`] if the remaining fields do not match the layout. Never panics.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        Ok(match Layout::of(bytes)? {
            Layout::V3 => Self::V3(v3::TraceSegmentObject::decode(bytes)?),
            Layout::V5 => Self::V5(v5::TraceSegmentObject::decode(bytes)?),
        })
    }
}

impl Layout {
    /// Detects the layout of an encoded segment. Reads up to the first field 3.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if a field is unreadable, [`Error::NoLayout`] and [`Error::UnknownLayout`] if field 3 does not
    /// identify the layout. Never panics.
    pub fn of(bytes: &[u8]) -> Result<Self, Error> {
        let mut rest = bytes;
        while rest.has_remaining() {
            let (field, wire_type) = encoding::decode_key(&mut rest)?;
            if field == LAYOUT_FIELD {
                return match wire_type {
                    WireType::LengthDelimited => Ok(Self::V3),
                    WireType::Varint => Ok(Self::V5),
                    WireType::SixtyFourBit
                    | WireType::ThirtyTwoBit
                    | WireType::StartGroup
                    | WireType::EndGroup => Err(Error::UnknownLayout),
                };
            }
            encoding::skip_field(wire_type, field, &mut rest, DecodeContext::default())?;
        }
        Err(Error::NoLayout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_3_selects_the_layout() {
        assert_eq!(Layout::of(b"\x1a\x02\x08\x00"), Ok(Layout::V3));
        assert_eq!(Layout::of(b"\x18\x02"), Ok(Layout::V5));
    }

    #[test]
    fn fields_before_field_3_are_skipped() {
        let id_and_reference = b"\x0a\x04\x0a\x02\x01\x02\x12\x02\x08\x01";
        let v3 = [&id_and_reference[..], b"\x1a\x02\x08\x00"].concat();
        let v5 = [&id_and_reference[..], b"\x18\x02"].concat();
        assert_eq!(Layout::of(&v3), Ok(Layout::V3));
        assert_eq!(Layout::of(&v5), Ok(Layout::V5));
    }

    #[test]
    fn without_field_3_there_is_no_layout() {
        assert_eq!(Layout::of(b""), Err(Error::NoLayout));
        assert_eq!(Layout::of(b"\x0a\x00\x20\x07"), Err(Error::NoLayout));
    }

    #[test]
    fn field_3_of_another_type_is_an_unknown_layout() {
        let double = b"\x19\x00\x00\x00\x00\x00\x00\x00\x00";
        assert_eq!(Layout::of(double), Err(Error::UnknownLayout));
        assert_eq!(Segment::decode(b"\x1b\x1c"), Err(Error::UnknownLayout));
    }

    #[test]
    fn garbage_is_an_error() {
        for garbage in [
            &b"\xff"[..],                // a key that does not end
            b"\x00\x00",                 // field 0
            b"\x0a\xff\xff\xff\xff\x0f", // 4 GiB announced
            b"\x0f",                     // wire type 7
            b"not a segment",            // text
            b"\x1a\x05\x08",             // 3.2.6: a span cut short
            b"\x18\xff\xff",             // 5.x: an application id cut short
            b"\x18\x02\x12\x02\x3a\x01", // 5.x: a name that reaches beyond its span
            b"\x1a\x03\x32\x01\xff",     // 3.2.6: a name that is not UTF-8
            &[0x0b; 1000],               // groups, a thousand deep
        ] {
            assert!(
                matches!(Segment::decode(garbage), Err(Error::Malformed(_))),
                "{garbage:x?}"
            );
        }
    }
}
