//! Answers: charged to the budget `answers` until they are written, and passed to the connection in pieces.
//!
//! HTTP keeps an answer until its peer reads it, so an answer of more than one KiB is charged before it begins. If the budget
//! has no room for it, it becomes a refusal. A large answer is cut into pieces without being copied: only one or two are in the
//! buffers of the connection, and each one written shows that the peer still reads.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::BoxError;
use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use rollcall_limits::{Charge, OverBudget};

use super::traffic::{Answering, Unread};

#[cfg(test)]
mod tests;

/// The bytes that are held without a charge.
const FREE: usize = 1 << 10;

/// The largest piece, in bytes: it fits into one HTTP/2 frame.
const PIECE: usize = 16 << 10;

/// The body of an answer.
#[derive(Debug)]
pub(super) struct Outbound<B> {
    body: Option<B>,
    /// The rest of the body's last frame.
    rest: Bytes,
    trailers: Option<HeaderMap>,
    failure: Option<BoxError>,
    charge: Option<Arc<Charge>>,
    /// Bytes that were charged before the body yielded them.
    prepaid: usize,
    answering: Option<Answering>,
}

/// An extension of an answer: the handler's charge to the budget `answers` for writing the body. The answer holds it until the
/// last byte is written, and is not charged again for the bytes that it covers.
#[derive(Clone, Debug)]
pub struct Paid(Arc<Charge>);

/// Bytes of an answer; they count as unread until they are written.
#[derive(Debug)]
pub(super) struct Piece {
    bytes: Bytes,
    unread: Option<Unread>,
    /// Pieces share the memory of the answer, so all of it is charged until the last one is dropped.
    _charge: Option<Arc<Charge>>,
}

impl<B> Outbound<B> {
    /// A short answer.
    pub(super) fn text(text: Bytes, answering: Option<Answering>) -> Self {
        Self {
            body: None,
            rest: text,
            trailers: None,
            failure: None,
            charge: None,
            prepaid: 0,
            answering,
        }
    }
}

impl<B> Outbound<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    /// Charges the answer before its head is sent, unless its handler has `paid` for it. A body of unknown length is polled for
    /// its first bytes.
    ///
    /// # Errors
    /// The budget has no room for it.
    pub(super) fn begin(
        body: B,
        paid: Option<Paid>,
        answering: Answering,
        context: &mut Context<'_>,
    ) -> Result<Self, (OverBudget, Answering)> {
        let length = body.size_hint().exact();
        let mut outbound = Self {
            body: Some(body),
            ..Self::text(Bytes::new(), Some(answering))
        };
        let charged = match length {
            Some(length) => {
                outbound.prepaid = usize::try_from(length).unwrap_or(usize::MAX);
                match paid {
                    Some(Paid(charge)) if charge.bytes() >= outbound.prepaid => {
                        outbound.charge = Some(charge);
                        Ok(())
                    }
                    _ => outbound.pay(outbound.prepaid),
                }
            }
            None => match outbound.advance(context) {
                Poll::Ready(Err(Broken::OverBudget(over))) => Err(over),
                Poll::Ready(Err(Broken::Body(error))) => {
                    outbound.failure = Some(error);
                    Ok(())
                }
                Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
            },
        };
        match (charged, outbound.answering.take()) {
            (Err(over), Some(answering)) => Err((over, answering)),
            (_, answering) => {
                outbound.answering = answering;
                Ok(outbound)
            }
        }
    }

    /// Polls the next frame of the body.
    fn advance(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(Ok(()));
        };
        let frame = match ready!(Pin::new(body).poll_frame(context)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Err(Broken::Body(error.into()))),
            None => {
                self.body = None;
                return Poll::Ready(Ok(()));
            }
        };
        match frame.into_data() {
            Ok(data) => {
                if self.prepaid >= data.len() {
                    self.prepaid -= data.len();
                } else {
                    self.pay(data.len()).map_err(Broken::OverBudget)?;
                }
                self.rest = data;
            }
            Err(frame) => self.trailers = frame.into_trailers().ok(),
        }
        Poll::Ready(Ok(()))
    }

    /// Charges bytes that are about to be held.
    fn pay(&mut self, bytes: usize) -> Result<(), OverBudget> {
        let Some(answering) = &self.answering else {
            return Ok(());
        };
        self.charge = if bytes > FREE {
            let answers = &answering.traffic().serving.budgets.answers;
            Some(Arc::new(answers.try_charge(bytes)?))
        } else {
            None
        };
        Ok(())
    }

    fn piece(&mut self) -> Piece {
        let length = self.rest.len().min(PIECE);
        Piece {
            bytes: self.rest.split_to(length),
            unread: self.answering.as_ref().map(Answering::piece),
            _charge: self.charge.clone(),
        }
    }
}

/// Why an answer is cut short.
enum Broken {
    OverBudget(OverBudget),
    Body(BoxError),
}

impl From<Broken> for BoxError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::OverBudget(over) => over.into(),
            Broken::Body(error) => error,
        }
    }
}

impl<B> Body for Outbound<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Piece;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, BoxError>>> {
        loop {
            if !self.rest.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(self.piece()))));
            }
            if let Some(error) = self.failure.take() {
                return Poll::Ready(Some(Err(error)));
            }
            if let Some(trailers) = self.trailers.take() {
                return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
            }
            if self.body.is_none() {
                return Poll::Ready(None);
            }
            if let Err(broken) = ready!(self.advance(context)) {
                return Poll::Ready(Some(Err(broken.into())));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
            && self.trailers.is_none()
            && self.failure.is_none()
            && self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        let (lower, upper) = match &self.body {
            Some(body) => (body.size_hint().lower(), body.size_hint().upper()),
            None => (0, Some(0)),
        };
        let mut hint = SizeHint::new();
        hint.set_lower(lower.saturating_add(rest));
        if let Some(upper) = upper {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

// === impl Paid ===

impl Paid {
    /// Wraps the charge for the whole body.
    #[must_use]
    pub fn new(charge: Charge) -> Self {
        Self(Arc::new(charge))
    }
}

// === impl Piece ===

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
