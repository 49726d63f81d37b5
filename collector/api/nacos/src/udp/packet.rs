//! Datagrams: pushes, and their acknowledgements.
//!
//! A datagram consists of a shared part, built and compressed once for each revision of a service, and a short rest of its own with
//! the time and the id. In a compressed datagram the rest is a stored block, which needs no compression. The checksum of the whole
//! is computed from that of the shared part.

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};
use rollcall_catalog::{Body, Encoded};
use serde_json::Value;

/// The size in bytes from which texts are compressed. Clients recognise a compressed text by its first two bytes.
const GZIP_FROM: usize = 1024;
/// The largest payload of a datagram. Java's client reads 64 KiB.
const MAX_DATAGRAM: usize = 65_507;
/// A list with more bytes is not compressed: it would not fit into a datagram.
const MAX_TEXT: usize = 8 << 20;
/// A gzip header without a name and a time.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// The shared part of the pushes of a list: `head` is the text, `tail` is the same compressed, or empty if that failed.
///
/// `list` is the list without its last keys and its closing brace.
pub(super) fn prepare(list: &[u8]) -> Encoded {
    let mut head = Vec::with_capacity(list.len() + list.len() / 8 + 64);
    head.extend_from_slice(br#"{"type":"dom","data":"#);
    let list = String::from_utf8_lossy(list);
    let escaped = serde_json::to_writer(&mut head, &*list);
    debug_assert!(escaped.is_ok(), "writing into memory does not fail");
    head.pop(); // the closing quotation mark, which is in the rest
    let tail = match deflate(&head) {
        Some(compressed) if head.len() >= GZIP_FROM / 2 => compressed,
        _ => Vec::new(),
    };
    Encoded {
        head: head.into(),
        tail: tail.into(),
    }
}

/// The push of a prepared list, which a client acknowledges with `id`. `None` if it is too large for a datagram: the subscriber
/// gets it with its next poll.
pub(super) fn push(prepared: &Body, cache_millis: u64, id: u64) -> Option<Bytes> {
    let now_millis = prepared.stamp.millis();
    let rest = format!(
        r#",\"cacheMillis\":{cache_millis},\"lastRefTime\":{now_millis},\"env\":\"\"}}","lastRefTime":{id}}}"#
    );
    let head = &prepared.head;
    let datagram = if head.len() + rest.len() < GZIP_FROM {
        [head, rest.as_bytes()].concat()
    } else {
        gzip(head, &prepared.tail, rest.as_bytes())?
    };
    (datagram.len() <= MAX_DATAGRAM).then(|| datagram.into())
}

/// `head` as deflate blocks that end on a byte boundary, none of them final.
fn deflate(head: &[u8]) -> Option<Vec<u8>> {
    if head.len() > MAX_TEXT {
        return None;
    }
    let mut compress = Compress::new(Compression::fast(), false);
    let mut out = Vec::with_capacity(head.len() / 3 + 128);
    loop {
        let consumed = usize::try_from(compress.total_in()).ok()?;
        let status = compress
            .compress_vec(head.get(consumed..)?, &mut out, FlushCompress::Sync)
            .ok()?;
        let is_done = compress.total_in() == u64::try_from(head.len()).ok()?;
        // Unused space means that the flush is complete.
        if is_done && out.len() < out.capacity() {
            return Some(out);
        }
        if status == Status::StreamEnd {
            return None;
        }
        out.reserve(out.capacity().max(1024));
    }
}

/// A complete gzip file: the compressed `head`, then `rest` as a stored block.
fn gzip(head: &[u8], compressed: &[u8], rest: &[u8]) -> Option<Vec<u8>> {
    if compressed.is_empty() {
        return None;
    }
    let length = u16::try_from(rest.len()).ok()?;
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(head);
    checksum.update(rest);
    let total = u32::try_from(head.len() + rest.len()).ok()?;
    let mut out = Vec::with_capacity(GZIP_HEADER.len() + compressed.len() + rest.len() + 16);
    out.extend_from_slice(&GZIP_HEADER);
    out.extend_from_slice(compressed);
    out.push(1); // the last block, stored
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&(!length).to_le_bytes());
    out.extend_from_slice(rest);
    out.extend_from_slice(&checksum.finalize().to_le_bytes());
    out.extend_from_slice(&total.to_le_bytes());
    Some(out)
}

/// The id in an acknowledgement: a text from Java, a number from Node. `None` for any other datagram.
pub(super) fn acknowledged(datagram: &[u8]) -> Option<u64> {
    let ack: Value = serde_json::from_slice(datagram).ok()?;
    if ack.get("type")?.as_str()? != "push-ack" {
        return None;
    }
    match ack.get("lastRefTime")? {
        Value::String(text) => text.parse().ok(),
        number => number.as_u64(),
    }
}

#[cfg(test)]
mod tests;
