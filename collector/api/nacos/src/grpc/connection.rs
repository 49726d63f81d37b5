//! The connection of one client: from the opening of its stream to its end.
//!
//! A connection is opened by its stream and set up by the first message on it. It ends with the stream, which the client, the
//! transport or this server ends ([`Reason`]). The server pushes the subscriptions that are due in its outbox. A client that is
//! silent for too long is probed ([`Connection::check_deadlines`]), and its connection is closed if it does not answer.
//!
//! Times are milliseconds on the face's monotonic clock, which the caller passes.

use std::{
    collections::{HashSet, VecDeque},
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use rollcall_catalog::{Outbox, Subscription};
use rollcall_domain::catalog::{ConnectionId, ServiceKey};
use tokio::sync::Notify;

use super::{
    acks::{Acks, Lapsed, Retries},
    fuzzy::{Pattern, Watches},
    transport::Transport,
};

mod owed;
mod reason;
#[cfg(test)]
mod tests;

pub(super) use reason::Reason;

/// The most control messages that wait for a client that does not read.
const MAX_CONTROL: usize = 16;

/// The time limits of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long a stream may stay without a set-up.
    pub setup: Duration,
    /// The time without a message after which a client is probed.
    pub idle: Duration,
    /// How long the answer to a probe may take.
    pub probe: Duration,
    /// The limits of repeated pushes.
    pub pushes: Retries,
}

/// The information that a client reports about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Client {
    /// Such as `Nacos-Java-Client:v2.5.1`.
    pub(super) version: String,
    /// The name of its application.
    pub(super) app: String,
    /// `naming`, `config`, ...
    pub(super) module: String,
}

/// A connection that is set up, as the catalog knows it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: ConnectionId,
    pub(super) client: Client,
    /// Subscriptions that are due.
    pub(super) outbox: Outbox,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    transport: Transport,
    text: String,
    opened: u64,
    last_active: AtomicU64,
    session: OnceLock<Session>,
    /// Wakes calls that wait for the set-up, after it and when the connection ends.
    settled: Notify,
    /// Wakes the stream.
    waker: AtomicWaker,
    state: Mutex<State>,
}

struct State {
    control: VecDeque<Message>,
    acks: Acks<ServiceKey, Arc<Subscription>>,
    watches: Watches,
    /// Services that the client subscribes to.
    subscribed: HashSet<ServiceKey>,
    /// Subscriptions whose push failed, to be retried.
    postponed: Vec<Arc<Subscription>>,
    /// When the client was probed.
    probed: Option<u64>,
    ended: Option<Reason>,
}

/// A message, without the fields whose values depend on the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    SetupAck,
    Detection,
    Reset,
}

/// The next action of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Message(Message),
    /// Send the next message of the watch of this pattern.
    Watch(Pattern),
    /// End the stream.
    End(Reason),
}

/// The time of a check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tick {
    pub(super) now: u64,
    /// When this server last continued after a stall (a paused process or machine). It could not read the clients' messages during
    /// the stall, so every time limit starts anew.
    pub(super) resumed: u64,
}

impl Tick {
    /// Whether `time` has passed since `start`, and since the last stall.
    fn is_over(self, start: u64, time: Duration) -> bool {
        self.now.saturating_sub(start.max(self.resumed)) >= millis(time)
    }
}

