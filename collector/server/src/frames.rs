//! Counts the frames of an HTTP/2 peer that ask for nothing.
//!
//! A frame of control (PING, SETTINGS, WINDOW_UPDATE, RST_STREAM, an empty DATA ...) is cheap to send and makes the
//! collector work: a SETTINGS frame that changes the window visits every stream. The control frames of an honest peer follow
//! from its requests, from the answers that it reads and from time. So these earn an allowance, every control frame uses up
//! one, and a peer that has none left is closed. SETTINGS follow from nothing but time and have an allowance of their own.
//!
//! The same look charges what is about to be held: each head of a request its stream, each body its bytes ([`Traffic`]).
//!
//! Only the nine bytes in front of each frame are read here; h2 checks everything else.

use std::time::Duration;

use tokio::time::Instant;

use super::traffic::{TooManyRefused, Traffic};

#[cfg(test)]
mod tests;

/// What a client sends before its first frame, in bytes.
const PREFACE: usize = 24;
const HEAD: usize = 9;

/// The allowance of control frames: what a new connection has, the most that time earns, and the time that earns one.
const BURST: usize = 1000;
const EACH: Duration = Duration::from_millis(10);
/// The same of SETTINGS. gRPC clients send some dozens while they measure their connection.
const SETTINGS_BURST: usize = 100;
const SETTINGS_EACH: Duration = Duration::from_secs(1);

/// Control frames that a request earns: a client may measure its connection and open the window with every answer.
const PER_REQUEST: usize = 8;
/// Bytes of answers that earn one.
const PER_SENT: usize = 1 << 10;
/// The most that can be earned ahead.
const MOST: usize = 10_000;

// Kinds and flags of frames (RFC 9113 section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;

/// Follows the frames of one connection.
#[derive(Debug)]
pub(super) struct Frames {
    head: [u8; HEAD],
    /// Bytes of `head` that are there.
    length: usize,
    /// Bytes before the next head.
    skip: usize,
    control: Allowance,
    settings: Allowance,
    /// Bytes of answers that have earned something.
    sent: usize,
}

/// Why a connection is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Abuse {
    /// The peer has used up an allowance.
    Flood,
    /// The peer opens streams for which there is no memory.
    OverBudget,
}

/// The peer has used up an allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Flood;

impl From<Flood> for Abuse {
    fn from(Flood: Flood) -> Self {
        Self::Flood
    }
}

impl From<TooManyRefused> for Abuse {
    fn from(TooManyRefused: TooManyRefused) -> Self {
        Self::OverBudget
    }
}

#[derive(Debug)]
struct Allowance {
    left: usize,
    burst: usize,
    /// This time earns one.
    each: Duration,
    /// When time has last earned some.
    since: Instant,
}

impl Frames {
    /// The frames of a connection that begins now.
    pub(super) fn new() -> Self {
        Self {
            head: [0; HEAD],
            length: 0,
            skip: PREFACE,
            control: Allowance::new(BURST, EACH),
            settings: Allowance::new(SETTINGS_BURST, SETTINGS_EACH),
            sent: 0,
        }
    }

    /// Looks at what the peer sent next.
    ///
    /// # Errors
    /// It sent more control frames than it may, or opened more streams than there is memory for.
    pub(super) fn read(&mut self, mut bytes: &[u8], traffic: &Traffic) -> Result<(), Abuse> {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let part = bytes.len().min(HEAD - self.length);
            self.head[self.length..][..part].copy_from_slice(&bytes[..part]);
            self.length += part;
            bytes = &bytes[part..];
            if self.length < HEAD {
                return Ok(());
            }
            self.length = 0;
            let [a, b, c, kind, flags, ..] = self.head;
            self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            self.count(kind, flags, traffic)?;
        }
    }

    fn count(&mut self, kind: u8, flags: u8, traffic: &Traffic) -> Result<(), Abuse> {
        match kind {
            HEADERS => {
                self.control.earn(PER_REQUEST);
                traffic.announce()?;
            }
            DATA if self.skip > 0 || flags & END_STREAM != 0 => traffic.arrive(self.skip),
            SETTINGS if flags & ACK == 0 => self.settings.take()?,
            _ => self.control.take().or_else(|Flood| {
                let sent = traffic.sent();
                self.control.earn(sent.wrapping_sub(self.sent) / PER_SENT);
                self.sent = sent;
                self.control.take()
            })?,
        }
        Ok(())
    }
}

impl Allowance {
    fn new(burst: usize, each: Duration) -> Self {
        Self {
            left: burst,
            burst,
            each,
            since: Instant::now(),
        }
    }

    fn earn(&mut self, count: usize) {
        self.left = self.left.saturating_add(count).min(MOST);
    }

    /// Uses up one. The clock is read only when there is none.
    fn take(&mut self) -> Result<(), Flood> {
        if self.left == 0 {
            let passed = self.since.elapsed().as_millis() / self.each.as_millis();
            let earned = usize::try_from(passed).unwrap_or(usize::MAX);
            if earned > 0 {
                self.left = earned.min(self.burst);
                self.since = Instant::now();
            }
        }
        self.left = self.left.checked_sub(1).ok_or(Flood)?;
        Ok(())
    }
}
