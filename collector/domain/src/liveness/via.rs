//! The connection that an instance was last seen on, and how it ended.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
};

use crate::{Moment, membership::Tag};

/// A connection to this collector. No two connections of one run have the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId(u64);

/// The end of the connection that an instance was last seen on. It is evidence and decides nothing: a connection may end while its
/// process lives, and a process may end while its connection stays open.
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
    /// The peer closed it in order, as the operating system does for a process that ends.
    ClosedByPeer = 1,
    /// The peer or an intermediary reset it.
    Reset = 2,
    /// The peer did not answer in time. It is unknown whether its machine acknowledged the bytes that were sent.
    Timeout = 3,
    /// This collector closed it, because it stops or the connection reached its maximum age.
    ClosedByCollector = 4,
    /// It failed in another way: the peer reported an error, for instance.
    Broken = 5,
    /// The process did not answer in time, although its machine acknowledged the bytes that were sent.
    Hung = 6,
    /// The peer did not answer in time, and the bytes that were sent were not acknowledged: its machine or the network is
    /// unavailable.
    Unreachable = 7,
    /// This collector closed it, because the peer exceeded a limit.
    OverLimit = 8,
    /// This collector closed it, because the peer did not read its answers.
    Unread = 9,
    /// This collector closed it, because the peer violated the protocol.
    Violation = 10,
}

impl ConnectionId {
    /// The connection with this number, counted from 1. The range has 2^59 numbers.
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
    /// The number for storage; it is the same in every release.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The cause with this number.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::ClosedByPeer,
            2 => Self::Reset,
            3 => Self::Timeout,
            4 => Self::ClosedByCollector,
            5 => Self::Broken,
            6 => Self::Hung,
            7 => Self::Unreachable,
            8 => Self::OverLimit,
            9 => Self::Unread,
            10 => Self::Violation,
            _ => return None,
        })
    }
}

/// The connection that an instance was last seen on, as evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// This run has not seen the instance on a connection, or another member saw it after its connection to this collector had
    /// ended.
    Unknown,
    /// It is open.
    Open(ConnectionId),
    /// It ended.
    Closed(Closed),
}

/// The collector that observed a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Observer {
    /// This run of this collector.
    Here,
    /// Another member, or an earlier run of this one; `None` if the report does not name it.
    Elsewhere(Option<Tag>),
}

/// Where an instance was last seen, compared with the connection of its new signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The instance was last seen on this connection.
    Same,
    /// It was last seen on another connection, or on none.
    New,
    /// It was last seen on another connection, which has ended and on which it was seen more than once.
    Back,
    /// It was last seen by another member.
    From(Option<Tag>),
}

/// One word: 0 if no connection is known, otherwise a code in the lowest five bits and a number in the bits above. The code 0
/// marks an open connection on which the instance was seen once; the number is its id.
///
/// An end replaces only the connection that ended. So it is never recorded for an instance that was seen on another connection
/// since.
#[derive(Debug, Default)]
pub(super) struct Via(AtomicU64);

const CODE_BITS: u32 = 5;
const CODE: u64 = (1 << CODE_BITS) - 1;
/// The bit of a connection on which the instance was seen more than once. An open connection has this bit alone as its code. An
/// ended one has the code of the cause, with this bit added, and the time of the end as its number.
const REPEATED: u64 = 16;
/// The code for another member: the number is its tag, or 0 if it is unknown.
const ELSEWHERE: u64 = 15;

impl Via {
    /// Records that the instance was seen on `connection`. Records nothing if the word changes meanwhile: the connection may have
    /// ended, and its end stays recorded. The next signal is recorded.
    #[inline]
    pub(super) fn seen_on(&self, connection: ConnectionId) -> Arrival {
        let word = self.0.load(SeqCst);
        let once = open(connection);
        if word == once | REPEATED {
            return Arrival::Same;
        }
        if word == once {
            self.put(word, once | REPEATED);
            return Arrival::Same;
        }
        self.put(word, once);
        match word & CODE {
            ELSEWHERE => Arrival::From(tag(word)),
            code if code > REPEATED => Arrival::Back,
            _ => Arrival::New,
        }
    }

    /// Replaces the word `before`; does nothing if the word has changed.
    #[inline]
    fn put(&self, before: u64, after: u64) {
        // If the word has changed, the new word is the later one and stays.
        let _replaced = self.0.compare_exchange(before, after, SeqCst, SeqCst);
    }

    /// Copies what `other` records, for a lease that begins again.
    pub(super) fn replace(&self, other: &Self) {
        self.0.store(other.0.load(SeqCst), SeqCst);
    }

    /// Records that another member saw the instance. An open connection to this collector stays recorded: the agent uses both
    /// collectors. Returns the collector that saw the instance before, if the instance moved: this collector, if the instance was
    /// seen more than once on its ended connection, or the earlier member, if both members are known and differ.
    pub(super) fn seen_elsewhere(&self, member: Option<Tag>) -> Option<Observer> {
        let number = member.map_or(0, |member| u64::from(member.get().get()));
        let after = number << CODE_BITS | ELSEWHERE;
        let keeps = |word: u64| matches!(word & CODE, 0 | REPEATED) && word != 0;
        let before = self
            .0
            .fetch_update(SeqCst, SeqCst, |word| (!keeps(word)).then_some(after))
            .ok()?;
        match before & CODE {
            ELSEWHERE => {
                let earlier = tag(before)?;
                let is_another = member.is_some_and(|member| member != earlier);
                is_another.then_some(Observer::Elsewhere(Some(earlier)))
            }
            code if code > REPEATED => Some(Observer::Here),
            _ => None,
        }
    }

