//! Limits the control frames of an HTTP/2 peer.
//!
//! A control frame (PING, SETTINGS, WINDOW_UPDATE, RST_STREAM, an empty DATA ...) is cheap to send and costs the collector work: a
//! SETTINGS frame that changes the window visits every stream. A well-behaved peer sends control frames in proportion to its
//! requests, to the answers that it reads, and to time. So each of these adds to an allowance, every control frame takes one unit
//! of it, and the connection of a peer without any left is closed. SETTINGS depend only on time and have an allowance of their own.
//!
//! A reset (RST_STREAM) has a second allowance, because a peer that opens streams and resets them at once makes the collector
//! begin calls whose answers it never has to read. A new stream adds one unit, its reset takes [`PER_RESET`], and each millisecond
//! adds one. So a peer that only opens and resets streams loses a unit with each of them: a new connection of such a peer is closed
//! after [`RESETS`] streams and one more for each millisecond. The numbers leave room for clients that have a reason to reset:
//! * One that cancels one call in two loses nothing, however many calls it makes.
//! * One whose calls all end at their deadline, or whose streams are all refused before it has sent them, loses a unit for each of
//!   them. Time adds 1,000 in a second: 1,000 concurrent calls with a deadline of one second, without end.
//! * One that cancelled and repeated 1,000 concurrent calls at each deadline while the collector could not read, for example because
//!   it was paused: the resets of `n` deadlines arrive together and take `n + 1` thousand units. Three deadlines fit into
//!   [`RESETS_BURST`]; a client whose calls were answered before has up to [`MOST`] units besides.
//!
//! The same pass charges memory before it is used: a stream for each head of a request, and the bytes of each body ([`Traffic`]).
//!
//! It reads only the nine bytes before each frame and the length of its padding; h2 checks everything else.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::traffic::{TooManyRefused, Traffic};

#[cfg(test)]
mod tests;

/// The bytes that a client sends before its first frame.
const PREFACE: usize = 24;
const HEAD: usize = 9;

/// The allowance of control frames: its initial size, up to which it refills with time, and the time that adds one frame.
const BURST: usize = 1000;
const EACH: Duration = Duration::from_millis(10);
/// The same for SETTINGS. gRPC clients send some dozens while they measure their connection.
const SETTINGS_BURST: usize = 100;
const SETTINGS_EACH: Duration = Duration::from_secs(1);

/// The allowance of resets: its initial size, the size up to which it refills with time, and the time that adds one unit.
const RESETS: usize = 1000;
const RESETS_BURST: usize = 4000;
const RESETS_EACH: Duration = Duration::from_millis(1);
/// The units that a reset takes: the one that its stream added, and one more.
const PER_RESET: usize = 2;

/// The control frames that a request adds: a client may measure its connection and open the window with every answer.
const PER_REQUEST: usize = 8;
/// The bytes of answers that add one control frame.
const PER_SENT: usize = 1 << 10;
/// The largest allowance of either kind.
const MOST: usize = 10_000;

// Kinds and flags of frames (RFC 9113 section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
/// The error code for a peer that causes too much work (RFC 9113 section 7).
const ENHANCE_YOUR_CALM: u32 = 11;
/// The bit before the number of a stream, which a receiver ignores.
const RESERVED: u32 = 1 << 31;

/// Parses the frame headers of one connection.
#[derive(Debug)]
pub(super) struct Frames {
    head: [u8; HEAD],
    /// The received bytes of `head`.
    length: usize,
    /// The bytes before the next head.
    skip: usize,
    /// The head of a request that may not have arrived completely.
    block: Option<Block>,
    /// The bytes of it that were recorded.
    held: Option<Block>,
    /// The next byte is the length of the padding of a DATA frame.
    is_padded: bool,
    control: Allowance,
    settings: Allowance,
    resets: Allowance,
    /// The last stream that the peer opened. The numbers of streams increase.
    last: u32,
    /// The bytes of answers that have been credited.
    sent: usize,
}

/// The received frames of one head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    /// Their length.
    bytes: usize,
    /// Whether no further frame continues the head.
    is_last: bool,
    /// Whether h2 has decoded some of them: it decodes each frame that has arrived completely.
    is_decoded: bool,
}

impl Block {
    fn begin(bytes: usize, flags: u8) -> Self {
        let is_last = flags & END_HEADERS != 0;
        Self {
            bytes,
            is_last,
            is_decoded: !is_last,
        }
    }

    fn and(self, bytes: usize, flags: u8) -> Self {
        Self {
            bytes: self.bytes.saturating_add(bytes),
            is_last: flags & END_HEADERS != 0,
            is_decoded: true,
        }
    }
}

/// Why a connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Abuse {
    /// The peer has used up an allowance.
    Flood,
    /// The peer opens more streams than the budget has room for.
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
    /// The size up to which time refills it.
    burst: usize,
    /// The time that adds one unit.
    each: Duration,
    /// When time last added to it.
    since: Instant,
}

