//! Writes the page of every list: item by item, bounded in bytes, and charged while it grows.
//!
//! A page has at most as many items as requested. It ends early, with `next`, before an item that would make it larger than
//! [`Pages::max_bytes`]; only its first item may exceed that. Its memory is charged to the budget `answers` before it is
//! allocated, and the answer holds the charge until the peer has read it.

use std::{fmt::Display, io, ops::ControlFlow};

use axum::{
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use rollcall_limits::{Budget, Charge, OverBudget};
use rollcall_server::{
    Paid,
    face::{JSON, Refusal},
};
use serde::Serialize;

#[cfg(test)]
mod tests;

/// The first block of a page, in bytes; it doubles from there.
const BLOCK: usize = 8 << 10;

/// The limits of pages.
#[derive(Clone, Debug)]
pub struct Pages {
    /// The budget `answers` of the listeners.
    pub answers: Budget,
    /// The largest page (`ui.jetty.max_page_size`).
    pub max_bytes: usize,
}

/// A page under construction.
#[derive(Debug)]
pub(super) struct Page {
    bytes: Buffer,
    max_bytes: usize,
    /// The cursor of the last item.
    last: Option<String>,
    /// Whether an item did not fit.
    is_full: bool,
}

/// Bytes that are charged before they are allocated.
#[derive(Debug)]
struct Buffer {
    bytes: Vec<u8>,
    charge: Charge,
    over: Option<OverBudget>,
}

impl Pages {
    /// A page without items.
    pub(super) fn begin(&self) -> Page {
        Page {
            bytes: Buffer {
                bytes: Vec::new(),
                charge: self.answers.nothing(),
                over: None,
            },
            max_bytes: self.max_bytes,
            last: None,
            is_full: false,
        }
    }
}

impl Page {
    /// Adds an item, or breaks if the page has no room for it. `cursor` is the cursor after the item.
    ///
    /// # Errors
    ///
    /// 503: the item exceeds the budget.
    pub(super) fn add(
        &mut self,
        cursor: impl Display,
        item: &impl Serialize,
    ) -> Result<ControlFlow<()>, Refusal> {
        let before = self.bytes.bytes.len();
        self.write(if before == 0 { b"{\"items\":[" } else { b"," })?;
        serde_json::to_writer(&mut self.bytes, item).map_err(|error| self.bytes.refuse(&error))?;
        if self.last.is_some() && self.bytes.bytes.len() > self.max_bytes {
            self.bytes.bytes.truncate(before);
            self.is_full = true;
            return Ok(ControlFlow::Break(()));
        }
        self.last = Some(cursor.to_string());
        Ok(ControlFlow::Continue(()))
    }

    /// The answer. `next` is the cursor after all items.
    ///
    /// # Errors
    ///
    /// 503: the end of the page exceeds the budget.
    pub(super) fn end(mut self, next: Option<impl Display>) -> Result<Response, Refusal> {
        let next = if self.is_full {
            self.last.take()
        } else {
            next.map(|cursor| cursor.to_string())
        };
        if self.bytes.bytes.is_empty() {
            self.write(b"{\"items\":[")?;
        }
        self.write(b"],\"next\":")?;
        serde_json::to_writer(&mut self.bytes, &next).map_err(|error| self.bytes.refuse(&error))?;
        self.write(b"}")?;
        let Buffer { bytes, charge, .. } = self.bytes;
        let mut response = ([(CONTENT_TYPE, JSON)], bytes).into_response();
        response.extensions_mut().insert(Paid::new(charge));
        Ok(response)
    }

    fn write(&mut self, part: &[u8]) -> Result<(), Refusal> {
        io::Write::write_all(&mut self.bytes, part).map_err(|error| self.bytes.refuse(&error))
    }
}

impl Buffer {
    /// Reserves room for this many more bytes.
    fn reserve(&mut self, more: usize) -> Result<(), OverBudget> {
        let capacity = self.bytes.capacity();
        let needed = self.bytes.len().saturating_add(more);
        if needed <= capacity {
            return Ok(());
        }
        let larger = needed.max(2 * capacity).max(BLOCK);
        // Both buffers exist while the bytes move.
        self.charge.try_grow(larger)?;
        self.bytes.reserve_exact(larger - self.bytes.len());
        self.charge.shrink(capacity);
        Ok(())
    }

    fn refuse(&self, error: &dyn Display) -> Refusal {
        match self.over {
            Some(over) => Refusal::overloaded(over),
            None => {
                tracing::error!(%error, "an item of a list could not be encoded");
                Refusal::overloaded("this list cannot be encoded")
            }
        }
    }
}

impl io::Write for Buffer {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if let Err(over) = self.reserve(part.len()) {
            self.over = Some(over);
            return Err(io::Error::other(over));
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
