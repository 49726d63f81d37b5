//! Compares every message with bytes that were written by hand from the field tables, not by the encoder under test.
//!
//! Each line of bytes is one field: its key, its length if it has one, and its value. The key is the field number shifted left by
//! three, plus the wire type: 0 for a varint, 1 for eight bytes, 2 for a length-delimited value.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod jvm;
mod management;
mod register;
mod registration;
mod remote;
mod trace;

use std::fmt::Debug;

use prost::Message;

/// A negative int32 is sign-extended to 64 bits: ten bytes.
const MINUS_1: [u8; 10] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];

/// 1514764800000, the first millisecond of 2018, as a varint.
const NEW_YEAR_2018: [u8; 6] = [0x80, 0xa0, 0x92, 0xf8, 0x8a, 0x2c];
const NEW_YEAR_2018_MILLIS: i64 = 1_514_764_800_000;

/// Asserts that `message` encodes to these fields and that the fields decode to `message`.
fn golden<M: Message + Default + PartialEq + Debug>(fields: &[&[u8]], message: &M) {
    let bytes = fields.concat();
    assert_eq!(&decoded::<M>(fields), message, "decoded");
    assert_eq!(message.encode_to_vec(), bytes, "encoded");
}

fn decoded<M: Message + Default>(fields: &[&[u8]]) -> M {
    M::decode(&*fields.concat()).unwrap()
}