impl Frames {
    /// A parser for a new connection.
    pub(super) fn new() -> Self {
        Self {
            head: [0; HEAD],
            length: 0,
            skip: PREFACE,
            block: None,
            held: None,
            is_padded: false,
            control: Allowance::new(BURST, BURST, EACH),
            settings: Allowance::new(SETTINGS_BURST, SETTINGS_BURST, SETTINGS_EACH),
            resets: Allowance::new(RESETS, RESETS_BURST, RESETS_EACH),
            last: 0,
            sent: 0,
        }
    }

    /// Processes received bytes.
    ///
    /// # Errors
    /// The peer sent too many control frames, or opened more streams than the budget has room for.
    pub(super) fn read(&mut self, mut bytes: &[u8], traffic: &Traffic) -> Result<(), Abuse> {
        loop {
            if self.is_padded
                && let [padding, ..] = bytes
            {
                self.is_padded = false;
                traffic.disregard(self.skip.min(usize::from(*padding) + 1));
            }
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let part = bytes.len().min(HEAD - self.length);
            self.head[self.length..][..part].copy_from_slice(&bytes[..part]);
            self.length += part;
            bytes = &bytes[part..];
            if self.length < HEAD {
                self.hold(traffic);
                return Ok(());
            }
            self.length = 0;
            let [a, b, c, kind, flags, ..] = self.head;
            self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            self.count(kind, flags, traffic)?;
        }
    }

    /// The GOAWAY for a peer that exceeded this limit.
    pub(super) fn goaway(&self, limit: &str) -> Bytes {
        let (last, code) = (self.last.to_be_bytes(), ENHANCE_YOUR_CALM.to_be_bytes());
        let payload = [&last, &code, limit.as_bytes()].concat();
        let [.., a, b, c] = payload.len().to_be_bytes();
        let head = [a, b, c, GOAWAY, 0, 0, 0, 0, 0];
        [&head, &*payload].concat().into()
    }

    /// Records what h2 holds of an incomplete head.
    fn hold(&mut self, traffic: &Traffic) {
        let is_over = self.skip == 0 && self.block.is_some_and(|block| block.is_last);
        if is_over {
            self.block = None;
        }
        if self.block != self.held {
            self.held = self.block;
            let held = self.block.map(|block| (block.bytes, block.is_decoded));
            let (bytes, is_decoded) = held.unwrap_or_default();
            traffic.hold_head(bytes, is_decoded);
        }
    }

    fn count(&mut self, kind: u8, flags: u8, traffic: &Traffic) -> Result<(), Abuse> {
        self.block = match self.block {
            Some(block) if kind == CONTINUATION => Some(block.and(self.skip, flags)),
            _ => None,
        };
        match kind {
            HEADERS => {
                self.control.earn(PER_REQUEST);
                self.open_stream();
                traffic.announce()?;
                self.block = Some(Block::begin(self.skip, flags));
            }
            DATA if self.skip > 0 || flags & END_STREAM != 0 => {
                traffic.arrive(self.skip);
                self.is_padded = flags & PADDED != 0 && self.skip > 0;
            }
            SETTINGS if flags & ACK == 0 => self.settings.take(1)?,
            RST_STREAM => {
                self.resets.take(PER_RESET)?;
                self.control(traffic)?;
            }
            _ => self.control(traffic)?,
        }
        Ok(())
    }

    /// Counts a control frame.
    fn control(&mut self, traffic: &Traffic) -> Result<(), Flood> {
        self.control.take(1).or_else(|Flood| {
            let sent = traffic.sent();
            self.control.earn(sent.wrapping_sub(self.sent) / PER_SENT);
            self.sent = sent;
            self.control.take(1)
        })
    }

    /// Counts a stream whose first head begins. A later head of it, the trailers, adds nothing.
    fn open_stream(&mut self) {
        let [.., a, b, c, d] = self.head;
        let stream = u32::from_be_bytes([a, b, c, d]) & !RESERVED;
        if stream > self.last {
            self.last = stream;
            self.resets.earn(1);
        }
    }
}

impl Allowance {
    fn new(left: usize, burst: usize, each: Duration) -> Self {
        Self {
            left,
            burst,
            each,
            since: Instant::now(),
        }
    }

    fn earn(&mut self, count: usize) {
        self.left = self.left.saturating_add(count).min(MOST);
    }

    /// Takes `count` units. Reads the clock only when the allowance has fewer.
    fn take(&mut self, count: usize) -> Result<(), Flood> {
        if self.left < count {
            let passed = self.since.elapsed().as_millis() / self.each.as_millis();
            let earned = usize::try_from(passed).unwrap_or(usize::MAX);
            if earned > 0 {
                self.left = self.left.saturating_add(earned).min(self.burst);
                self.since = Instant::now();
            }
        }
        self.left = self.left.checked_sub(count).ok_or(Flood)?;
        Ok(())
    }
}
