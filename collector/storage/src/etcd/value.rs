//! The values of keys: a checksum and a protobuf message of rows. The parent module describes them.

use rollcall_protobuf::{self as protobuf, Fields, Value};

use crate::format::{Entry, Invalid};

/// Prefixes a message with its checksum.
pub(super) fn seal(key: &str, message: &[u8]) -> Vec<u8> {
    let mut value = checksum(key, message).to_le_bytes().to_vec();
    value.extend_from_slice(message);
    value
}

/// Verifies the checksum of a value and returns its message.
pub(super) fn unseal<'a>(key: &str, value: &'a [u8]) -> Result<&'a [u8], Invalid> {
    let (found, message) = value.split_first_chunk().ok_or(Invalid::Checksum)?;
    if u32::from_le_bytes(*found) == checksum(key, message) {
        Ok(message)
    } else {
        Err(Invalid::Checksum)
    }
}

/// The checksum stored in a value, which distinguishes two values of one key.
pub(super) fn stored_checksum(value: &[u8]) -> Option<[u8; 4]> {
    value.first_chunk().copied()
}

fn checksum(key: &str, message: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key.as_bytes());
    hasher.update(message);
    hasher.finalize()
}

/// Appends a row to a message.
pub(super) fn put<E: Entry>(message: &mut Vec<u8>, field: u32, row: &E) {
    let (mut id_and_row, mut fields) = (Vec::new(), Vec::new());
    row.write(&mut fields);
    protobuf::put_sint32(&mut id_and_row, 1, row.id());
    protobuf::put_bytes(&mut id_and_row, 2, &fields);
    protobuf::put_bytes(message, field, &id_and_row);
}

/// The row that a field of a message holds.
pub(super) fn row<E: Entry>(field: &[u8]) -> Result<E, Invalid> {
    let (mut id, mut fields) = (0, &[][..]);
    for field in Fields::of(field) {
        match field? {
            (1, Value::Varint(zigzag)) => id = protobuf::sint32(zigzag)?,
            (2, Value::Bytes(bytes)) => fields = bytes,
            _ => {}
        }
    }
    E::read(id, Fields::of(fields))
}

/// The id of the row that a field of a message holds, as it is stored.
pub(super) fn id(field: &[u8]) -> Result<u64, Invalid> {
    let mut id = 0;
    for field in Fields::of(field) {
        if let (1, Value::Varint(zigzag)) = field? {
            id = zigzag;
        }
    }
    Ok(id)
}
