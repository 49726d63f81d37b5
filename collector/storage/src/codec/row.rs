//! A row within a message: its id, and its fields as the embedded store has them.

use rollcall_protobuf::{self as protobuf, Fields, Value};

use super::{Entry, Invalid};

/// Appends a row to a message.
pub(crate) fn put<E: Entry>(message: &mut Vec<u8>, field: u32, row: &E) {
    let (mut id_and_row, mut fields) = (Vec::new(), Vec::new());
    row.write(&mut fields);
    protobuf::put_sint32(&mut id_and_row, 1, row.id());
    protobuf::put_bytes(&mut id_and_row, 2, &fields);
    protobuf::put_bytes(message, field, &id_and_row);
}

/// The row that a field of a message holds.
pub(crate) fn read<E: Entry>(field: &[u8]) -> Result<E, Invalid> {
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
pub(crate) fn id(field: &[u8]) -> Result<u64, Invalid> {
    let mut id = 0;
    for field in Fields::of(field) {
        if let (1, Value::Varint(zigzag)) = field? {
            id = zigzag;
        }
    }
    Ok(id)
}
