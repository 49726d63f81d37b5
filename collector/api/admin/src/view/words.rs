//! Events as sentences.

use std::{fmt::Write as _, time::Duration};

use rollcall_domain::{
    Timestamp,
    liveness::{Cause, Observer, Signal, State},
};
use rollcall_service::{
    Witness,
    events::{Changed, Connection, Contact, InstanceEvent, InstanceKind},
    roster::Roster,
};

mod collector;
mod service;

pub(super) use collector::collector;
pub(super) use service::service;

use super::{millis, protocol, time};

/// The most characters of a name in a sentence.
const LONGEST: usize = 120;

/// A name from outside, on one line: control characters are replaced, and a long name is cut.
pub(crate) fn plain(name: &str) -> String {
    let is_break = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let mut text: String = name
        .chars()
        .take(LONGEST)
        .map(|c| if is_break(c) { '\u{fffd}' } else { c })
        .collect();
    if name.chars().nth(LONGEST).is_some() {
        text.push('…');
    }
    text
}

/// The word for the cause of a connection's end in JSON.
pub(crate) const fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::ClosedByPeer => "closed_by_peer",
        Cause::Reset => "reset",
        Cause::Timeout => "timeout",
        Cause::ClosedByCollector => "closed_by_collector",
        Cause::Broken => "broken",
        Cause::Hung => "hung",
        Cause::Unreachable => "unreachable",
        Cause::OverLimit => "over_limit",
        Cause::Unread => "unread",
        Cause::Violation => "protocol_error",
    }
}

/// The end of a connection in a sentence.
pub(super) const fn ended(cause: Cause) -> &'static str {
    match cause {
        Cause::ClosedByPeer => "was closed by the peer",
        Cause::Reset => "was reset",
        Cause::Timeout => "timed out because the peer did not answer",
        Cause::ClosedByCollector => "was closed by this collector",
        Cause::Broken => "broke",
        Cause::Hung => "timed out because the process of the peer did not answer",
        Cause::Unreachable => "timed out because the machine of the peer did not answer",
        Cause::OverLimit => "was closed by this collector because the peer exceeded a limit",
        Cause::Unread => "was closed by this collector because the peer did not read its answers",
        Cause::Violation => "was closed by this collector because the peer violated the protocol",
    }
}

/// A signal with its article.
pub(super) const fn signal(signal: Signal) -> &'static str {
    match signal {
        Signal::Register => "its registration",
        Signal::Recover => "its recovery after a reconnect",
        Signal::Heartbeat => "a heartbeat",
        Signal::JvmMetrics => "JVM metrics",
        Signal::TraceSegment => "a trace segment",
        Signal::Telemetry => "telemetry",
        Signal::Poll => "a poll for commands",
        Signal::Leave => "its goodbye",
        Signal::Other(_) => "one of a kind that this release does not know",
    }
}

/// The connection of a signal: `its connection`, with the address of the other end if it is known.
pub(super) fn connection(peer: Option<&str>) -> String {
    match peer {
        Some(peer) => format!("its connection from {peer}"),
        None => "its connection".to_owned(),
    }
}

/// The shortest pause that counts as an interval. Agents send a signal about every 20 to 30 seconds; shorter pauses are between
/// calls that belong together, such as a registration and the first heartbeat.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(500);

/// How often the agent sends signals; `None` if that was not observed.
pub(super) fn interval(usual: Duration) -> Option<Duration> {
    (usual >= SHORTEST_INTERVAL).then_some(usual)
}

/// How many signals were expected during a silence; `None` if the interval was not observed.
pub(super) fn expected(silence: Duration, usual: Duration) -> Option<u64> {
    millis(silence).checked_div(millis(interval(usual)?))
}

/// The number of missing signals as text: `12 signals, expected about every 30s, did not come`.
pub(super) fn missed(silence: Duration, usual: Duration) -> Option<String> {
    match expected(silence, usual)? {
        0 => None,
        1 => Some(format!(
            "a signal, expected about every {}, did not come",
            round(usual)
        )),
        missed => Some(format!(
            "{missed} signals, expected about every {}, did not come",
            round(usual)
        )),
    }
}

/// The collector that observed a signal: `through member b:1, which left at ..`.
pub(super) fn through(witness: &Witness, own: &str) -> String {
    let Some(address) = witness.address.as_deref() else {
        return "by another member, or by this one before it restarted".to_owned();
    };
    if address == own {
        return "by this collector before it restarted".to_owned();
    }
    let address = plain(address);
    match witness.departed {
        None => format!("through member {address}"),
        Some(departed) => {
            let at = time(departed.at);
            let how = if departed.expired {
                "disappeared without an announcement"
            } else {
                "left"
            };
            format!("through member {address}, which {how} at {at}")
        }
    }
}

/// A difference of clocks that a sentence mentions, in milliseconds.
const SHOWN_SKEW: u64 = 5_000;

/// The difference of a clock from this collector's, if it is large: `90s ahead of this collector's`.
pub(super) fn skew(millis: Option<i32>) -> Option<String> {
    let millis = millis?;
    let difference = u64::from(millis.unsigned_abs());
    let direction = if millis > 0 { "ahead of" } else { "behind" };
    (difference > SHOWN_SKEW).then(|| {
        let difference = round(Duration::from_millis(difference));
        format!("{difference} {direction} this collector's")
    })
}

