//! Assembles whole gRPC messages from the parts in which they arrive.
//!
//! A message is a prefix of five bytes, which announces a length, and that many bytes. A decoder that sees the length may
//! reserve all of it, so it gets nothing before the whole message has arrived. Until then the parts are copied into blocks that
//! double in size up to 64 KiB. Their memory is known, and they do not keep the larger receive buffers alive.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, header::CONTENT_TYPE};

#[cfg(test)]
mod tests;

/// The bytes of the flag and the length before a message.
const PREFIX: usize = 5;

const SMALLEST_BLOCK: usize = 512;
const LARGEST_BLOCK: usize = 64 << 10;

/// Whether the content type is `application/grpc`, with or without a format or parameters. grpc-web is another protocol.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let sent = headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes());
    let rest = sent.and_then(|kind| kind.strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

/// Assembles messages.
#[derive(Debug)]
pub(super) struct Messages {
    /// A longer message is forwarded as it arrives, for the decoder to refuse.
    max: usize,
    is_too_long: bool,
    /// Received bytes that are not processed yet.
    rest: Bytes,
    /// The incomplete message, with its prefix.
    partial: Partial,
    /// The remaining blocks of a complete message.
    whole: VecDeque<Bytes>,
}

#[derive(Debug, Default)]
struct Partial {
    blocks: VecDeque<Bytes>,
    block: BytesMut,
    /// The received bytes, and the capacity of the blocks that hold them.
    length: usize,
    capacity: usize,
    /// The length of the message with its prefix, once it is known.
    total: Option<usize>,
}

impl Messages {
    /// Assembles messages of at most `max` bytes.
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            is_too_long: false,
            rest: Bytes::new(),
            partial: Partial::default(),
            whole: VecDeque::new(),
        }
    }

    /// Adds received bytes. Call it only when [`Messages::next`] returns `None`.
    pub(super) fn push(&mut self, data: Bytes) {
        self.rest = data;
    }

    /// The next bytes of whole messages.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(block) = self.whole.pop_front() {
                return Some(block);
            }
            if self.rest.is_empty() {
                return None;
            }
            if self.is_too_long {
                return Some(std::mem::take(&mut self.rest));
            }
            if self.partial.length == 0 {
                let whole = self.whole_messages();
                if whole == self.rest.len() {
                    return Some(std::mem::take(&mut self.rest));
                }
                if whole > 0 {
                    return Some(self.rest.split_to(whole));
                }
            }
            self.partial.take(&mut self.rest);
            match self.partial.total {
                Some(total) if total - PREFIX > self.max => self.is_too_long = true,
                Some(total) if total == self.partial.length => {}
                _ => continue,
            }
            self.whole = std::mem::take(&mut self.partial).into_blocks();
        }
    }

    /// Whether a message has been returned in part: some of its blocks remain.
    pub(super) fn has_more_blocks(&self) -> bool {
        !self.whole.is_empty()
    }

    /// Whether a message has begun and is not complete.
    pub(super) fn is_partial(&self) -> bool {
        self.partial.length > 0
    }

    /// The bytes of memory that are held here.
    pub(super) fn held(&self) -> usize {
        let whole: usize = self.whole.iter().map(Bytes::len).sum();
        self.rest.len() + self.partial.capacity + whole
    }

    /// The first byte of a message that stays incomplete, which is enough for the decoder to detect the truncation.
    pub(super) fn end(&mut self) -> Option<Bytes> {
        let partial = std::mem::take(&mut self.partial);
        let first = partial.into_blocks().pop_front()?;
        Some(Bytes::copy_from_slice(first.get(..1)?))
    }

    /// The number of bytes of `rest` that are whole messages.
    fn whole_messages(&self) -> usize {
        let mut at = 0;
        while let Some(total) = self.rest.get(at..).and_then(total)
            && total - PREFIX <= self.max
            && let Some(end) = at.checked_add(total).filter(|end| *end <= self.rest.len())
        {
            at = end;
        }
        at
    }
}

/// The length of the message that begins with these bytes, with its prefix; `None` if there are too few bytes.
fn total(bytes: &[u8]) -> Option<usize> {
    let [_flag, a, b, c, d] = *bytes.first_chunk::<PREFIX>()?;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    PREFIX.checked_add(length)
}

impl Partial {
    /// Takes the bytes of this message.
    fn take(&mut self, rest: &mut Bytes) {
        while self.total.is_none_or(|total| self.length < total) && !rest.is_empty() {
            let missing = self.total.unwrap_or(PREFIX) - self.length;
            if self.block.len() == self.block.capacity() {
                self.add_block(missing);
            }
            let free = self.block.capacity() - self.block.len();
            let part = missing.min(rest.len()).min(free);
            self.block.extend_from_slice(&rest[..part]);
            rest.advance(part);
            self.length += part;
            if self.total.is_none() && self.length == PREFIX {
                // The first block is larger than a prefix.
                self.total = total(&self.block);
            }
        }
    }

    fn add_block(&mut self, missing: usize) {
        let full = std::mem::take(&mut self.block);
        if !full.is_empty() {
            self.blocks.push_back(full.freeze());
        }
        let size = self.length.clamp(SMALLEST_BLOCK, LARGEST_BLOCK);
        let size = if self.total.is_some() {
            size.min(missing)
        } else {
            size
        };
        self.block = BytesMut::with_capacity(size);
        self.capacity += self.block.capacity();
    }

    fn into_blocks(mut self) -> VecDeque<Bytes> {
        if !self.block.is_empty() {
            self.blocks.push_back(self.block.freeze());
        }
        self.blocks
    }
}
