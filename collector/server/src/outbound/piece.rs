//! A piece of an answer, and the charge for its memory.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use rollcall_limits::{Charge, OfShare, Shared};

use crate::traffic::Unread;

/// The charge that is held until the bytes of a piece are written.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "held until the bytes are dropped")]
pub(super) enum AnswerCharge {
    /// The charge for an answer.
    Own(Arc<Charge>),
    /// The charge of a handler, and its bytes in the share of the peer.
    Paid(Arc<Charge>, Arc<OfShare>),
    /// The charge for memory that other answers may use too.
    Shared(Arc<Shared>),
}

/// Bytes of an answer; they count as unread until they are written.
#[derive(Debug)]
pub(in super::super) struct Piece {
    pub(super) bytes: Bytes,
    pub(super) unread: Option<Unread>,
    /// Pieces share the memory of the answer, so all of it is charged until the last one is dropped.
    #[expect(dead_code, reason = "held until the bytes are dropped")]
    pub(super) charge: Option<AnswerCharge>,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        if let Some(unread) = &self.unread {
            unread.write(count);
        }
        self.bytes.advance(count);
    }
}
