//! Records the events of instances, services and the collector itself, with their evidence.
//!
//! An event is recorded once and read in three ways: live ([`Feed::read`]), as the timeline of one instance
//! ([`Feed::timeline`], [`Feed::service_timeline`]), and from a journal on disk after a restart. Event numbers have no gaps
//! within a run and continue over a restart.
//!
//! Guarantees:
//! * A number is assigned once in a series ([`Feed::series`]), however a run ends. A run continues the series if the journal
//!   records which numbers the runs before it may have assigned. Otherwise the run has a series of its own.
//! * Everything is bounded: the history in events, each timeline in changes, all timelines in bytes, the journal in bytes.
//! * Agents, Nacos services and the collector each have a [`Lane`]. Events of one lane never evict those of another.
//! * An instance that changes too often, or a peer that causes too many changes, does not evict the changes of other instances.
//!   Beyond the limit such changes are only counted, and the count is recorded as an event.
//! * Recording never waits for the disk. [`Recorder`] writes batches on another thread. An event that it cannot write in time is
//!   counted and is missing from the journal; the collector continues.
//!
//! Left out: the names of applications and instances, which the inventory has, and the texts that people read.

mod config;
mod event;
mod exposition;
mod feed;
mod history;
mod inner;
mod journal;
mod pack;
mod reader;
mod recorder;
mod rings;
mod shares;
mod state;

pub use config::Config;
pub use event::{
    Changed, CollectorEvent, Connection, Contact, Event, InstanceEvent, InstanceKind, Lane, Mass,
    MassGroup, Recorded, Room, ServiceEvent, ServiceFilter, ServiceInstance, Shared,
};
pub use feed::{Feed, Timeline};
pub use journal::Error;
pub use reader::{Next, Reader};
pub use recorder::Recorder;

#[cfg(test)]
mod tests;