/// The actions of [`Connection::check_deadlines`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Overdue {
    pub(super) pushes: Lapsed,
    pub(super) is_probed: bool,
    pub(super) ended: Option<Reason>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// A connection whose stream was just opened.
    pub(super) fn new(transport: Transport, text: String, retries: Retries, now: u64) -> Self {
        Self {
            transport,
            text,
            opened: now,
            last_active: AtomicU64::new(now),
            session: OnceLock::new(),
            settled: Notify::new(),
            waker: AtomicWaker::new(),
            state: Mutex::new(State {
                control: VecDeque::new(),
                acks: Acks::new(retries),
                watches: Watches::default(),
                subscribed: HashSet::new(),
                postponed: Vec::new(),
                probed: None,
                ended: None,
            }),
        }
    }

    /// The transport of this connection.
    pub(super) const fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The id that clients see.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Its session in the catalog; `None` before the set-up.
    pub(super) fn session(&self) -> Option<&Session> {
        self.session.get()
    }

    /// Records a message of the client.
    pub(super) fn touch(&self, now: u64) {
        self.last_active.store(now, Relaxed);
    }

    /// When the client last sent anything.
    pub(super) fn last_active(&self) -> u64 {
        self.last_active.load(Relaxed)
    }

    /// Sets the connection up.
    pub(super) fn set_up(&self, session: Session) {
        let is_first = self.session.set(session).is_ok();
        debug_assert!(is_first, "one message sets a connection up");
        self.settled.notify_waiters();
    }

    /// Waits until the connection is set up or has ended; returns whether it is set up.
    pub(super) async fn settled(&self) -> bool {
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            if self.session().is_some() {
                return true;
            }
            if self.ended().is_some() {
                return false;
            }
            settled.await;
        }
    }

    /// The reason for its end; `None` while it is open.
    pub(super) fn ended(&self) -> Option<Reason> {
        self.state.lock().ended
    }

    /// Ends the connection. Returns `false` if it had already ended; the first reason stays.
    pub(super) fn end(&self, reason: Reason) -> bool {
        let is_first = {
            let mut state = self.state.lock();
            let is_first = state.ended.is_none();
            state.ended.get_or_insert(reason);
            is_first
        };
        self.settled.notify_waiters();
        self.waker.wake();
        is_first
    }

    /// Queues a message. If the client does not read, the oldest message is dropped, and the client is closed as silent.
    pub(super) fn send(&self, message: Message) {
        {
            let mut state = self.state.lock();
            if state.control.len() == MAX_CONTROL {
                state.control.pop_front();
            }
            state.control.push_back(message);
        }
        self.waker.wake();
    }

    /// The next action of the stream. Wakes the stream when there is one.
    pub(super) fn poll_due(&self, context: &mut Context<'_>) -> Poll<Due> {
        if let Some(due) = self.due() {
            return Poll::Ready(due);
        }
        self.waker.register(context.waker());
        self.due().map_or(Poll::Pending, Poll::Ready)
    }

    fn due(&self) -> Option<Due> {
        let mut state = self.state.lock();
        if let Some(message) = state.control.pop_front() {
            return Some(Due::Message(message));
        }
        if let Some(reason) = state.ended {
            return Some(Due::End(reason));
        }
        state.watches.next().map(Due::Watch)
    }

    /// Handles all deadlines up to this time. The face calls it about twice a second.
    pub(super) fn check_deadlines(&self, patience: &Patience, tick: Tick) -> Overdue {
        let now = tick.now;
        let mut overdue = Overdue::default();
        let mut state = self.state.lock();
        if state.ended.is_some() {
            return overdue;
        }
        if self.session().is_none() {
            if tick.is_over(self.opened, patience.setup) {
                overdue.ended = Some(Reason::NoSetup);
            }
        } else if let Some(probed) = state.probed {
            if self.last_active() >= probed {
                state.probed = None;
            } else if tick.is_over(probed, patience.probe) {
                overdue.ended = Some(Reason::Silent);
            }
        } else if now.saturating_sub(self.last_active()) >= millis(patience.idle) {
            state.probed = Some(now);
            overdue.is_probed = true;
        }
        let postponed = std::mem::take(&mut state.postponed);
        postponed.iter().for_each(Subscription::lost);
        let after = patience.pushes.after;
        let mut is_due = false;
        if tick.resumed == 0 || tick.is_over(tick.resumed, after) {
            overdue.pushes = state.acks.check_deadlines(now, Subscription::lost);
            is_due = state.watches.check_deadlines(millis(after), now);
        }
        drop(state);
        if overdue.is_probed {
            self.send(Message::Detection);
        }
        if let Some(reason) = overdue.ended {
            self.end(reason);
        } else if is_due {
            self.waker.wake();
        }
        overdue
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
