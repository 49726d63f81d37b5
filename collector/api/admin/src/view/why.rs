//! Explains the state of an instance: the evidence and the rule.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr},
};

use rollcall_domain::{
    inventory::Properties,
    liveness::{Cause, State},
};
use rollcall_service::{events, roster::InstanceStatus};
use serde::Serialize;

use super::{millis, signal, time, words};

/// Why an instance is in its state.
#[derive(Debug, Serialize)]
pub(super) struct Why {
    /// The explanation as a sentence.
    pub(super) sentence: String,
    /// The evidence: the last signal.
    last_signal: &'static str,
    last_seen_at: String,
    /// Whether this run of this collector received the signal, and not another collector or an earlier run.
    observed_here: bool,
    /// The member that received it; `null` if it is not known.
    observed_by: Option<String>,
    /// When that member left; `null` while it is one.
    observer_left_at: Option<String>,
    /// The other end of the last known connection; `null` if none is known.
    peer: Option<String>,
    /// `open`, `closed` or `unknown`.
    connection_state: &'static str,
    /// The end of the connection that carried the signal; `null` while it is open, or if its end is not known here.
    connection: Option<Connection>,
    /// How far the clock of its agent was ahead of this collector's, in milliseconds; `null` if no call carried its time.
    clock_skew_ms: Option<i32>,
    /// When they were compared.
    clock_observed_at: Option<String>,
    /// The usual interval between signals of its agent, in milliseconds; `null` if not observed.
    usual_interval_ms: Option<u64>,
    /// The number of signals that are missing since then, by that interval; `null` if the interval is not observed.
    missed: Option<u64>,
    /// The rule: the time without a signal before it is silent and before it is down, in milliseconds.
    silent_after_ms: u64,
    down_after_ms: u64,
}

#[derive(Debug, Serialize)]
struct Connection {
    closed_at: String,
    cause: &'static str,
}

impl Why {
    pub(super) fn of(status: &InstanceStatus) -> Self {
        let (connection_state, connection) = match status.connection {
            events::Connection::Unknown => ("unknown", None),
            events::Connection::Open => ("open", None),
            events::Connection::Closed { at, cause } => {
                let (closed_at, cause) = (time(at), words::cause(cause));
                ("closed", Some(Connection { closed_at, cause }))
            }
        };
        let witness = status.witness.as_ref();
        let observed_by = match witness {
            None => Some(status.own.to_string()),
            Some(witness) => witness.address.as_deref().map(str::to_owned),
        };
        let departed = witness.and_then(|witness| witness.departed);
        Self {
            sentence: sentence(status),
            last_signal: signal(status.signal),
            last_seen_at: time(status.last_seen),
            observed_here: !status.relayed,
            observed_by,
            observer_left_at: departed.map(|departed| time(departed.at)),
            peer: status.peer.map(|peer| peer.to_string()),
            connection_state,
            connection,
            clock_skew_ms: status.clock_skew.map(|(skew, _at)| skew),
            clock_observed_at: status.clock_skew.map(|(_skew, at)| time(at)),
            usual_interval_ms: words::interval(status.usual).map(millis),
            missed: words::expected(status.silence, status.usual),
            silent_after_ms: millis(status.terms.silent_after),
            down_after_ms: millis(status.terms.down_after),
        }
    }
}

fn sentence(status: &InstanceStatus) -> String {
    let last = format!(
        "the last signal was {} at {}",
        words::signal(status.signal),
        time(status.last_seen)
    );
    let since = time(status.since);
    let mut sentence = match status.state {
        State::Up => up(status, &last),
        State::Silent => absent(status, &format!("Silent since {since}"), &last),
        State::Down => absent(status, &format!("Down since {since}"), &last),
        State::Left => format!("Left: its agent announced its stop at {since}."),
    };
    let mut add = |more: &str| {
        // Writing to a string does not fail.
        let _written = write!(sentence, " {more}");
    };
    if status.state == State::Left && status.witness.is_some() {
        add("Another member received the announcement, or this one before it restarted.");
    }
    if status.is_slow {
        let usual = words::round(status.usual);
        add(&format!(
            "Its agent sends a signal about every {usual}, less often than liveness.default.silent_after, so its terms follow that."
        ));
    }
    if let Some((skew, at)) = status.clock_skew
        && let Some(skew) = words::skew(Some(skew))
    {
        add(&format!(
            "The clock of its agent was {skew} at {}.",
            time(at)
        ));
    }
    if status.forgotten {
        add(
            "It is left out of counts and lists: an operator forgot it, or liveness.default.forget_after has passed.",
        );
    }
    sentence
}

