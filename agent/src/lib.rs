//! Makes an application known to a Rollcall or SkyWalking (3.2.6, 5.x) collector: finds one, registers the application
//! and this process, keeps them known, and gets ids for operation names and remote addresses.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use rollcall_agent::{Agent, SpanType};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let agent = Agent::builder("orders").collectors(["127.0.0.1:10800"]).start()?;
//!
//! agent.segment_finished();
//! let operation = agent.operation("GET /orders", SpanType::Entry);
//! println!("{:?}, {operation:?}", agent.status());
//!
//! agent.shutdown(Duration::from_secs(1))?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises its host
//!
//! * [`start`](Builder::start) returns at once, sends nothing, and fails only on bad configuration. A collector that is
//!   not there, or answers nonsense, is something the [status](Agent::status) tells, and nothing else.
//! * One background thread, `rollcall-agent`, with its own single-threaded runtime. The host's runtime is never used, and
//!   none is needed. (Host names are resolved by the operating system on a helper thread, which ends afterwards.)
//! * No call blocks, except [`shutdown`](Agent::shutdown) and the waiting methods of [`Changes`], as long as they are told
//!   to. Everything kept is bounded, and what is dropped is counted.
//! * A panic in the background stays there: the loop starts again, and that is counted. A loop that does not turn is
//!   noticed by itself afterwards, and by callers meanwhile ([`Status::stalled_for`]).
//! * [`shutdown`](Agent::shutdown) takes milliseconds in every state; dropping the agent waits for nothing.
//!
#![doc = include_str!("../BUDGET.md")]
//!
//! # What it does
//!
//! Three loops on the one thread:
//!
//! * **Discovery**, every 60 s: asks the naming servers, each once, from a random one on, until one has a list of
//!   collectors. If none has, the last good list stays.
//! * **Channel**: connects to a random collector of the list, and when that fails or is lost, to another one first, after
//!   a random pause whose bound doubles up to 30 s. Lost is a connection that closed, or on which a call ended in
//!   UNAVAILABLE, PERMISSION_DENIED, UNAUTHENTICATED, RESOURCE_EXHAUSTED or UNKNOWN (upstream's classes), or on which three
//!   calls in a row had no answer before their deadline.
//! * **Register**, every 3 s, one call at a time: registers what has no id yet; on a new connection says which ids this
//!   process holds, and asks for all names again; sends a heartbeat when one is due; asks for the ids of queued names.
//!
//! # How it is observed
//!
//! [`Agent::status`] and [`Agent::subscribe`]; `tracing` events of target `rollcall_agent`, with the same trouble at most
//! once a minute; [counters](Counts) through the `metrics` facade.
//!
//! # What it does not do
//!
//! It sends no trace segments and no metrics of the process, and speaks no TLS.

#![warn(missing_docs)]

mod agent;
mod backoff;
mod builder;
mod channel;
mod clock;
mod collector;
mod config;
mod counters;
mod dictionary;
mod discovery;
mod id;
mod naming;
mod park;
mod peer;
mod phase;
mod process;
mod pulse;
mod random;
mod register;
mod rotation;
mod shared;
mod status;
mod stop;
mod throttle;
mod worker;

pub use agent::{Agent, NotStopped};
pub use builder::{Builder, Error, Origin, Problem};
pub use counters::Counts;
pub use id::{AddressId, ApplicationId, InstanceId, OperationId, SpanType};
pub use phase::Phase;
pub use status::{Activity, Changes, LastError, Status};

/// Compiles the Rust blocks of the repository's README as they stand.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
