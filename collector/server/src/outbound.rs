//! Answers: charged to the budget `answers` until they are written, and passed to the connection in pieces.
//!
//! The HTTP stack holds an answer in memory until its peer reads it, so an answer of more than one KiB is charged before it begins.
//! If the budget has no room for it, the answer becomes a refusal. A large answer is cut into pieces without being copied: only one
//! or two are in the buffers of the connection, and each one written shows that the peer still reads. Memory that many answers
//! share, such as a list that is pushed to every subscriber, is charged once.
//!
//! A stream whose next bytes exceed the budget waits for room for a short time, and ends if there is still none. It waits because
//! an end is expensive: the instances of a Nacos client end with its stream. Memory that another stream has charged needs no room.
//! The waiting bytes have a budget of their own. A stream for which that budget has no room ends at once.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::BoxError;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use rollcall_limits::{Budget, Charge, OfShare, OverBudget};

use super::traffic::Answering;

mod deadline;
mod piece;
#[cfg(test)]
mod tests;
mod waiting;

use self::deadline::Deadline;
use self::piece::AnswerCharge;
pub(super) use self::piece::Piece;
use self::waiting::Waiting;

/// The bytes of an answer that are held without a charge.
const FREE: usize = 1 << 10;

/// The largest piece, in bytes: it fits into one HTTP/2 frame.
const PIECE: usize = 16 << 10;

/// The body of an answer.
#[derive(Debug)]
pub(super) struct Outbound<B> {
    body: Option<B>,
    /// The rest of the body's last frame.
    rest: Bytes,
    /// The body's last frame, while the budget has no room for it.
    waiting: Option<Waiting>,
    deadline: Deadline,
    trailers: Option<HeaderMap>,
    failure: Option<BoxError>,
    charge: Option<AnswerCharge>,
    /// Bytes that were charged before the body yielded them.
    prepaid: usize,
    answering: Option<Answering>,
}

/// An extension of an answer: the handler's charge to the budget `answers` for writing the body. The answer holds it until the
/// last byte is written, and is not charged again for the bytes that it covers.
#[derive(Clone, Debug)]
pub struct Paid(Arc<Charge>);

impl<B> Outbound<B> {
    /// A short answer.
    pub(super) fn text(text: Bytes, answering: Option<Answering>) -> Self {
        Self {
            body: None,
            rest: text,
            waiting: None,
            deadline: Deadline::new(false),
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
        is_grpc: bool,
        paid: Option<Paid>,
        answering: Answering,
        context: &mut Context<'_>,
    ) -> Result<Self, (OverBudget, Answering)> {
        let length = body.size_hint().exact();
        let mut outbound = Self {
            body: Some(body),
            deadline: Deadline::new(is_grpc),
            ..Self::text(Bytes::new(), Some(answering))
        };
        let charged = match length {
            Some(length) => {
                outbound.prepaid = usize::try_from(length).unwrap_or(usize::MAX);
                match paid {
                    Some(Paid(charge)) if charge.bytes() >= outbound.prepaid => {
                        outbound.take_over(charge)
                    }
                    _ => outbound.pay(outbound.prepaid),
                }
            }
            None => match outbound.advance(Patience::None, context) {
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
    fn advance(
        &mut self,
        patience: Patience,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        if self.waiting.is_some() {
            return self.wait(context);
        }
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
                self.deadline.see(&data);
                if self.prepaid >= data.len() {
                    self.prepaid -= data.len();
                } else if let Err(over) = self.pay_for(&data) {
                    self.waiting = match (&self.answering, patience) {
                        (Some(answering), Patience::Some) if data.len() <= over.limit => {
                            Waiting::begin(data, answering.traffic(), &mut self.deadline)
                        }
                        _ => None,
                    };
                    return match self.waiting {
                        Some(_) => self.wait(context),
                        None => Poll::Ready(Err(Broken::OverBudget(over))),
                    };
                }
                self.rest = data;
            }
            Err(frame) => self.trailers = frame.into_trailers().ok(),
        }
        Poll::Ready(Ok(()))
    }

    /// Waits until the budget has room for the waiting bytes, or their time is up.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        while let Some(waiting) = &mut self.waiting {
            let is_late = ready!(waiting.poll_look(context));
            let bytes = waiting.bytes.clone();
            let has_room = self.answers().is_none_or(|a| a.has_room_shared(&bytes));
            if !has_room && !is_late {
                continue;
            }
            match self.pay_for(&bytes) {
                Ok(()) => {
                    self.rest = bytes;
                    self.waiting = None;
                }
                Err(over) if is_late => return Poll::Ready(Err(Broken::OverBudget(over))),
                Err(_over) => {}
            }
        }
        Poll::Ready(Ok(()))
    }

    fn answers(&self) -> Option<&Budget> {
        let answering = self.answering.as_ref()?;
        Some(&answering.traffic().budgets.answers)
    }

    /// Charges an answer of this length.
    fn pay(&mut self, bytes: usize) -> Result<(), OverBudget> {
        let Some(answers) = self.answers() else {
            return Ok(());
        };
        self.charge = if bytes > FREE {
            Some(AnswerCharge::Own(Arc::new(answers.try_charge(bytes)?)))
        } else {
            None
        };
        Ok(())
    }

    /// Takes over the charge of the handler, whose bytes count in the share of the peer from now on.
    fn take_over(&mut self, charge: Arc<Charge>) -> Result<(), OverBudget> {
        if let Some(answers) = self.answers() {
            let counted = OfShare::new(answers, charge.bytes())?;
            self.charge = Some(AnswerCharge::Paid(charge, Arc::new(counted)));
        }
        Ok(())
    }

    /// Charges bytes of the body, once for all answers that use the same memory.
    fn pay_for(&mut self, bytes: &Bytes) -> Result<(), OverBudget> {
        if bytes.len() <= FREE || bytes.is_unique() {
            return self.pay(bytes.len());
        }
        let Some(answers) = self.answers() else {
            return Ok(());
        };
        self.charge = Some(AnswerCharge::Shared(answers.try_charge_shared(bytes)?));
        Ok(())
    }

    fn piece(&mut self) -> Piece {
        let length = self.rest.len().min(PIECE);
        Piece {
            bytes: self.rest.split_to(length),
            unread: self.answering.as_ref().map(Answering::piece),
            charge: self.charge.clone(),
        }
    }
}

/// Whether bytes wait for room in the budget.
#[derive(Clone, Copy, Debug)]
enum Patience {
    /// The answer has not begun, so it can still be a refusal.
    None,
    /// The bytes wait if the budget of waiting bytes has room for them.
    Some,
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
            if self.body.is_none() && self.waiting.is_none() {
                return Poll::Ready(None);
            }
            if let Err(broken) = ready!(self.advance(Patience::Some, context)) {
                return Poll::Ready(Some(Err(broken.into())));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
            && self.waiting.is_none()
            && self.trailers.is_none()
            && self.failure.is_none()
            && self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let waiting = self
            .waiting
            .as_ref()
            .map_or(0, |waiting| waiting.bytes.len());
        let rest = u64::try_from(self.rest.len() + waiting).unwrap_or(u64::MAX);
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