fn up(status: &InstanceStatus, last: &str) -> String {
    if let Some(witness) = &status.witness {
        let through = words::through(witness, &status.own);
        return format!("Up: {last}, {through}.");
    }
    match status.connection {
        events::Connection::Closed { at, cause } => {
            let (connection, ended) = (connection(status), words::ended(cause));
            let at = time(at);
            format!("Up: {last}. {connection} {ended} at {at}, and it has not connected again.")
        }
        events::Connection::Open | events::Connection::Unknown => format!("Up: {last}."),
    }
}

/// Dates an absence by the best evidence: the end of the collector that saw the instance, the end of its connection, or the
/// signals that stopped while the connection stayed open.
fn absent(status: &InstanceStatus, since: &str, last: &str) -> String {
    let missed = words::missed(status.silence, status.usual);
    let missed = missed.unwrap_or_else(|| {
        let term = match status.state {
            State::Silent => status.terms.silent_after,
            _ => status.terms.down_after,
        };
        format!("none followed within {}", words::round(term))
    });
    if let Some(witness) = &status.witness {
        let through = words::through(witness, &status.own);
        let lost = if witness.departed.is_some() {
            " No member has received a signal since: it was lost with its collector, or did not find another one."
        } else {
            ""
        };
        return format!("{since}: {last}, {through}; {missed}.{lost}");
    }
    match status.connection {
        events::Connection::Closed { at, cause } => {
            let (connection, ended) = (
                words::connection(peer(status).as_deref()),
                words::ended(cause),
            );
            let meaning = meaning(status, cause);
            let at = time(at);
            format!(
                "{since}: {connection} {ended} at {at} without a goodbye. {meaning} {}; {missed}.",
                capital(last)
            )
        }
        events::Connection::Open => {
            let connection = words::connection(peer(status).as_deref());
            format!(
                "{since} although {connection} is open: {last}; {missed}. A process that is paused or hangs looks so, and so does a \
                 network that drops packets."
            )
        }
        events::Connection::Unknown => format!("{since}: {last}; {missed}."),
    }
}

/// The likely reason for the end of a connection.
fn meaning(status: &InstanceStatus, cause: Cause) -> String {
    if let Some(peer) = intermediary(status) {
        return format!(
            "Its agent does not report {peer} among its own addresses, so a proxy or a NAT is in between: the process may be alive \
             behind it."
        );
    }
    match cause {
        Cause::ClosedByPeer | Cause::Reset => {
            "That is what the system does for a process that is killed or crashes."
        }
        Cause::Timeout => "The process is paused or hangs, or its machine or the network failed.",
        Cause::ClosedByCollector | Cause::OverLimit | Cause::Violation => {
            "This collector ended it and no new connection followed."
        }
        Cause::Unread => "The process is paused or hangs, or the network failed.",
        Cause::Broken => "The peer reported an error, or the network failed.",
        Cause::Hung => "Its machine acknowledged what was sent: the process is paused or hangs.",
        Cause::Unreachable => {
            "Nothing that was sent was acknowledged: its machine or the network failed."
        }
    }
    .to_owned()
}

/// The address of a proxy between the agent and this collector: the peer address of the connection, if the agent reports addresses
/// of its machine and this is not one of them. Agents report only IPv4 addresses, so a connection over IPv6 gives no answer.
fn intermediary(status: &InstanceStatus) -> Option<String> {
    let IpAddr::V4(peer) = status.peer?.ip().to_canonical() else {
        return None;
    };
    // `127.0.0.1` is this machine itself; any other loopback address belongs to a proxy on it.
    let is_this_machine = peer == Ipv4Addr::LOCALHOST;
    let peer = peer.to_string();
    let addresses: Vec<_> = addresses(&status.instance.properties).collect();
    let is_own = addresses.iter().any(|address| *address == peer);
    (!is_this_machine && !addresses.is_empty() && !is_own).then_some(peer)
}

/// The addresses that an agent reports. Agents of 8.x report them in one property, separated by commas.
fn addresses(properties: &Properties) -> impl Iterator<Item = &str> {
    let reported = properties.iter().filter(|(name, _)| {
        name.eq_ignore_ascii_case("ipv4") || name.eq_ignore_ascii_case("ipv4s")
    });
    reported.flat_map(|(_, value)| value.split(',').map(str::trim))
}

fn peer(status: &InstanceStatus) -> Option<String> {
    status.peer.map(|peer| peer.to_string())
}

fn connection(status: &InstanceStatus) -> String {
    capital(&words::connection(peer(status).as_deref()))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(chars).collect()
    })
}
