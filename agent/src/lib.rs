//! Makes an application known to a collector of Rollcall or of SkyWalking 5.x: finds one, registers the application and this
//! process, keeps them registered, and gets ids for operation names and remote addresses.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use rollcall_agent::{Agent, SpanType};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let agent = Agent::builder("orders").collectors(["127.0.0.1:10800"]).start()?;
//!
//! // For each request: the id of its operation, once it is known, goes into the span in place of the name.
//! let operation = agent.operation("GET /orders", SpanType::Entry);
//! agent.segment_finished();
//! println!("{:?}, {operation:?}", agent.status());
//!
//! agent.shutdown(Duration::from_secs(1))?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it guarantees
//!
//! * [`start`](Builder::start) returns at once, sends nothing, and fails only on bad configuration, or if the operating system
//!   refuses a thread. A collector that is unavailable, or sends invalid answers, only affects the [status](Agent::status).
//! * One background thread, `rollcall-agent`, with its own single-threaded runtime. The host's runtime is never used, and
//!   none is needed. (Host names are resolved by the operating system on a helper thread, which ends afterwards.)
//! * No call blocks, except [`shutdown`](Agent::shutdown) and the waiting methods of [`Changes`], for at most their timeout.
//!   Everything that the agent keeps is bounded, and it counts what it drops.
//! * A panic in the background does not reach the host: the loop restarts, and the agent counts it. Callers see a stalled
//!   loop in [`Status::stalled_for`]; the loop reports the stall when it runs again. (The host's panic hook runs as for any
//!   panic, and in a program that is built with `panic = "abort"` every panic ends the process.)
//! * [`shutdown`](Agent::shutdown) waits at most half a second for the answer to the goodbye, and for nothing else. Dropping
//!   the agent does not wait.
//! * The agent decides by the monotonic clock. The wall clock appears only in messages and in the status, so a clock that is
//!   set back changes nothing else.
//!
#![doc = include_str!("../BUDGET.md")]
//!
//! # What it does
//!
//! Three loops on the one thread:
//!
//! * **Discovery**, every 60 s: queries the naming servers, each once and from a random one on, until one returns a list of
//!   collectors. If none does, the last good list stays. Of a list with more than 256 entries the agent keeps a random choice,
//!   which stays the same while the list does.
//! * **Channel**: connects to a random collector of the list. When the connection fails or is lost, it tries another collector
//!   first, after a random pause whose bound doubles up to 30 s. A connection is lost when it closes, when a ping has no answer
//!   within 5 s (one is sent after 24 s without traffic, and less often to a collector that rejected pings as too many), when
//!   a call ends in UNAVAILABLE, PERMISSION_DENIED, UNAUTHENTICATED, RESOURCE_EXHAUSTED or UNKNOWN (upstream's classes), or
//!   when three calls in a row have no answer before their deadline. A collector that refuses only the names of operations and
//!   addresses is kept at first. If it has refused them for three minutes (60 register intervals) and the list has another collector,
//!   the agent tries that one. After each such move the agent stays twice as long, up to 48 minutes, until names are answered.
//! * **Register**, every 3 s, one call at a time: registers what has no id yet. On a new connection it reports the ids that
//!   this process holds, and requests the ids of all names again. It sends a heartbeat when one is due, and requests the ids of
//!   queued names.
//!
//! # What operation ids are for
//!
//! A trace segment names the operation of every span and the address of every peer. In the protocol of 3.x to 7.0 a span may
//! carry a number instead: segments get smaller, and the collector needs no look-up by text. The collector assigns the
//! numbers, and this library fetches them: [`Agent::operation`] and [`Agent::address`]. Without a number the span carries the
//! name. An application that sends no segments needs neither.
//!
//! # Forks
//!
//! Threads do not survive a `fork`, so the agent stays with the process that started it. In a forked child
//! the agent is stopped: [`status`](Agent::status) shows [`Phase::Stopped`] and why, ids are `None` (an id that was known at
//! the fork may still be returned, and is correct), the other calls do nothing, and no call blocks. A child that should be
//! listed as an instance starts its own agent: servers that fork workers start one in each worker after the fork. Give the
//! workers different [instance names](Builder::instance_name), or none. A child that does not call `exec` inherits the
//! connection to the collector, too: after the parent dies it stays open until the child ends.
//!
//! # How it is observed
//!
//! [`Agent::status`] and [`Agent::subscribe`]; `tracing` events of target `rollcall_agent`, with at most one error a minute
//! for each [`Activity`]; [counters](Counts) through the `metrics` facade. The labels `application` and `agent`, the number of
//! the agent in its process, separate the agents of one process.
//!
//! # What it does not do
//!
//! It sends no trace segments and no metrics of the process. It speaks TLS with the feature `tls` only: see
//! [`Builder::trusted_ca`].
//!
//! It does not register with collectors that lack the calls of 5.x, such as SkyWalking's own of 3.2.6, and of 7.0 and later.
//! They answer that they do not implement the call: the phase stays [`Phase::Unregistered`], and [`Status::last_error`] has
//! the answer. The agent logs it once, and tries again after pauses that grow up to a minute.

#![warn(missing_docs)]

mod agent;
mod backoff;
mod builder;
mod channel;
mod client;
mod clock;
mod collector;
mod config;
mod counters;
mod dial;
mod dictionary;
mod discovery;
mod file;
mod hold;
mod home;
mod id;
mod naming;
mod park;
mod patience;
mod peer;
mod phase;
mod problem;
mod process;
mod pulse;
mod random;
mod register;
mod rotation;
mod shared;
mod status;
mod stop;
mod throttle;
mod tls;
mod worker;

pub use agent::{Agent, NotStopped};
pub use builder::{Builder, Error};
pub use counters::Counts;
pub use id::{AddressId, ApplicationId, InstanceId, OperationId, SpanType};
pub use phase::Phase;
pub use problem::{Origin, Problem};
pub use status::{Activity, Changes, LastError, Status};

/// Compiles the Rust blocks of the repository's README as they stand.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
