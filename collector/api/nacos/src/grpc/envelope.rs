//! Reads the envelope of a message: its type, its headers, and its JSON body, all borrowed.
//!
//! A generated type would build a map of all headers, and a message of 10 MiB may consist only of headers. Here the headers stay
//! encoded, and a handler searches them when it needs one.

use bytes::Bytes;

#[cfg(test)]
mod tests;

/// A message as it was received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Envelope {
    /// The simple name of the message.
    kind: Bytes,
    /// The metadata, for its headers.
    metadata: Bytes,
    /// The JSON.
    pub(super) body: Bytes,
}

/// The bytes are not an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message is not a Payload")]
pub(super) struct Malformed;

const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED_32: u64 = 5;

// Numbers of fields.
const METADATA: u64 = 2;
const BODY: u64 = 3;
const TYPE: u64 = 3;
const HEADERS: u64 = 7;
const VALUE: u64 = 2;
const KEY: u64 = 1;
const CLIENT_IP: u64 = 8;

impl Envelope {
    /// Reads a `Payload`. If a field is repeated, the last one counts.
    pub(super) fn read(message: &Bytes) -> Result<Self, Malformed> {
        let mut envelope = Self::default();
        let mut fields = Fields(message);
        while let Some((number, value)) = fields.next()? {
            match number {
                METADATA => envelope.metadata = message.slice_ref(value),
                BODY => {
                    let mut fields = Fields(value);
                    while let Some((number, value)) = fields.next()? {
                        if number == VALUE {
                            envelope.body = message.slice_ref(value);
                        }
                    }
                }
                _ => {}
            }
        }
        let mut fields = Fields(&envelope.metadata);
        let mut kind = Bytes::new();
        while let Some((number, value)) = fields.next()? {
            if number == TYPE {
                kind = envelope.metadata.slice_ref(value);
            }
        }
        str::from_utf8(&kind).map_err(|_not_utf8| Malformed)?;
        envelope.kind = kind;
        Ok(envelope)
    }

    /// The simple name of the message.
    pub(super) fn kind(&self) -> &str {
        str::from_utf8(&self.kind).unwrap_or_default()
    }

    /// The address that the client reports as its own.
    pub(super) fn client_ip(&self) -> &str {
        let mut found = "";
        let mut fields = Fields(&self.metadata);
        while let Ok(Some((number, value))) = fields.next() {
            if number == CLIENT_IP {
                found = str::from_utf8(value).unwrap_or_default();
            }
        }
        found
    }

    /// The header with this name, in any case; the last one if there are several. Malformed headers are skipped.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut found = None;
        let mut fields = Fields(&self.metadata);
        while let Ok(Some((number, entry))) = fields.next() {
            if number == HEADERS
                && let Some((key, value)) = pair(entry)
                && key.eq_ignore_ascii_case(name)
            {
                found = Some(value);
            }
        }
        found
    }
}

/// The key and the value of a header.
fn pair(entry: &[u8]) -> Option<(&str, &str)> {
    let (mut key, mut text) = ("", "");
    let mut fields = Fields(entry);
    while let Some((number, value)) = fields.next().ok()? {
        match number {
            KEY => key = str::from_utf8(value).ok()?,
            VALUE => text = str::from_utf8(value).ok()?,
            _ => {}
        }
    }
    Some((key, text))
}

/// The length-delimited fields of a message; others are skipped.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, &'a [u8])>, Malformed> {
        while !self.0.is_empty() {
            let key = self.varint()?;
            match key & 7 {
                VARINT => drop(self.varint()?),
                FIXED_64 => drop(self.take(8)?),
                FIXED_32 => drop(self.take(4)?),
                LENGTH => {
                    let length = usize::try_from(self.varint()?).map_err(|_too_large| Malformed)?;
                    return Ok(Some((key >> 3, self.take(length)?)));
                }
                _ => return Err(Malformed),
            }
        }
        Ok(None)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(Malformed)?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }
}