/// A duration for people.
pub(super) fn round(duration: Duration) -> String {
    let millis = millis(duration);
    let precise = match millis {
        0..10_000 => millis,
        10_000.. => millis / 1000 * 1000,
    };
    format!("{:?}", Duration::from_millis(precise))
}

/// The sentence of an event of an instance.
pub(super) fn instance(
    label: &str,
    at: Timestamp,
    event: &InstanceEvent,
    peer: Option<&str>,
    roster: &Roster,
) -> String {
    let by = |contact: &Contact| {
        let mut text = contact
            .peer
            .map_or(String::new(), |peer| format!(" from {peer}"));
        if let Some(generation) = contact.generation {
            // Writing to a string does not fail.
            let _written = write!(text, " with the protocol of {}", protocol(generation));
        }
        if let Some(skew) = skew(contact.clock_skew) {
            let _written = write!(text, ", its clock {skew}");
        }
        text
    };
    match &event.kind {
        InstanceKind::Registered(it) => format!("{label} registered{}.", by(it)),
        InstanceKind::Adopted(it) => {
            format!(
                "{label} was adopted: it holds an id from an earlier store{}.",
                by(it)
            )
        }
        InstanceKind::Recovered(it) => {
            format!(
                "{label} recovered: its agent reported its ids after a reconnect{}.",
                by(it)
            )
        }
        InstanceKind::Reconnected(it) => {
            format!("{label} is connected again{}.", by(it))
        }
        InstanceKind::Stray(it) => format!(
            "Another process used the id of {label}{}; its signal was refused.",
            by(it)
        ),
        InstanceKind::ClockDiffers(it) => match skew(it.clock_skew) {
            Some(skew) => format!("The clock of {label} is {skew}."),
            None if it.clock_skew.is_some() => {
                format!("The clock of {label} agrees with this collector's again.")
            }
            None => format!("The clock of {label} differs from this collector's."),
        },
        InstanceKind::ConnectionClosed { peer, cause } => {
            let peer = peer.map(|peer| peer.to_string());
            let connection = connection(peer.as_deref());
            format!("{label}: {connection} {}.", ended(*cause))
        }
        InstanceKind::StateChanged(it) => changed(label, at, it, peer, roster),
        InstanceKind::Moved { from, to, .. } => moved(label, *from, *to, roster),
        InstanceKind::Flapping { unrecorded, since } => format!(
            "{label} changed so often that {unrecorded} changes since {} were not recorded one by one.",
            time(*since)
        ),
    }
}

fn moved(label: &str, from: Observer, to: Observer, roster: &Roster) -> String {
    let name = |observer| match roster.witness(observer) {
        None => "this collector".to_owned(),
        Some(witness) => witness
            .address
            .map_or("another member".to_owned(), |address| {
                format!("member {}", plain(&address))
            }),
    };
    format!("{label} moved from {} to {}.", name(from), name(to))
}

fn changed(
    label: &str,
    at: Timestamp,
    changed: &Changed,
    peer: Option<&str>,
    roster: &Roster,
) -> String {
    let reported = if changed.is_reported {
        " Another member reported it."
    } else {
        ""
    };
    let word = match changed.to {
        State::Left => {
            return format!("{label} left: its agent announced its stop.{reported}");
        }
        State::Up => {
            let absent = round(at.since(changed.since));
            let from = super::state(changed.from);
            return format!(
                "{label} is up again after {absent} {from}: {} arrived.{reported}",
                signal(changed.signal)
            );
        }
        State::Silent => "silent",
        State::Down => "down",
    };
    let last = format!(
        "the last signal was {} at {}",
        signal(changed.signal),
        time(changed.last_seen)
    );
    let mut text = match (roster.witness(changed.observer), changed.connection) {
        (Some(witness), _) => {
            let own = roster.members().own;
            format!("{label} is {word}: {last}, {}", through(&witness, &own))
        }
        (None, Connection::Closed { at, cause }) => format!(
            "{label} is {word}: {} {} at {}, and {last}",
            connection(peer),
            ended(cause),
            time(at)
        ),
        (None, Connection::Open) => format!(
            "{label} is {word} although {} is open: {last}",
            connection(peer)
        ),
        (None, Connection::Unknown) => format!("{label} is {word}: {last}"),
    };
    let missed = missed(at.since(changed.last_seen), changed.usual);
    // Writing to a string does not fail.
    let _written = match missed {
        Some(missed) => write!(text, "; {missed}"),
        None => write!(text, "; none followed within {}", round(changed.term)),
    };
    format!("{text}.{reported}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_belong_together_are_not_an_interval() {
        let silence = Duration::from_secs(12);
        assert_eq!(missed(silence, Duration::ZERO), None);
        assert_eq!(missed(silence, Duration::from_millis(2)), None);
        assert_eq!(expected(silence, Duration::from_secs(20)), Some(0));
        assert_eq!(missed(silence, Duration::from_secs(20)), None);
        let text = missed(silence, Duration::from_secs(1));
        assert_eq!(
            text.as_deref(),
            Some("12 signals, expected about every 1s, did not come")
        );
    }
}
