//! The connection that an instance was last seen on, and how it ended.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use crate::Moment;

/// A connection to this collector. No two connections of one run have the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId(u64);

/// The end of the connection that an instance was last seen on. It is evidence and does not change the state: a connection may end
/// while its process lives, and a process may end while its connection stays open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// When the connection ended.
    pub at: Moment,
    /// How the connection ended.
    pub cause: Cause,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Cause {
    /// The peer closed it in an orderly way, as the operating system does for a process that ends.
    Peer = 1,
    /// The peer or an intermediary reset it.
    Reset = 2,
    /// The peer did not answer in time.
    Timeout = 3,
    /// This collector closed it, because it stops or a limit was reached.
    Collector = 4,
    /// It failed in another way: the peer violated the protocol, for instance.
    Broken = 5,
}

impl ConnectionId {
    /// The connection with this number, counted from 1. The range has 2^60 numbers.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl Cause {
    const fn from_code(code: u64) -> Option<Self> {
        Some(match code {
            1 => Self::Peer,
            2 => Self::Reset,
            3 => Self::Timeout,
            4 => Self::Collector,
            5 => Self::Broken,
            _ => return None,
        })
    }
}

/// One word: 0 for no connection; for an open one its number, shifted by three bits; for an ended one the moment of the end,
/// shifted by three bits, and the code of the cause.
///
/// An end replaces only the connection that ended. So it is never recorded for an instance that was seen on another connection
/// since.
#[derive(Debug, Default)]
pub(super) struct Via(AtomicU64);

const CAUSE_BITS: u32 = 3;

impl Via {
    /// Records that the instance was seen on `connection`. Returns whether it was last seen on another one.
    #[inline]
    pub(super) fn seen_on(&self, connection: ConnectionId) -> bool {
        let word = open(connection);
        let is_new = self.0.load(SeqCst) != word;
        if is_new {
            self.0.store(word, SeqCst);
        }
        is_new
    }

    /// Records that the instance was seen on no connection.
    pub(super) fn clear(&self) {
        self.0.store(0, SeqCst);
    }

    /// Records the end of `connection`, if the instance was last seen on it.
    pub(super) fn close(&self, connection: ConnectionId, closed: Closed) {
        let millis = closed.at.millis().max(0).unsigned_abs();
        let word = millis << CAUSE_BITS | closed.cause as u64;
        // Another value means that the instance was seen on another connection since, or that this end is recorded already.
        let _other = self
            .0
            .compare_exchange(open(connection), word, SeqCst, SeqCst);
    }

    /// How the connection on which the instance was last seen ended; `None` while it is open.
    pub(super) fn closed(&self) -> Option<Closed> {
        let word = self.0.load(SeqCst);
        let cause = Cause::from_code(word & ((1 << CAUSE_BITS) - 1))?;
        let millis = i64::try_from(word >> CAUSE_BITS).ok()?;
        let at = Moment::from_millis(millis);
        Some(Closed { at, cause })
    }
}

#[inline]
const fn open(connection: ConnectionId) -> u64 {
    connection.0 << CAUSE_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_the_last_connection_is_recorded() {
        let via = Via::default();
        let [first, second] = [1, 2].map(ConnectionId::new);
        let end = |millis, cause| Closed {
            at: Moment::from_millis(millis),
            cause,
        };
        assert!(via.seen_on(first));
        assert!(!via.seen_on(first));
        assert!(via.seen_on(second));
        via.close(first, end(5, Cause::Reset));
        assert_eq!(
            via.closed(),
            None,
            "it was seen on another connection since"
        );
        for cause in [
            Cause::Peer,
            Cause::Reset,
            Cause::Timeout,
            Cause::Collector,
            Cause::Broken,
        ] {
            via.seen_on(second);
            via.close(second, end(7, cause));
            via.close(second, end(9, Cause::Peer));
            assert_eq!(via.closed(), Some(end(7, cause)));
        }
        assert!(
            via.seen_on(second),
            "it was seen on the connection after its end"
        );
        assert_eq!(via.closed(), None);
    }
}