    /// Records the end of `connection`, if the instance was last seen on it. Returns whether the instance was seen on it more
    /// than once: only such an end is worth an event, because an agent may open a connection for each call.
    pub(super) fn close(&self, connection: ConnectionId, closed: Closed) -> bool {
        let millis = closed.at.millis().max(0).unsigned_abs();
        let end = millis << CODE_BITS | closed.cause as u64;
        let once = open(connection);
        let close = |word: u64| match word {
            word if word == once => Some(end),
            word if word == once | REPEATED => Some(end | REPEATED),
            // The instance was seen on another connection since, or this end is recorded already.
            _ => None,
        };
        let before = self.0.fetch_update(SeqCst, SeqCst, close);
        before.is_ok_and(|before| before & REPEATED != 0)
    }

    /// The connection, and the member that observed a relayed signal.
    pub(super) fn read(&self) -> (Contact, Option<Tag>) {
        let word = self.0.load(SeqCst);
        let number = word >> CODE_BITS;
        match word & CODE {
            ELSEWHERE => (Contact::Unknown, tag(word)),
            0 | REPEATED if number > 0 => (Contact::Open(ConnectionId(number)), None),
            code => {
                let cause = u8::try_from(code & !REPEATED)
                    .ok()
                    .and_then(Cause::from_code);
                let at = i64::try_from(number).map(Moment::from_millis);
                let closed = cause.zip(at.ok()).map(|(cause, at)| Closed { at, cause });
                (closed.map_or(Contact::Unknown, Contact::Closed), None)
            }
        }
    }
}

fn tag(word: u64) -> Option<Tag> {
    let number = u32::try_from(word >> CODE_BITS).ok()?;
    NonZeroU32::new(number).map(Tag::from)
}

#[inline]
const fn open(connection: ConnectionId) -> u64 {
    connection.0 << CODE_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAUSES: [Cause; 10] = [
        Cause::ClosedByPeer,
        Cause::Reset,
        Cause::Timeout,
        Cause::ClosedByCollector,
        Cause::Broken,
        Cause::Hung,
        Cause::Unreachable,
        Cause::OverLimit,
        Cause::Unread,
        Cause::Violation,
    ];

    fn end(millis: i64, cause: Cause) -> Closed {
        Closed {
            at: Moment::from_millis(millis),
            cause,
        }
    }

    #[test]
    fn only_the_end_of_the_last_connection_is_recorded() {
        let via = Via::default();
        let [first, second] = [1, 2].map(ConnectionId::new);
        assert_eq!(via.read().0, Contact::Unknown);
        assert_eq!(via.seen_on(first), Arrival::New);
        assert_eq!(via.seen_on(first), Arrival::Same);
        assert_eq!(via.seen_on(second), Arrival::New);
        assert!(!via.close(first, end(5, Cause::Reset)));
        assert_eq!(
            via.read().0,
            Contact::Open(second),
            "it was seen on another connection since"
        );
        for (number, cause) in (3..).zip(CAUSES) {
            let other = ConnectionId::new(number);
            via.seen_on(other);
            assert!(!via.close(other, end(7, cause)), "seen once");
            assert!(!via.close(other, end(9, Cause::ClosedByPeer)), "known");
            assert_eq!(via.read().0, Contact::Closed(end(7, cause)));
        }
        assert_eq!(
            via.seen_on(second),
            Arrival::New,
            "it was seen once on the connection that ended"
        );
        assert_eq!(via.read().0, Contact::Open(second));
    }

    #[test]
    fn the_end_of_a_connection_with_several_signals_is_reported_and_so_is_the_return() {
        let via = Via::default();
        let [first, second] = [1, 2].map(ConnectionId::new);
        for cause in CAUSES {
            via.seen_on(first);
            via.seen_on(first);
            assert!(via.close(first, end(7, cause)));
            assert_eq!(via.read().0, Contact::Closed(end(7, cause)));
            assert_eq!(via.seen_on(second), Arrival::Back);
            assert_eq!(via.seen_on(second), Arrival::Same);
        }
    }

    #[test]
    fn a_move_is_reported_once_and_not_while_the_connection_is_open() {
        let via = Via::default();
        let connection = ConnectionId::new(1);
        let [b, c] = ["b:1", "c:1"].map(Tag::of);
        let from_b = Observer::Elsewhere(Some(b));
        via.seen_on(connection);
        via.seen_on(connection);
        assert_eq!(via.seen_elsewhere(Some(b)), None, "it uses both");
        via.close(connection, end(3, Cause::ClosedByPeer));
        assert_eq!(via.seen_elsewhere(Some(b)), Some(Observer::Here));
        assert_eq!(via.seen_elsewhere(Some(b)), None);
        assert_eq!(via.read(), (Contact::Unknown, Some(b)));
        assert_eq!(via.seen_elsewhere(Some(c)), Some(from_b));
        assert_eq!(via.seen_elsewhere(None), None, "the report names no member");
        assert_eq!(via.seen_on(connection), Arrival::From(None));
    }
}
