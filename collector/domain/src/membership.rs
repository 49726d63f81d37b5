//! The set of collectors, and the owner among them.
//!
//! A [`View`] never changes: a change of membership makes a new view. A cluster provider decides which collectors are members and
//! watches for changes.

use std::{num::NonZeroU32, sync::Arc};

use crate::Timestamp;

/// One collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The address at which other collectors reach it, `host:port`. It is the member's name: no two members of a view share it.
    pub address: Arc<str>,
    /// The entry of the naming endpoint `/agent/gRPC`, `host:port`; `None` if it serves no such face.
    pub agent_grpc: Option<Arc<str>>,
    /// The entry of the naming endpoint `/agent/jetty`, `host:port` and the context path.
    pub agent_jetty: Option<Arc<str>>,
    /// The entry of the naming endpoint `/ui/jetty`, `host:port` and the context path.
    pub ui: Option<Arc<str>>,
    /// Its version of Rollcall; `None` for an upstream collector, which publishes only its addresses.
    pub version: Option<Arc<str>>,
    /// Whether the collector is starting, serving or draining.
    pub state: State,
    /// When it entered its state.
    pub since: Timestamp,
}

/// A short name of a member: a hash of its address. It identifies the member that observed a signal where an address would take too
/// much memory. People read it as evidence; no decision depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag(NonZeroU32);

/// The state of a collector (ARCHITECTURE.md, invariant 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Some of its listeners do not accept connections yet.
    Starting,
    /// It serves. Only in this state is it in the naming lists, and only in this state can it be the owner.
    Serving,
    /// It finishes the work in progress and accepts no new work.
    Draining,
}

/// The collectors at one time, sorted by their addresses as text. Upstream's collectors since 3.2 sort them in the same
/// way, and all members choose the same owner (`10.0.0.10:11800` comes before `10.0.0.9:11800`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View(Arc<[Member]>);

impl Tag {
    /// The tag of the member at this address (FNV-1a, the same in every release).
    #[must_use]
    pub fn of(address: &str) -> Self {
        let hash = address.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        Self(NonZeroU32::new(hash).unwrap_or(NonZeroU32::MIN))
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> NonZeroU32 {
        self.0
    }
}

impl From<NonZeroU32> for Tag {
    fn from(number: NonZeroU32) -> Self {
        Self(number)
    }
}

impl View {
    /// The view of these members, in any order. If two members have the same address, the later one is kept.
    #[must_use]
    pub fn new(members: impl IntoIterator<Item = Member>) -> Self {
        let mut members: Vec<Member> = members.into_iter().collect();
        members.reverse();
        members.sort_by(|a, b| a.address.cmp(&b.address));
        members.dedup_by(|later, first| later.address == first.address);
        Self(members.into())
    }

    /// All members, in order.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.0
    }

    /// The serving members, in order: the contents of the naming lists.
    pub fn serving(&self) -> impl DoubleEndedIterator<Item = &Member> {
        self.0
            .iter()
            .filter(|member| member.state == State::Serving)
    }

    /// The member to which the others forward new registrations: the first serving member that shares this collector's inventory.
    /// An upstream collector is in the naming lists too, but assigns ids of its own.
    #[must_use]
    pub fn owner(&self) -> Option<&Member> {
        self.serving().find(|member| member.version.is_some())
    }
}

#[cfg(test)]
mod tests;
