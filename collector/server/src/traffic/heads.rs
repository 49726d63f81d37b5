//! The memory of the heads of requests.
//!
//! [`STREAM_COST`](super::STREAM_COST) includes a head of the usual size. The rest of a larger one is charged from the begin of
//! its request until its answer has ended. h2 decodes the heads that arrive in one turn, at most 64 KiB on the wire, and each
//! becomes a request in the same turn or is refused, so the memory between the two is bounded by the number of the runtime's
//! threads.
//!
//! A head that has not arrived completely may stay for long. It is charged at the end of each turn with the most that it can take.

use std::sync::atomic::Ordering::Relaxed;

use http::Request;
use rollcall_limits::OverBudget;

use super::{Traffic, Working};

/// The memory of a header field besides its name and value, in bytes: its entry in the table, which doubles when it grows.
/// Measured: 204 bytes for each of 94 fields with a value of one byte.
const FIELD_COST: usize = 224;

/// The memory of the usual head, which the cost of a stream includes, in bytes: ten fields and some hundred bytes.
const FREE_HEAD: usize = 3 << 10;

/// The bytes of a message over HTTP/1 that the buffer of an idle connection can hold.
const FREE_BUFFER: usize = 8 << 10;

/// The memory of an incomplete head over HTTP/2 for each byte of the largest head: a field counts at least 33 bytes of it.
const MOST_EACH: usize = FIELD_COST.div_ceil(33) + 1;

/// The memory of a complete head, in bytes.
fn cost<B>(request: &Request<B>) -> usize {
    let bytes = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        FIELD_COST + name.as_str().len() + value.len()
    };
    let uri = request.uri();
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let authority = uri.authority().map_or(0, |it| it.as_str().len());
    let fields: usize = request.headers().iter().map(bytes).sum();
    fields + path + authority
}

impl Traffic {
    /// Charges the head of a request that has begun, as far as the cost of its stream does not include it.
    ///
    /// # Errors
    /// The connection budget has no room for it.
    pub(crate) fn pay_for_head<B>(
        &self,
        request: &Request<B>,
        working: &mut Working,
    ) -> Result<(), OverBudget> {
        let due = cost(request).saturating_sub(FREE_HEAD);
        if due > 0 {
            let mut charge = self.budgets.connections.nothing();
            charge.try_grow_leaving(due, self.reserve())?;
            working.hold(charge);
        }
        Ok(())
    }

    /// Records that this many bytes of an incomplete head arrived over HTTP/2; 0 when the head is complete. If some of them are
    /// decoded, each byte on the wire may be a field.
    pub(crate) fn hold_head(&self, bytes: usize, is_decoded: bool) {
        let most = MOST_EACH.saturating_mul(self.serving.limits.max_header_size);
        let each = if is_decoded { FIELD_COST } else { 1 };
        self.head
            .store(bytes.saturating_mul(each).min(most), Relaxed);
    }

    /// Records bytes that arrived over HTTP/1, and that hyper may hold in its buffer.
    pub(super) fn buffer(&self, bytes: usize) {
        // Only the connection's own task reads.
        let message = self.message.load(Relaxed).saturating_add(bytes);
        self.message.store(message, Relaxed);
        if message > FREE_BUFFER {
            let buffer = message.min(self.serving.limits.max_header_size);
            self.head.fetch_max(buffer, Relaxed);
        }
    }

    /// The most memory that an incomplete head takes now.
    pub(super) fn head(&self) -> usize {
        self.head.load(Relaxed)
    }
}
