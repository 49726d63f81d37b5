//! A received body, in blocks whose memory is proportional to its bytes.
//!
//! A body may arrive in very many small parts, and each part costs more than its bytes. So all parts are copied into blocks that
//! double in size up to 64 KiB, unless the body has a single part. [`Parts::join`] joins the blocks of a complete body. That copies
//! the whole body, so it is done where large bodies are decoded, and the copy is charged.

use axum::body::{Body, Bytes};
use bytes::{Buf as _, BytesMut};
use http_body_util::BodyExt as _;

use super::{Limits, too_large};
use crate::face::Refusal;

const SMALLEST_BLOCK: usize = 512;
const LARGEST_BLOCK: usize = 64 << 10;

/// A whole body.
#[derive(Debug, Default)]
pub struct Parts {
    /// The first part as it was received, then full blocks.
    full: Vec<Bytes>,
    block: BytesMut,
    length: usize,
}

impl Parts {
    /// Reads a body within the limit of its size.
    pub(super) async fn collect(mut body: Body, limits: &Limits) -> Result<Self, Refusal> {
        let mut parts = Self::default();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(Refusal::broken_off)?;
            if let Ok(data) = frame.into_data() {
                if data.len() > limits.max_body_size - parts.length {
                    return Err(too_large(limits));
                }
                parts.add(data);
            }
        }
        Ok(parts)
    }

    /// The size of the body, in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether the body is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bytes that [`Parts::join`] allocates besides the parts; 0 for a body received in one part.
    #[must_use]
    pub fn copied(&self) -> usize {
        match (&*self.full, self.block.is_empty()) {
            ([_], true) => 0,
            _ => self.length,
        }
    }

    /// The body as one part.
    #[must_use]
    pub fn join(mut self) -> Bytes {
        if self.copied() == 0 {
            return self.full.pop().unwrap_or_default();
        }
        let mut whole = BytesMut::with_capacity(self.length);
        for part in self.full.drain(..) {
            whole.extend_from_slice(&part);
        }
        whole.extend_from_slice(&self.block);
        whole.freeze()
    }

    fn add(&mut self, mut data: Bytes) {
        self.length += data.len();
        if self.length == data.len() {
            self.full.push(data);
            return;
        }
        while !data.is_empty() {
            if self.block.len() == self.block.capacity() {
                let full = std::mem::take(&mut self.block);
                if !full.is_empty() {
                    self.full.push(full.freeze());
                }
                let size = self.length.clamp(SMALLEST_BLOCK, LARGEST_BLOCK);
                self.block = BytesMut::with_capacity(size);
            }
            let room = self.block.capacity() - self.block.len();
            let part = data.len().min(room);
            self.block.extend_from_slice(&data[..part]);
            data.advance(part);
        }
    }
}

#[cfg(test)]
mod tests;
