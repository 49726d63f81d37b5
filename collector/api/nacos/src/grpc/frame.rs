//! Writes messages as gRPC frames.
//!
//! A message has its own head (its type, and the fields that differ by receiver) and a tail that many messages share. The body
//! of a service is encoded once, and each push of it adds only a head.

use bytes::{BufMut as _, Bytes, BytesMut};

#[cfg(test)]
mod tests;

/// The flag and the length in front of a message.
pub(super) use rollcall_server::face::PREFIX;

const TYPE: u8 = 3 << 3 | 2;
const CLIENT_IP: u8 = 8 << 3 | 2;
const METADATA: u8 = 2 << 3 | 2;
const BODY: u8 = 3 << 3 | 2;
const VALUE: u8 = 2 << 3 | 2;

/// A message: two parts of one gRPC frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) head: Bytes,
    /// Shared with other messages, or empty.
    pub(super) tail: Bytes,
}

impl Frame {
    /// A message of this type whose JSON is `json` and then `tail`.
    pub(super) fn new(kind: &str, client_ip: &str, json: &str, tail: Bytes) -> Self {
        let value = json.len() + tail.len();
        let body = field_len(value);
        let ip = if client_ip.is_empty() {
            0
        } else {
            field_len(client_ip.len())
        };
        let metadata = field_len(kind.len()) + ip;
        let message = field_len(metadata) + field_len(body);
        let mut head = BytesMut::with_capacity(PREFIX + message - tail.len());
        head.put_u8(0);
        // Bodies are bounded far below the 4 GiB that the prefix allows.
        head.put_u32(u32::try_from(message).unwrap_or(u32::MAX));
        put_key(&mut head, METADATA, metadata);
        put_text(&mut head, TYPE, kind);
        if ip > 0 {
            put_text(&mut head, CLIENT_IP, client_ip);
        }
        put_key(&mut head, BODY, body);
        put_key(&mut head, VALUE, value);
        head.put_slice(json.as_bytes());
        Self {
            head: head.freeze(),
            tail,
        }
    }

    /// Bytes on the wire.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.head.len() + self.tail.len()
    }
}

fn put_text(out: &mut BytesMut, key: u8, text: &str) {
    put_key(out, key, text.len());
    out.put_slice(text.as_bytes());
}

fn put_key(out: &mut BytesMut, key: u8, length: usize) {
    out.put_u8(key);
    let mut rest = length;
    while rest >= 0x80 {
        let [low, ..] = rest.to_le_bytes();
        out.put_u8(low | 0x80);
        rest >>= 7;
    }
    let [low, ..] = rest.to_le_bytes();
    out.put_u8(low);
}

/// The size of a field with `length` bytes, including its key and its length.
fn field_len(length: usize) -> usize {
    let mut taken = 2 + length;
    let mut rest = length >> 7;
    while rest > 0 {
        taken += 1;
        rest >>= 7;
    }
    taken
}
