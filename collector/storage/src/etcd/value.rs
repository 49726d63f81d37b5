//! The values of keys: a checksum of the key and the message, and the message.

use crate::codec::Invalid;

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
